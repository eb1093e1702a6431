package trie

import (
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
)

// A node is one of *branch, *extension, *leaf, or *stub; nil is the empty trie.
//
// A node whose reference is known is clean. It never changes again and may be
// part of any number of versions. A node whose reference is not known is dirty:
// it was made by the one edit in progress, nobody else can see it, and it may be
// changed in place. Everything below a clean node is clean.
type node interface {
	ref() *reference
}

// A reference is how a parent names a node (Yellow Paper, appendix D, equation
// of n(I, i)): the node's RLP where that is shorter than 32 bytes, the keccak256
// of it elsewhere.
type reference struct {
	bytes [32]byte
	size  uint8 // 32: a hash; 1 to 31: RLP; 0: not known, the node is dirty
}

func (r *reference) ref() *reference { return r }

func (r *reference) dirty() bool { return r.size == 0 }

func (r *reference) hashed() bool { return r.size == 32 }

func hashReference(h common.Hash) reference { return reference{bytes: h, size: 32} }

// A branch has a child for each nibble, and, in tries where a key may be the
// prefix of another, a leaf with an empty path at terminator. A clean branch has
// at least two children.
type branch struct {
	reference
	children [terminator + 1]node
}

// own returns a copy of b that may be changed, b itself if it may.
func (b *branch) own() *branch {
	if b.dirty() {
		return b
	}
	return &branch{children: b.children}
}

// only returns the index of the one child that is left, or -1 if there are more.
func (b *branch) only() int {
	at := -1
	for i, child := range b.children {
		if child == nil {
			continue
		}
		if at >= 0 {
			return -1
		}
		at = i
	}
	return at
}

// An extension is a run of nibbles that all keys below share. Its child is a
// branch, or the stub of one; its path is not empty.
type extension struct {
	reference
	path  []byte
	child node
}

// A leaf ends a key. It holds the encoded value, or an account.
type leaf struct {
	reference
	path    []byte // ends with terminator, unless it is empty: see branch
	value   []byte // nil if account is set
	account *account
}

// A stub stands for a node that is known by its hash: the places where a witness
// may have holes. It remembers whether anybody went through it.
type stub struct {
	reference
	node node // nil: the witness does not hold it
	used atomic.Bool

	raw   []byte // nil: the witness does not hold it
	place place  // where in the state the node stands; zero until it was seen there
}

// open marks the stub as used and returns the node behind it.
func (s *stub) open() (node, error) {
	if s.node == nil {
		return nil, missingNode(s.bytes)
	}
	if !s.used.Load() { // a plain load keeps the cache line shared
		s.used.Store(true)
	}
	return s.node, nil
}
