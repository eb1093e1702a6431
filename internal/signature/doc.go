// Package signature is what the signatures of envelopes, attestations and requests
// have in common: secp256k1 over a hash of 32 bytes, R ‖ S ‖ V, in one form only, so
// that nobody can make a second good signature of one that is known. It is pure Go:
// who checks a word needs no C compiler. One that uses libsecp256k1 is injected where
// a binary has it.
package signature
