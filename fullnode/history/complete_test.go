package history

import (
	"context"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// What is not found in a store that is complete does not exist; and the store knows of a
// gap from when the block after it is opened.
func TestCompleteWithGaps(t *testing.T) {
	w := newWorld(t, small, nil)
	s, ctx := w.store, context.Background()
	require.True(t, s.Complete())
	require.True(t, s.CompleteHeaders())
	w.grow(5, 0.5)
	require.True(t, s.Complete())

	parent := w.parent
	after := w.blockAt(9)
	w.giveUnsealed(after, len(after.Txs)/2)
	require.False(t, s.Complete())
	require.False(t, s.CompleteHeaders())
	for _, n := range []uint64{6, 8} {
		require.ErrorIs(t, second(s.Block(n)), ErrNotKept)
		require.ErrorIs(t, second(s.Header(n)), ErrNotKept)
		require.ErrorIs(t, second(s.WaitHeader(ctx, n)), ErrNotKept)
	}
	for _, n := range []uint64{9, 10} {
		require.ErrorIs(t, second(s.Block(n)), chain.ErrNotFound)
	}
	for _, q := range []LogQuery{{From: 1, To: 20}, {From: 6, To: 6}, {From: 8, To: 9}, {From: 3, To: 4, Unsealed: true}} {
		require.ErrorIs(t, third(s.Logs(ctx, &q)), ErrNotKept, "%+v", q)
	}
	for _, q := range []LogQuery{{From: 1, To: 5}, {From: 9, To: 20, Unsealed: true}, {From: 9, To: 20}} {
		require.NoError(t, third(s.Logs(ctx, &q)), "%+v", q)
	}

	s.Drop()
	require.True(t, s.Complete())
	require.ErrorIs(t, second(s.Block(6)), chain.ErrNotFound)

	w.give(after)
	for range 3 {
		require.False(t, s.Complete())
		require.False(t, s.CompleteHeaders())
		require.ErrorIs(t, second(s.Block(6)), ErrNotKept)
		w.persist()
		w.reopen()
		s = w.store
	}
	w.rewind(parent.Number)
	for range 2 {
		require.True(t, s.Complete())
		require.True(t, s.CompleteHeaders())
		w.grow(3, 0.5)
	}
}

// A store that prunes is not complete from when it has to, whether it has done so or
// not; but it has all headers.
func TestCompleteWhenPruned(t *testing.T) {
	w := newWorld(t, small, func(c *Config) { c.KeepBlocks = 10 })
	w.grow(10, 0.5)
	require.True(t, w.store.Complete())
	w.grow(1, 0)
	require.False(t, w.store.Complete())
	for range 2 {
		w.persist()
		w.reopen()
		require.ErrorIs(t, second(w.store.Block(1)), ErrNotKept)
		require.False(t, w.store.Complete())
		require.True(t, w.store.CompleteHeaders())
	}
}

// A search whose blocks are pruned before it has come to them fails: the index forgets
// them, too.
func TestPrunedWhileSearched(t *testing.T) {
	w := newWorld(t, small, func(c *Config) { c.KeepBlocks = 20 })
	w.grow(20, 1)
	s := &search{disk: w.store.disk, query: &LogQuery{Addresses: []common.Address{{0xad, 1}}}, from: LogPosition{Block: 1}, last: 20, time: -time.Second}
	places, err := s.round()
	require.NoError(t, err)
	require.Empty(t, places)
	w.grow(5, 1)
	require.ErrorIs(t, second(s.round()), ErrNotKept)
}

// Who reads the feed, or takes it up again, is told of a gap, once, and goes on behind it.
func TestFeedTellsOfGaps(t *testing.T) {
	w := newWorld(t, small, nil)
	first := w.store.Subscribe()
	var lag *LagError
	seven := w.blockAt(7)
	require.NoError(t, w.store.OpenBlock(seven.Env))
	require.ErrorAs(t, second(w.store.SubscribeFrom(SeqOf(5, 0))), &lag)
	w.give(seven)
	events, err := drain(t, first)
	require.NoError(t, err, "nothing came before")
	require.Equal(t, SeqOf(7, 0), minis(events)[0])
	require.ErrorAs(t, second(w.store.SubscribeFrom(SeqOf(5, 0))), &lag)

	thirty := w.blockAt(30)
	require.NoError(t, w.store.OpenBlock(thirty.Env))
	behind, err := w.store.SubscribeFrom(SeqOf(30, 0))
	require.NoError(t, err)
	w.give(thirty)
	resumed, err := w.store.SubscribeFrom(SeqOf(20, 3))
	require.NoError(t, err)
	for _, sub := range []*Subscription{first, resumed} {
		events, err = drain(t, sub)
		require.ErrorAs(t, err, &lag)
		require.Empty(t, minis(events))
		require.Equal(t, SeqOf(30, 0), lag.Oldest)
		events, err = drain(t, sub)
		require.NoError(t, err)
		require.Equal(t, SeqOf(30, 0), minis(events)[0])
	}
	again, err := w.store.SubscribeFrom(lag.Oldest)
	require.NoError(t, err)
	for _, sub := range []*Subscription{behind, again} {
		events, err = drain(t, sub)
		require.NoError(t, err)
		require.Equal(t, SeqOf(30, 0), minis(events)[0])
	}
}
