package trie

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// A place is where in the state a node stands: in which kind of trie, and how
// many nibbles of the path are left there.
type place struct {
	kind kind
	rest int
}

type kind uint8

const (
	stateTrie kind = 1 + iota
	storageTrie
)

// below is the place n nibbles further down.
func (p place) below(n int) place { return place{p.kind, p.rest - n} }

// A linker turns the nodes of a witness into tries. Starting from the root it
// reads each node where it stands, once, and checks everything that can be wrong
// with it there.
//
// A node that is used twice stands at the same height each time, because all
// keys are equally long, and in the same kind of trie, because an account is a
// list and a slot is not. Where a witness wants otherwise, it is refused, so the
// work is bounded by the size of the witness however its nodes refer to each
// other.
type linker struct {
	stubs map[common.Hash]*stub
}

// What can be wrong with a node.
var (
	errItems      = errors.New("neither 2 nor 17 items")
	errPath       = errors.New("path is not in compact form")
	errDepth      = errors.New("path does not have the length of a hash")
	errValue      = errors.New("value in a branch")
	errChildren   = errors.New("branch with fewer than two children")
	errRun        = errors.New("child of an extension is not a branch")
	errChild      = errors.New("child is neither a hash nor a node")
	errEmbedded   = errors.New("embedded node is not shorter than 32 bytes")
	errHashed     = errors.New("node shorter than 32 bytes is known by its hash")
	errTwoPlaces  = errors.New("node stands at two different heights or in tries of different kind")
	errNoStorage  = errors.New("storage root is zero")
	errNoCodeHash = errors.New("code hash is zero")
)

// trie returns the trie with the given root.
func (l *linker) trie(root common.Hash, k kind) (node, error) {
	if root == chain.EmptyRoot {
		return nil, nil
	}
	s, err := l.stub(root, place{k, pathSize})
	if err != nil {
		return nil, err // not s: an interface with a nil pointer is not nil
	}
	return s, nil
}

// stub returns the one stub for hash, linked if the witness holds the node.
func (l *linker) stub(hash common.Hash, at place) (*stub, error) {
	s := l.stubs[hash]
	if s == nil {
		s = &stub{reference: hashReference(hash)}
		l.stubs[hash] = s
	}
	if s.raw == nil {
		return s, nil
	}
	if s.place != (place{}) {
		if s.place != at {
			return nil, corruptNode(hash, errTwoPlaces)
		}
		return s, nil
	}
	s.place = at
	if len(s.raw) < len(hash) {
		return nil, corruptNode(hash, errHashed)
	}
	r := rlp.NewReader(s.raw)
	n, err := l.read(r, at)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, corruptNode(hash, err)
	}
	*n.ref() = s.reference
	s.node = n
	return s, nil
}

// corruptNode says which node is corrupt, once: the innermost.
func corruptNode(hash common.Hash, err error) error {
	if errors.Is(err, chain.ErrCorrupt) {
		return err
	}
	return &chain.CorruptError{What: fmt.Sprintf("trie node %s", hash), Offset: -1, Err: err}
}

// An item is one of a node's: a string, or a list with its header.
type item struct {
	list  bool
	bytes []byte
}

// read reads the node that follows in r. The caller sets its reference.
func (l *linker) read(r *rlp.Reader, at place) (node, error) {
	var (
		items [17]item
		n     int
		list  = r.List()
	)
	for ; list.More(); n++ {
		if n == len(items) {
			return nil, errItems
		}
		if items[n].list = list.NextIsList(); items[n].list {
			items[n].bytes = list.Raw()
		} else {
			items[n].bytes = list.Bytes()
		}
	}
	r.Close(list)
	if err := r.Err(); err != nil {
		return nil, err
	}
	switch n {
	case 2:
		return l.short(items[0], items[1], at)
	case 17:
		return l.branch(&items, at)
	}
	return nil, errItems
}

// compactMax is the length of the compact path of a whole hash.
const compactMax = 1 + 32

// short makes a leaf or an extension.
func (l *linker) short(first, second item, at place) (node, error) {
	switch {
	case first.list:
		return nil, errPath
	case len(first.bytes) > compactMax:
		return nil, errDepth
	}
	path, ok := parseCompact(first.bytes)
	switch {
	case !ok || len(path) == 0:
		return nil, errPath
	case path[len(path)-1] != terminator:
		return l.extension(path, second, at)
	case len(path) != at.rest:
		return nil, errDepth
	case second.list:
		return nil, errChild
	case at.kind == stateTrie:
		return l.account(path, second.bytes)
	}
	if _, err := parseSlot(second.bytes); err != nil {
		return nil, err
	}
	return &leaf{path: path, value: second.bytes}, nil
}

func (l *linker) account(path, value []byte) (node, error) {
	a, root, err := parseAccount(value)
	switch {
	case err != nil:
		return nil, err
	case root == common.Hash{}:
		return nil, errNoStorage
	case a.CodeHash == common.Hash{}:
		return nil, errNoCodeHash
	}
	storage, err := l.trie(root, storageTrie)
	if err != nil {
		return nil, err
	}
	return &leaf{path: path, account: &account{a, storage}}, nil
}

func (l *linker) extension(path []byte, child item, at place) (node, error) {
	at = at.below(len(path))
	if at.rest < 2 { // a branch takes a nibble, and a leaf the terminator
		return nil, errDepth
	}
	n, err := l.child(child, at)
	if err != nil {
		return nil, err
	}
	inner := n
	if s, ok := n.(*stub); ok && s.node != nil {
		inner = s.node
	}
	switch inner.(type) {
	case *branch, *stub:
		return &extension{path: path, child: n}, nil
	}
	return nil, errRun
}

func (l *linker) branch(items *[17]item, at place) (node, error) {
	switch {
	case at.rest < 2:
		return nil, errDepth
	case items[terminator].list || len(items[terminator].bytes) > 0:
		return nil, errValue
	}
	b := new(branch)
	count := 0
	for i := range terminator {
		n, err := l.child(items[i], at.below(1))
		if err != nil {
			return nil, err
		}
		if n != nil {
			b.children[i] = n
			count++
		}
	}
	if count < 2 {
		return nil, errChildren
	}
	return b, nil
}

// child returns the node that an item refers to, or nil.
func (l *linker) child(it item, at place) (node, error) {
	switch {
	case it.list:
		return l.embedded(it.bytes, at)
	case len(it.bytes) == 0:
		return nil, nil
	case len(it.bytes) != 32:
		return nil, errChild
	}
	s, err := l.stub(common.Hash(it.bytes), at)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (l *linker) embedded(raw []byte, at place) (node, error) {
	if len(raw) >= 32 {
		return nil, errEmbedded
	}
	n, err := l.read(rlp.NewReader(raw), at)
	if err != nil {
		return nil, err
	}
	r := n.ref()
	r.size = uint8(copy(r.bytes[:], raw))
	return n, nil
}
