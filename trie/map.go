package trie

import (
	"bytes"
	"iter"

	"github.com/ethereum/go-ethereum/common"
)

// A Map is a plain Merkle Patricia trie from byte keys to byte values (Yellow
// Paper, appendix D). Unlike the tries of the state, whose keys are hashes, it
// allows keys of any length, also where one is the prefix of another. The zero
// Map is empty and ready for use, by one goroutine at a time.
type Map struct {
	root node
	path []byte // of the key at hand
}

// Put maps key to a copy of value. An empty value is none: it deletes.
func (m *Map) Put(key, value []byte) {
	if len(value) == 0 {
		m.Delete(key)
		return
	}
	m.put(key, bytes.Clone(value))
}

// put keeps value.
func (m *Map) put(key, value []byte) {
	m.path = appendPath(m.path[:0], key)
	root, err := walk(nil).put(m.root, m.path, &leaf{value: value})
	m.set(root, err)
}

// Delete removes key, if it is there.
func (m *Map) Delete(key []byte) {
	m.path = appendPath(m.path[:0], key)
	root, _, err := walk(nil).remove(m.root, m.path)
	m.set(root, err)
}

func (m *Map) set(root node, err error) {
	if err != nil {
		panic("trie: a Map has no stubs: " + err.Error())
	}
	m.root = root
}

// Root is the root hash.
func (m *Map) Root() common.Hash {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	return h.root(m.root)
}

// All yields the entries in ascending order of their keys. Both slices are the
// Map's: key until the next entry, value until it is put anew; read only. The Map
// may not be changed meanwhile.
func (m *Map) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		var key []byte
		walkAll(m.root, nil, func(path, value []byte) bool {
			key = key[:0]
			for i := 0; i+1 < len(path); i += 2 {
				key = append(key, path[i]<<4|path[i+1])
			}
			return yield(key, value)
		})
	}
}

// walkAll yields the leaves below n, which stands behind path, by ascending keys.
func walkAll(n node, path []byte, yield func(path, value []byte) bool) bool {
	switch n := n.(type) {
	case *leaf:
		return yield(append(path, n.path...), n.value)
	case *extension:
		return walkAll(n.child, append(path, n.path...), yield)
	case *branch:
		// A key that ends here comes before those that go on.
		if end := n.children[terminator]; end != nil && !walkAll(end, path, yield) {
			return false
		}
		for i, child := range n.children[:terminator] {
			if child != nil && !walkAll(child, append(path, byte(i)), yield) {
				return false
			}
		}
	}
	return true
}
