// Package gethdev runs go-ethereum in this process as a development node: the
// referee of package rpc's answers, and the rival in its benchmarks.
//
// The node serves all of go-ethereum's namespaces by HTTP and WebSocket on one free
// port of the loopback interface, on any merged genesis, so that both run the same
// chain. Blocks come in one of two ways:
//
//   - on demand (the default): Commit seals what waits, Import takes blocks that were
//     sealed elsewhere. Nothing else changes the chain, and nothing in a block depends
//     on a clock or on chance: timestamps count up by one second from the parent's,
//     prevRandao and the beacon root are zero. Same genesis, same calls, same hashes.
//   - by itself (Config.Auto): as `geth --dev --dev.period 0` does, by the same code, a
//     block as soon as a transaction waits.
//
// Import is what makes a comparison exact. Once go-ethereum has executed our blocks
// and has found our roots in them, every question about them has one answer, hashes
// included, and a test needs no list of excuses.
//
// It keeps the states of the newest 128 blocks, as geth does by default.
//
// Rejected: ethclient/simulated, whose blocks have a random prevRandao and the clock's
// time, and whose client has no address that others could dial; and a geth binary as a
// subprocess, which would have to be installed.
//
// Only tests and benchmarks import it: with it comes nearly all of go-ethereum.
package gethdev
