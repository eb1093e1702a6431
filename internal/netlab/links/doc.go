// Package links holds the tests of the programs sequencer, fullnode and prover as
// processes on real links: killed, cut off from each other, slowed down, without their
// data-availability layer, late, and among those who lie: peers, provers, the layer. It has
// no code of its own.
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
// Liars are processes too. A rogue is a peer that has libp2p's router, and none of our
// code between itself and the wire: some send junk and mutations of what they heard, some
// what is larger than it may be, or would be unpacked, some what is too old, too far or
// there already, and some answer requests with lies, nothing, or without an end. A
// perjurer is a prover with a key that counts, which says of blocks what is wrong. The
// layer that lies is the test's own server, on a node of its own.
//
// The tests need Linux and root, and skip where there is no lab, but not in CI. They are
// reduced in size; VIVACE_LINKS=15 runs what an operator would want to have seen, with so
// many rounds of killing, cutting off and slowing down.
// VIVACE_MEASURE=3 runs TestMeasureLinks, which measures so many times, prints a table and
// decides nothing.
package links
