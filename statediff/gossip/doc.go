// Package gossip carries what a sequencer says to full nodes that do not trust each
// other.
//
// Mini-blocks and headers travel in signed envelopes (internal/envelope), which
// arrive in any order, several times, or not at all. An Assembler makes of them what
// a full node can apply: the feed, in the one order that the contract allows. What
// it lacks, it names; what it had, it keeps for a while, for others who lack it.
//
// # The order of the feed
//
//   - Frames come in the order of their places, and each names the digest of the one
//     before it.
//   - The header of block N comes after the last frame of N, and before the last frame
//     of N+1. In between it comes as soon as it is there: who seals a block takes its
//     time, and the mini-blocks of the next do not wait for that.
//
// The order is kept by whom the frames name, not by who was first. A frame that does
// not name the one before it is put aside, although an allowed key signed it.
//
// # What an Assembler does not do
//
// It does no I/O, has no goroutine and no clock: time is an argument. Its owner calls
// it under a lock of its own, asks peers for what is Missing, and wakes readers. So
// the same input gives the same output, in a test, in a fuzzer and in a simulation.
//
// Rejected: an order by arrival with waiting for stragglers (every frame would wait);
// numbers of messages (a restart, or another transport, has others); reading the
// frames' content to see whether they fit (the Follower does that, against its state).
package gossip
