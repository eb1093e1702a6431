// Package debug answers the methods of the namespace debug that give blocks and
// their parts as bytes, debug_getRaw…, and debug_executionWitness, with which a
// stateless verifier executes a block. The traces are in package tracers.
//
// A block is a sealed one: latest and pending are the newest of them, because an
// unsealed block has no header and no root that a witness could prove.
//
// A witness is made when it is asked for. The block executes once more on the state
// before it, which says what it reads; the trie gives the nodes that prove these
// reads and lead to the new root, and nothing else. So what a caller gets is the
// witness that package prover accepts, which refuses superfluous nodes, in the JSON
// that go-ethereum's stateless execution reads. Rejected: keeping the witnesses that
// a sequencer publishes. They are where they were published, and a full node has
// none.
package debug
