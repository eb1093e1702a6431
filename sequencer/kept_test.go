package sequencer

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// payloadsOf are size bytes.
func payloadsOf(size int) payloads {
	return payloads{make([]byte, 1), make([]byte, 2), make([]byte, size-3)}
}

// A page is the same whether it is read from a file or made of what was read.
func TestPages(t *testing.T) {
	k := &kept{fs: vfs.OS, dir: filepath.Join(t.TempDir(), "objects"), max: 1000}
	require.NoError(t, k.open(0))
	p := payloads{[]byte("a"), []byte("bbbb"), []byte("cc")}
	require.NoError(t, k.keep(1, &p))
	for _, c := range []struct {
		from uint64
		most int
		want string
	}{
		{0, 100, "abbbbcc"}, {0, 7, "abbbbcc"}, {0, 3, "abb"}, {1, 4, "bbbb"}, {2, 4, "bbbc"}, {6, 1, "c"},
		{3, 0, ""}, {7, 5, ""}, {8, 5, ""}, {1 << 63, 5, ""}, {math.MaxUint64, math.MaxInt, ""},
	} {
		read, err := k.page(1, c.from, c.most)
		require.NoError(t, err)
		made := p.page(c.from, c.most)
		require.Equal(t, []string{c.want, c.want}, []string{string(read.Bytes), string(made.Bytes)}, c)
		require.Equal(t, [3]uint64{1, 4, 2}, read.Sizes)
		require.Equal(t, read.Sizes, made.Sizes)
	}
	right, err := vfs.ReadFile(vfs.OS, k.name(1))
	require.NoError(t, err)
	for _, wrong := range [][]byte{
		{}, right[:8], right[:keptHead], right[:len(right)-1], append(right[:len(right):len(right)], 1),
		append(bytes.Repeat([]byte{0xff}, keptHead), 1),
	} {
		require.NoError(t, os.WriteFile(k.name(1), wrong, 0o600))
		_, err := k.page(1, 0, 100)
		require.ErrorIs(t, err, chain.ErrCorrupt, "%x", wrong)
	}
	require.NoError(t, os.Remove(k.name(1)))
	_, err = k.get(1)
	require.ErrorIs(t, err, chain.ErrNotFound)
}

// What is kept never takes more than it may, in memory's books and on disk; the oldest stay,
// in whatever order they come, and whoever opens it next finds the same.
func TestKeptStayWithinBytes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "objects")
	open := func(max int, proven uint64) *kept {
		k := &kept{fs: vfs.OS, dir: dir, max: max}
		require.NoError(t, k.open(proven))
		return k
	}
	k := open(100, 0)
	keep := func(number uint64, size int) {
		p := payloadsOf(size - keptHead)
		require.NoError(t, k.keep(number, &p))
	}
	has := func(bytes int, want ...uint64) {
		t.Helper()
		var s Stats
		k.report(&s)
		require.Equal(t, []int{bytes, k.max}, []int{s.UnprovenBytes, s.UnprovenBytesMax})
		require.Len(t, k.sizes, len(want))
		var names []string
		for _, n := range want {
			p, err := k.get(n)
			require.NoError(t, err)
			require.Equal(t, k.sizes[n], keptHead+p.size())
			require.Len(t, p.witness, 2)
			names = append(names, filepath.Base(k.name(n)))
		}
		there, err := vfs.OS.List(dir)
		require.NoError(t, err)
		slices.Sort(names)
		require.ElementsMatch(t, names, there)
	}
	for _, n := range []uint64{5, 3, 4} {
		keep(n, 30)
	}
	has(90, 3, 4, 5)
	keep(7, 30)
	has(90, 3, 4, 5)
	keep(2, 28)
	has(88, 2, 3, 4)
	keep(6, 101)
	has(88, 2, 3, 4)
	keep(3, 40)
	has(98, 2, 3, 4)
	k.prove(3)
	require.Len(t, k.sizes, 1)
	keep(3, 30) // which is proven, and removes what else is
	has(30, 4)
	keep(9, 70)
	has(100, 4, 9)

	require.NoError(t, os.WriteFile(k.name(8)+vfs.TempSuffix, []byte{1}, 0o600))
	k = open(100, 3)
	has(100, 4, 9)
	k = open(50, 3)
	has(30, 4)
	k.prove(2) // it does not move back
	has(30, 4)
	k = open(50, 4)
	has(0)
	keep(9, 30)
	k = open(0, 4)
	has(0)
	keep(9, 30)
	has(0)
	_, err := k.get(9)
	require.ErrorIs(t, err, chain.ErrNotFound)
}
