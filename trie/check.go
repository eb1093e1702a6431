package trie

import (
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
)

// check reports the first way in which the state trie root, clean, is not well
// formed. It knows all the rules and walks the whole trie: for tests and builds
// with invariants.
func check(root node) error {
	if root == nil {
		return nil
	}
	return checkNode(root, place{stateTrie, pathSize})
}

func checkNode(n node, at place) error {
	if n.ref().dirty() {
		return errors.New("trie: dirty node below a clean one")
	}
	if s, ok := n.(*stub); ok {
		if s.node == nil {
			return nil
		}
		n = s.node
	}
	if err := checkReference(n); err != nil {
		return err
	}
	switch n := n.(type) {
	case *branch:
		return checkBranch(n, at)
	case *extension:
		child := n.child
		if s, ok := child.(*stub); ok && s.node != nil {
			child = s.node
		}
		switch child.(type) {
		case *branch, *stub:
			if len(n.path) > 0 {
				return checkNode(n.child, at.below(len(n.path)))
			}
		}
		return fmt.Errorf("trie: extension %x of a %T", n.path, child)
	case *leaf:
		return checkLeaf(n, at)
	}
	return fmt.Errorf("trie: %T", n)
}

// checkReference compares what a node is called with what it is.
func checkReference(n node) error {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	var got reference
	if enc := h.encode(n); len(enc) < len(got.bytes) {
		got.size = uint8(copy(got.bytes[:], enc))
	} else {
		got = hashReference(h.hash(enc))
	}
	if want := *n.ref(); got != want {
		return fmt.Errorf("trie: node was changed: it is %x, and known as %x", got.bytes, want.bytes)
	}
	return nil
}

func checkBranch(b *branch, at place) error {
	switch {
	case b.only() >= 0:
		return errors.New("trie: branch with one child")
	case b.children[terminator] != nil:
		return errors.New("trie: value in a branch of a state trie")
	}
	for _, child := range b.children {
		if child == nil {
			continue
		}
		if err := checkNode(child, at.below(1)); err != nil {
			return err
		}
	}
	return nil
}

func checkLeaf(l *leaf, at place) error {
	switch {
	case len(l.path) != at.rest:
		return fmt.Errorf("trie: leaf with a path of %d nibbles, want %d", len(l.path), at.rest)
	case (l.account != nil) != (at.kind == stateTrie):
		return errors.New("trie: account in a storage trie, or value in a state trie")
	case l.account == nil:
		_, err := parseSlot(l.value)
		return err
	case l.account.storage != nil:
		return checkNode(l.account.storage, place{storageTrie, pathSize})
	}
	return nil
}

// checkSlots compares what a storage trie has with what the change says was
// there. A slot that the trie cannot tell is left to the update.
func checkSlots(storage node, c *chain.AccountChange) error {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	for i := range c.Slots {
		s := &c.Slots[i]
		l, err := walk(nil).get(storage, h.path(h.nibbles[:0], s.Key[:]))
		if err != nil {
			continue
		}
		if (l != nil) == s.Before.IsZero() || l != nil && string(l.value) != string(slotValue(&s.Before)) {
			return fmt.Errorf("%w: slot %s of %s is not what the changes were made for", chain.ErrOutOfStep, s.Key, c.Address)
		}
	}
	return nil
}
