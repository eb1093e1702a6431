// Package rpctest is a node in memory for tests of the door: a backend.Backend
// without a sequencer. A test says when a mini-block or a block ends, so the same
// calls always give the same chain, hashes included.
//
//	node := rpctest.Dev(t, rpctest.Options{})
//	tx := node.Transfer(0, common.Address{1}, 5) // account 0 pays; signed, not sent
//	node.Mini(tx)                                // acknowledged, in a mini-block
//	node.Seal()                                  // its block has a header now
//
// Transactions that come in through Send and Submit execute at once, unless
// Options.Hold keeps them in the pool for the next Mini or Seal. Import takes sealed
// blocks of other chains and checks them in every respect but proof of work.
package rpctest
