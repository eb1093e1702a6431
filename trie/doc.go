// Package trie computes Ethereum's state roots and the witnesses that prove
// them. StateTrie is the chain.Committer of a node that has all of the state;
// Stateless is the part of a state that a witness proves, to read and to compute
// the next root from. Map and the functions for block bodies are the same trie
// without a state around it. Start reading at committer.go, and for the
// verifier's side at stateless.go.
//
// # The problem
//
// The state is a Merkle Patricia trie from the hashes of addresses to accounts,
// and each account has one from the hashes of slot numbers to values (Yellow
// Paper, section 4.1 and appendix D). A block changes some thousands of leaves
// out of millions. A committer must give the root of the outcome, without
// touching the state before it: other blocks may begin there, the block may be
// given up, and its witness is asked for later, when the next is already
// applied.
//
// # The simple version
//
// Nodes are never changed. An edit copies the nodes from the leaf up to the top
// and shares all others, so a version of the state is one pointer: to begin on
// an old root is a look-up, to discard is to forget, and any number of versions
// may be read at once. Each node keeps its own hash, so that what is shared is
// never hashed again.
//
// # What makes it hard
//
// A block arrives in many parts, and copying a path for each would copy the top
// of the trie a thousand times. So a node without a hash, a dirty one, may be
// changed in place. This is safe because of the invariant that carries the whole
// package: a dirty node belongs to one unfinished edit, which nobody else can
// see, for versions are shared by Begin only, Begin knows only what was
// committed, and Commit hashes first. No owner is written into nodes, no lock is
// taken. Everything below a clean node is clean; check knows the rules.
//
// A witness must hold each node that a verifier opens, and nothing else. Rather
// than predict that, Witness does what the verifier will do, on the parent
// state, with the same code: a walk that notes the nodes it opens. The verifier
// has a stub in place of each node that is known by its hash, and the same walk
// opens the stubs; what it finds empty is missing, what it never opened is
// superfluous. Two things must be alike on both sides:
//
//   - The verifier applies the block's net changes at once, so the walk does too,
//     whatever the parts were. A slot that one part sets and the next one resets
//     is in no witness.
//   - A branch that keeps one child is replaced by the child, which must be
//     opened for that: it takes the branch's nibble into its own path. Which
//     branches collapse on the way depends on the order of the edits, so in each
//     trie everything is put before anything is removed. Then only branches that
//     are gone in the outcome collapse, in any order.
//
// A witness comes from a stranger. OpenWitness links its nodes from the root
// down and checks each, once, where it stands: depth, kind, canonical form. The
// walks need no checks of their own, because no trie that they could fall out
// of comes to be.
//
// # What was rejected
//
//   - A database of nodes by hash, as in go-ethereum: every step of a walk is a
//     look-up and a decoding, and old nodes need reference counts. Here the
//     garbage collector counts.
//   - Nodes by path with a layer of differences for each block: reads go through
//     all layers, and a fork moves them.
//   - Recording the witness while applying the parts: it would hold more than the
//     net changes need, and recording would slow the way to the root, which has
//     the priority.
//   - An owner's mark in each node in place of the invariant on dirty nodes: 8
//     bytes more for each of millions, and no more safety, as a mark says the
//     same thing twice.
package trie
