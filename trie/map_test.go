package trie_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/trie"
)

// mapOps reads data as puts and deletes, three bytes of header for each, and
// does them to a Map and to a Go map, comparing the roots every so often.
func mapOps(t *testing.T, data []byte) {
	var (
		m    trie.Map
		want = make(map[string][]byte)
		next = func(n int) []byte {
			n = min(n, len(data))
			out := data[:n]
			data = data[n:]
			return out
		}
	)
	for len(data) > 0 {
		op := next(1)[0]
		key := next(int(op & 3))
		switch size := int(op >> 2); {
		case size == 0:
			m.Delete(key)
			delete(want, string(key))
		default:
			value := make([]byte, size)
			copy(value, next(1))
			value[size-1] |= 1
			m.Put(key, value)
			want[string(key)] = append([]byte(nil), value...)
			clear(value) // Put has made a copy
		}
		if op&7 == 5 {
			if got, want := m.Root(), chaintest.TrieRoot(want); got != want {
				t.Fatalf("root: got %s, want %s", got, want)
			}
		}
	}
	if got, want := m.Root(), chaintest.TrieRoot(want); got != want {
		t.Fatalf("root: got %s, want %s", got, want)
	}
	for key := range want {
		m.Put([]byte(key), nil)
	}
	if got := m.Root(); got != chain.EmptyRoot {
		t.Fatalf("root of what was emptied: got %s, want %s", got, chain.EmptyRoot)
	}
}

// TestMap: keys of zero to three bytes, many the prefix of another, and values
// short enough for nodes to be embedded in nodes.
func TestMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 400 {
		data := make([]byte, n)
		for i := range data {
			// Few different bytes, so that keys meet.
			data[i] = byte(r.IntN(4))<<r.IntN(7) | byte(r.IntN(2))
		}
		mapOps(t, data)
	}
}

func FuzzMap(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<12 {
			t.Skip("the reference is quadratic")
		}
		mapOps(t, data)
	})
}

// The entries come in the order of their keys, whatever the order of the puts.
func TestMapAll(t *testing.T) {
	var m trie.Map
	want := []string{"", "a", "ab", "abc", "b", "ba", "z\x00", "z\x00\xff"}
	for _, i := range []int{5, 2, 7, 0, 3, 6, 1, 4} {
		m.Put([]byte(want[i]), []byte("value of "+want[i]))
	}
	var got []string
	for key, value := range m.All() {
		if string(value) != "value of "+string(key) {
			t.Fatalf("key %q has value %q", key, value)
		}
		got = append(got, string(key))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for range m.All() {
		break // an early end is no harm
	}
}
