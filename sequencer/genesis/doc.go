// Package genesis makes the first block of a chain: from go-ethereum's
// genesis.json (Read), or from options, for development chains and benchmarks
// (Dev). Either gives the header of block 0 with the state root computed, and the
// state behind that root as canonical Changes of the empty state. Spec.Write makes the file
// of either, for whoever has to have the same chain and only knows its hash.
//
// The block is the one that go-ethereum 1.17 makes of the same file, bit by bit;
// internal/oracle compares the two on the public networks. Reading is stricter:
// go-ethereum ignores members that it does not know and lets the last of two
// equal keys win, here both are errors, because a misspelled fork is a fork that
// never comes. And it refuses a chain that begins with Prague and lacks the contracts
// without which no block is valid then (MissingContractError), where go-ethereum makes
// block 0 and can make no other.
package genesis
