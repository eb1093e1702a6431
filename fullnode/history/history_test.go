package history

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// check compares everything that the store can be asked with what went into it.
func (w *world) check() {
	w.tb.Helper()
	s := w.store
	require.Equal(w.tb, w.parent, s.Head())
	for _, n := range w.numbers() {
		want := w.blocks[n]
		got, err := s.Block(n)
		require.NoError(w.tb, err)
		equalBlock(w.tb, want, got)
		got, err = s.BlockByHash(want.Hash)
		require.NoError(w.tb, err)
		require.Equal(w.tb, n, got.Number())
		h, err := s.Header(n)
		require.NoError(w.tb, err)
		require.Equal(w.tb, want.Header, h)
		for i, tx := range want.Txs {
			b, at, err := s.Tx(tx.Hash())
			require.NoError(w.tb, err)
			require.Equal(w.tb, i, at)
			require.Equal(w.tb, n, b.Number())
		}
	}
	for _, err := range []error{
		second(s.Block(w.parent.Number + 1)), second(s.Header(w.parent.Number + 1)),
		second(s.Number(common.Hash{1, 2, 3})), second(s.BlockByHash(common.Hash{1})), third(s.Tx(common.Hash{4, 5})),
	} {
		require.ErrorIs(w.tb, err, chain.ErrNotFound)
		require.NotErrorIs(w.tb, err, ErrNotKept)
	}
	b, err := s.Block(0)
	require.NoError(w.tb, err)
	require.Equal(w.tb, w.cfg.Genesis, b.Header)
	require.Empty(w.tb, b.Txs)
	n, err := s.Number(w.cfg.Genesis.Hash())
	require.NoError(w.tb, err)
	require.Zero(w.tb, n)
}

func second[A any](_ A, err error) error { return err }

func third[A, B any](_ A, _ B, err error) error { return err }

// What went in comes out, in memory, on disk, and after the store was opened again.
func TestStore(t *testing.T) {
	w := newWorld(t, small, func(c *Config) { c.CacheBytes = 1 << 14 })
	w.check()
	w.grow(60, 0.2)
	w.check()
	w.persist()
	w.check()
	w.reopen()
	w.check()
	require.EqualValues(t, 1, w.store.Oldest())
	w.grow(30, 0.5)
	w.check()
	stats, err := w.store.Stats()
	require.NoError(t, err)
	require.NotZero(t, stats.DiskBytes)
}

// Blocks of several chunks.
func TestLargeBlocks(t *testing.T) {
	w := newWorld(t, shape{txs: 2000, logs: 6, data: 300, addresses: 50, topics: 200}, nil)
	w.grow(3, 1)
	h, err := w.store.disk.head(3)
	require.NoError(t, err)
	require.Greater(t, len(h.chunks), 3)
	w.check()
	w.reopen()
	w.check()
}

func TestRewind(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(40, 0.3)
	w.persist()
	w.grow(5, 0)
	taken := w.blocks[30]
	w.rewind(25)
	w.check()
	_, err := w.store.Block(taken.Number())
	require.ErrorIs(t, err, chain.ErrNotFound)
	_, err = w.store.Number(taken.Hash)
	require.ErrorIs(t, err, chain.ErrNotFound)
	for _, tx := range taken.Txs {
		require.ErrorIs(t, third(w.store.Tx(tx.Hash())), chain.ErrNotFound)
	}
	w.grow(40, 0.3)
	w.check()
	w.persist()
	w.check()
	w.rewind(3)
	w.reopen()
	w.check()
	w.grow(10, 0.3)
	w.check()
	w.rewind(0)
	w.check()
	require.NoError(t, w.store.disk.view(func(_ *boltTx, st *state) error {
		require.Empty(t, st.txs.live, "runs that are about nothing")
		require.Zero(t, st.counts)
		return nil
	}))
	w.grow(10, 1)
	w.reopen()
	w.check()
}

func TestClosed(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(2, 1)
	sub := w.store.Subscribe()
	waits := make(chan error, 2)
	go func() { waits <- third(w.store.WaitTx(context.Background(), common.Hash{1})) }()
	go func() { waits <- second(sub.Next(context.Background())) }()
	time.Sleep(10 * time.Millisecond)
	require.NoError(t, w.store.Close())
	require.NoError(t, w.store.Close())
	require.ErrorIs(t, <-waits, chain.ErrClosed)
	require.ErrorIs(t, <-waits, chain.ErrClosed)
	for _, err := range []error{
		second(w.store.Block(1)), third(w.store.Tx(common.Hash{1})), w.store.OpenBlock(w.env(3)),
		w.store.Persist(context.Background(), 2), w.store.Rewind(0), third(w.store.Logs(context.Background(), &LogQuery{To: 5})),
	} {
		require.True(t, errors.Is(err, chain.ErrClosed), "%v", err)
	}
}

// What was read before blocks were taken back is not kept after.
func TestCache(t *testing.T) {
	w := newWorld(t, small, nil)
	a, b, other := w.blockAt(1), w.blockAt(2), w.blockAt(3)
	c := newCache(a.bytes() + b.bytes())
	_, age := c.get(1)
	c.add(a, age)
	c.add(b, age)
	c.add(b, age)
	got, _ := c.get(1)
	require.Same(t, a, got)
	require.Equal(t, a.bytes()+b.bytes(), c.size())
	c.add(other, age) // 2 was not used for longest
	got, _ = c.get(2)
	require.Nil(t, got)
	require.LessOrEqual(t, c.size(), a.bytes()+b.bytes())

	c.rewind(1)
	got, _ = c.get(3)
	require.Nil(t, got)
	c.add(other, age)
	got, age = c.get(3)
	require.Nil(t, got, "it was read before")
	c.add(other, age)
	got, _ = c.get(3)
	require.Same(t, other, got)
	c.prune(3)
	require.Equal(t, other.bytes(), c.size())
	c = newCache(1)
	c.add(a, 0)
	require.Zero(t, c.size())
}
