package history

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// A store of headers has each header by number and hash, in memory, on disk and after it
// was opened again, and says of all else that it is not kept, never that it is not there.
func TestHeadersOnly(t *testing.T) {
	w := newWorld(t, small, func(c *Config) { c.HeadersOnly, c.KeepBlocks = true, 3 })
	require.True(t, w.store.HeadersOnly())
	require.False(t, w.store.Complete(), "of nothing can it say that it does not exist")
	w.grow(9, 0.5)
	for range 3 {
		s := w.store
		require.EqualValues(t, 9, s.Head().Number)
		require.True(t, s.CompleteHeaders())
		require.False(t, s.Complete())
		for n, b := range w.blocks {
			header, err := s.Header(n)
			require.NoError(t, err)
			require.Equal(t, b.Hash, header.Hash())
			number, err := s.Number(b.Hash)
			require.NoError(t, err)
			require.Equal(t, n, number)
			require.ErrorIs(t, second(s.Block(n)), ErrNotKept)
			require.ErrorIs(t, second(s.BlockByHash(b.Hash)), ErrNotKept)
			require.ErrorIs(t, third(s.Logs(context.Background(), &LogQuery{From: n, To: n})), ErrNotKept)
			for _, tx := range b.Txs {
				require.ErrorIs(t, third(s.Tx(tx.Hash())), chain.ErrNotFound)
			}
		}
		genesis, err := s.Block(0)
		require.NoError(t, err)
		require.Empty(t, genesis.Txs)
		require.ErrorIs(t, second(s.Header(10)), chain.ErrNotFound)
		stats, err := s.Stats()
		require.NoError(t, err)
		require.Zero(t, stats.Blocks+stats.Txs+stats.Logs)
		w.persist()
		w.reopen()
	}
	w.rewind(6)
	require.ErrorIs(t, second(w.store.Header(7)), chain.ErrNotFound)
	w.grow(2, 0.5)
	require.True(t, w.store.CompleteHeaders())
}

// What was kept whole remains so when the store is opened for headers only, and the other
// way round the blocks that are not whole remain a gap.
func TestHeadersOnlyForAWhile(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(3, 0.5)
	w.persist()
	w.cfg.HeadersOnly = true
	w.reopen()
	w.grow(3, 0.5)
	w.persist()
	w.cfg.HeadersOnly = false
	w.reopen()
	w.grow(3, 0.5)
	for range 2 {
		for n := range w.blocks {
			b, err := w.store.Block(n)
			if n > 3 && n <= 6 {
				require.ErrorIs(t, err, ErrNotKept)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, w.blocks[n].Hash, b.Hash)
			require.Len(t, b.Txs, len(w.blocks[n].Txs))
		}
		require.True(t, w.store.CompleteHeaders())
		require.False(t, w.store.Complete())
		w.persist()
		w.reopen()
	}
}
