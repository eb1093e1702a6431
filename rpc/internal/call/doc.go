// Package call turns what clients send to have executed into messages: the arguments
// of eth_call and its kin, and the overrides of state and block that go with them.
//
// Names, defaults and the wording of errors are go-ethereum's, because clients match
// on them. What is decoded is bounded by the size of the request: no field takes more
// memory than a small multiple of its text.
package call
