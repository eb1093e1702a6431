// Package links holds the tests of the programs sequencer, fullnode and prover as
// processes on real links: killed, cut off from each other, slowed down, without their
// data-availability layer, and late. It has no code of its own.
//
// Every test builds a chain of such processes in an internal/netlab lab, each on a
// node of its own, loads it with signed transfers by RPC, does harm, and then lets
// it come to rest. What must hold then is the same in all of them (world.settle): each
// transaction whose receipt a client got is on the chain, at the sequencer and at
// every full node, at the place that the receipt says; all have the same block and state
// root at a common head; publications were 1, 2, 3, ... with one set of ids, as seen
// by an observer that listened all the time and again by one that came at the end; and
// the proven head follows.
//
// The tests need Linux and root, and skip where there is no lab. They are reduced in
// size; VIVACE_LINKS=full runs what an operator would want to have seen, for half an
// hour. VIVACE_MEASURE=1 runs TestMeasureLinks, which prints a table and decides
// nothing.
package links
