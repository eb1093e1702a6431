package trie

import (
	"bytes"
	"slices"
)

// A walk follows paths through a trie, to read it or to derive another version
// from it. It notes every clean node that it opens and that a parent names by
// hash: exactly what a witness has to hold for the same walk to succeed there. A
// nil walk notes nothing.
type walk map[node]struct{}

// open returns n itself, or the node behind a stub. Whoever looks inside a node
// has opened it.
func (w walk) open(n node) (node, error) {
	if s, ok := n.(*stub); ok {
		var err error
		if n, err = s.open(); err != nil {
			return nil, err
		}
	}
	if w != nil && n != nil && n.ref().hashed() {
		w[n] = struct{}{}
	}
	return n, nil
}

// get returns the leaf at path, or nil if there is none.
func (w walk) get(n node, path []byte) (*leaf, error) {
	for {
		opened, err := w.open(n)
		if err != nil {
			return nil, err
		}
		switch at := opened.(type) {
		case nil:
			return nil, nil
		case *leaf:
			if !bytes.Equal(at.path, path) {
				return nil, nil
			}
			return at, nil
		case *extension:
			if !bytes.HasPrefix(path, at.path) {
				return nil, nil
			}
			n, path = at.child, path[len(at.path):]
		case *branch:
			n, path = at.children[path[0]], path[1:]
		}
	}
}

// put returns the trie n with the new leaf l at path, in place of one that may
// be there. It sets l's own path and does not keep path.
func (w walk) put(n node, path []byte, l *leaf) (node, error) {
	n, err := w.open(n)
	if err != nil {
		return nil, err
	}
	switch n := n.(type) {
	case *leaf:
		if bytes.Equal(n.path, path) {
			l.path = n.path
			return l, nil
		}
		k := commonPrefix(n.path, path)
		old := &leaf{path: n.path[k+1:], value: n.value, account: n.account}
		return fork(path[:k], n.path[k], old, path[k:], l), nil

	case *extension:
		k := commonPrefix(n.path, path)
		if k < len(n.path) {
			return fork(path[:k], n.path[k], extend(n.path[k+1:], n.child), path[k:], l), nil
		}
		child, err := w.put(n.child, path[k:], l)
		if err != nil {
			return nil, err
		}
		if !n.dirty() {
			n = &extension{path: n.path}
		}
		n.child = child
		return n, nil

	case *branch:
		child, err := w.put(n.children[path[0]], path[1:], l)
		if err != nil {
			return nil, err
		}
		n = n.own()
		n.children[path[0]] = child
		return n, nil
	}
	l.path = slices.Clone(path)
	return l, nil
}

// fork joins an old subtrie, at nibble at, and the new leaf l, at path, which
// differ in their first nibble, below their common prefix.
func fork(prefix []byte, at byte, old node, path []byte, l *leaf) node {
	b := new(branch)
	b.children[at] = old
	b.children[path[0]] = l
	l.path = slices.Clone(path[1:])
	return extend(slices.Clone(prefix), b)
}

// extend puts path in front of a branch, or of the stub of one, and keeps path.
func extend(path []byte, child node) node {
	if len(path) == 0 {
		return child
	}
	return &extension{path: path, child: child}
}

// remove returns the trie n without the leaf at path, and whether it was there.
func (w walk) remove(n node, path []byte) (_ node, removed bool, err error) {
	n, err = w.open(n)
	if err != nil {
		return nil, false, err
	}
	switch n := n.(type) {
	case *leaf:
		if bytes.Equal(n.path, path) {
			return nil, true, nil
		}

	case *extension:
		if !bytes.HasPrefix(path, n.path) {
			break
		}
		child, removed, err := w.remove(n.child, path[len(n.path):])
		if !removed {
			return n, false, err
		}
		return join(n.path, child), true, nil

	case *branch:
		child, removed, err := w.remove(n.children[path[0]], path[1:])
		if !removed {
			return n, false, err
		}
		n = n.own()
		n.children[path[0]] = child
		if child != nil {
			return n, true, nil
		}
		return w.collapse(n)
	}
	return n, false, nil
}

// collapse returns what takes the place of a branch that lost a child: the
// branch, or its last child with the nibble in front. That child must be opened,
// because a leaf or an extension takes the nibble into its own path.
func (w walk) collapse(b *branch) (node, bool, error) {
	at := b.only()
	if at < 0 {
		return b, true, nil
	}
	child, err := w.open(b.children[at])
	if err != nil {
		return nil, false, err
	}
	return join([]byte{byte(at)}, child), true, nil
}

// join puts path in front of an opened node. It does not keep path, nor alter n.
func join(path []byte, n node) node {
	switch n := n.(type) {
	case *leaf:
		return &leaf{path: slices.Concat(path, n.path), value: n.value, account: n.account}
	case *extension:
		return &extension{path: slices.Concat(path, n.path), child: n.child}
	}
	return &extension{path: slices.Clone(path), child: n}
}
