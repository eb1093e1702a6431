// Package wire is the JSON of Ethereum's execution API: the objects as clients see
// them, made of the chain's nouns, the arguments that clients send, and the errors
// with the codes that clients look for.
//
// Objects of sealed blocks have exactly the fields, the spelling and the nulls of
// go-ethereum 1.17. Objects of unsealed blocks have everything that is final at
// acknowledgement, and null for what the seal brings: hashes and roots.
//
// An object is made by a constructor, which does what can fail (decoding,
// recovering senders), and is read only from then on, so it may be marshalled
// concurrently, for many subscribers. Marshalling appends text to one slice of
// bytes and cannot fail: a receipt is written on the way of a transaction whose
// whole answer is to take less than a millisecond, and go-ethereum's server takes
// what MarshalJSON returns without looking at it again. Structs with tags, or maps,
// would cost ten times as much through encoding/json.
package wire
