package sequencer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// payloadsOf are size bytes.
func payloadsOf(size int) payloads {
	return payloads{make([]byte, 1), make([]byte, 2), make([]byte, size-3)}
}

// What is kept never takes more than it may; the oldest stay, in whatever order they come.
func TestKeptStayWithinBytes(t *testing.T) {
	k := &kept{max: 100}
	bytes := func() int {
		var s Stats
		k.report(&s)
		require.Equal(t, 100, s.UnprovenBytesMax)
		return s.UnprovenBytes
	}
	has := func(want ...uint64) {
		t.Helper()
		require.Len(t, k.blocks, len(want))
		for _, n := range want {
			_, ok := k.get(n)
			require.True(t, ok, n)
		}
	}
	for _, n := range []uint64{5, 3, 4} {
		k.keep(n, payloadsOf(30))
	}
	has(3, 4, 5)
	k.keep(7, payloadsOf(30))
	has(3, 4, 5)
	k.keep(2, payloadsOf(20))
	has(2, 3, 4)
	require.Equal(t, 80, bytes())
	k.keep(6, payloadsOf(101))
	has(2, 3, 4)
	k.prove(3)
	has(4)
	k.keep(3, payloadsOf(30))
	has(4)
	k.keep(9, payloadsOf(70))
	has(4, 9)
	require.Equal(t, 100, bytes())
	k.prove(2) // it does not move back
	k.prove(9)
	has()
	require.Zero(t, bytes())

	none := &kept{max: -1}
	none.keep(1, payloads{})
	require.Empty(t, none.blocks)
}

// What is kept is given from there, and only what provers may work on.
func TestKeptObjects(t *testing.T) {
	w := newDeskWorld(t, 1, 1, 2, func(c *DeskConfig) { c.ObjectsBytes = 10 })
	w.kept.max = 1000
	w.kept.keep(1, payloads{[]byte("a"), []byte("bb"), []byte("ccc")})
	w.kept.keep(2, payloadsOf(11))
	w.kept.keep(3, payloadsOf(5))
	block, witness, diff, err := w.Objects(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "a/bb/ccc", string(block)+"/"+string(witness)+"/"+string(diff))
	_, _, _, err = w.Objects(t.Context(), 2)
	require.ErrorIs(t, err, chain.ErrTooLarge)
	_, _, _, err = w.Objects(t.Context(), 3)
	require.ErrorIs(t, err, chain.ErrNotFound, "it is not published")
}
