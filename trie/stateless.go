package trie

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// Stateless is the part of one state that a witness proves. As a
// chain.StateView it may be read concurrently, and as a chain.Committer it
// computes roots from it. Whatever the witness does not hold is a
// *chain.MissingError.
type Stateless struct {
	root     node
	versions versions
	nodes    []*stub        // of the witness
	codes    []*witnessCode // of the witness
	byHash   map[common.Hash]*witnessCode
}

type witnessCode struct {
	hash  common.Hash
	bytes []byte
	used  atomic.Bool
}

var (
	_ chain.StateView = (*Stateless)(nil)
	_ Committer       = (*Stateless)(nil)
)

// OpenWitness returns the part of the state with the given root that w.Nodes and
// w.Codes hold. It hashes them, follows the hashes down from the root and checks
// the form of every node that it meets, so that later steps need not: an error
// matches chain.ErrCorrupt and names a node that no state trie has. Nodes that it
// does not meet are left to Unused. The result refers to the bytes of w, which
// nobody may alter any more. w.Headers are not looked at.
func OpenWitness(root common.Hash, w *chain.Witness) (*Stateless, error) {
	s := &Stateless{byHash: make(map[common.Hash]*witnessCode, len(w.Codes))}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	for _, b := range w.Codes {
		code := &witnessCode{hash: h.hash(b), bytes: b}
		s.byHash[code.hash] = code // of two that are equal one stays unused
		s.codes = append(s.codes, code)
	}
	l := linker{stubs: make(map[common.Hash]*stub, 2*len(w.Nodes))}
	for _, raw := range w.Nodes {
		n := &stub{reference: hashReference(h.hash(raw)), raw: raw}
		l.stubs[n.bytes] = n // of two that are equal one stays unused
		s.nodes = append(s.nodes, n)
	}
	var err error
	if s.root, err = l.trie(root, stateTrie); err != nil {
		return nil, err
	}
	s.versions = versions{retain: 1, nodes: make(map[common.Hash]node)}
	s.versions.keep(root, s.root)
	return s, nil
}

// Account implements chain.StateView.
func (s *Stateless) Account(address common.Address) (chain.Account, bool, error) {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	a, err := walk(nil).account(s.root, h, address)
	if a == nil {
		return chain.Account{}, false, err
	}
	return a.Account, true, nil
}

// Slot implements chain.StateView.
func (s *Stateless) Slot(address common.Address, key common.Hash) (uint256.Int, error) {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	a, err := walk(nil).account(s.root, h, address)
	if err != nil {
		return uint256.Int{}, err
	}
	l, err := walk(nil).slot(a, h, address, key)
	if l == nil {
		return uint256.Int{}, err
	}
	return parseSlot(l.value)
}

// Code implements chain.StateView.
func (s *Stateless) Code(hash common.Hash) ([]byte, error) {
	if hash == chain.EmptyCodeHash {
		return nil, nil
	}
	code := s.byHash[hash]
	if code == nil {
		return nil, &chain.MissingError{What: "code", Hash: hash}
	}
	code.used.Store(true)
	return code.bytes, nil
}

// Begin implements chain.Committer. parent is the root of the witness, or one
// that was committed on it.
func (s *Stateless) Begin(ctx context.Context, parent common.Hash) (Commitment, error) {
	return s.versions.begin(ctx, parent)
}

// Unused reports what neither the reads nor the roots so far needed, as an error
// that matches chain.ErrSuperfluous and names the first such node or code. One
// that w held twice is among them.
// Called when all reads are done and Root was computed, nil says that the
// witness held nothing more than it had to.
func (s *Stateless) Unused() error {
	for _, n := range s.nodes {
		if !n.used.Load() {
			return fmt.Errorf("%w: trie node %s", chain.ErrSuperfluous, common.Hash(n.bytes))
		}
	}
	for _, code := range s.codes {
		if !code.used.Load() {
			return fmt.Errorf("%w: code %s", chain.ErrSuperfluous, code.hash)
		}
	}
	return nil
}
