package history

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// drain takes what is there.
func drain(t *testing.T, sub *Subscription) (events []Event, err error) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		e, err := sub.Next(ctx)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return events, nil
		case err != nil:
			return events, err
		}
		events = append(events, e)
	}
}

func minis(events []Event) (out []Seq) {
	for _, e := range events {
		if e.Mini != nil {
			out = append(out, e.Mini.Seq)
		}
	}
	return out
}

// What comes through the feed is what went in: every transaction once, in order, with
// its place, and every block after its mini-blocks.
func TestFeed(t *testing.T) {
	w := newWorld(t, small, nil)
	sub := w.store.Subscribe()
	w.grow(20, 0.2)
	events, err := drain(t, sub)
	require.NoError(t, err)
	var (
		txs, gas uint64
		block    = uint64(1)
		last     Seq
	)
	for _, e := range events {
		want := w.blocks[block]
		if e.Mini == nil {
			require.Equal(t, want.Hash, e.Sealed.Hash)
			require.EqualValues(t, len(want.Txs), txs)
			block, txs, gas = block+1, 0, 0
			continue
		}
		m := e.Mini
		require.Equal(t, SeqOf(m.Number, m.Index), m.Seq)
		require.Greater(t, m.Seq, last)
		require.Equal(t, block, m.Number)
		require.EqualValues(t, txs, m.FirstTx)
		require.Equal(t, gas, m.GasBefore)
		logs := uint32(0)
		for _, r := range want.Receipts[:txs] {
			logs += uint32(len(r.Logs))
		}
		require.Equal(t, logs, m.FirstLog)
		for i, tx := range m.Txs {
			require.Same(t, want.Txs[int(txs)+i], tx)
			require.Same(t, want.Receipts[int(txs)+i], m.Receipts[i])
			gas += m.Receipts[i].GasUsed
		}
		require.Equal(t, gas, m.GasBefore+m.GasUsed)
		txs += uint64(len(m.Txs))
		require.Equal(t, m.Last, txs == uint64(len(want.Txs)))
		last = m.Seq
	}
	require.EqualValues(t, 21, block)
}

func TestFeedLag(t *testing.T) {
	w := newWorld(t, small, func(c *Config) { c.FeedBytes = 100_000 })
	slow := w.store.Subscribe()
	all := w.store.Subscribe()
	total := 0
	for range 40 {
		w.grow(1, 0)
		events, err := drain(t, all)
		require.NoError(t, err)
		total += len(events)
	}
	stats, err := w.store.Stats()
	require.NoError(t, err)
	require.LessOrEqual(t, stats.FeedBytes, 100_000)
	require.Less(t, stats.FeedEvents, total)
	_, err = drain(t, slow)
	var lag *LagError
	require.ErrorAs(t, err, &lag)
	require.ErrorIs(t, err, chain.ErrOutOfStep)
	require.EqualValues(t, total-stats.FeedEvents, lag.Missed)
	events, err := drain(t, slow)
	require.NoError(t, err)
	require.Len(t, events, stats.FeedEvents)
	require.Equal(t, lag.Oldest, minis(events)[0])

	_, err = w.store.SubscribeFrom(SeqOf(1, 0))
	require.ErrorAs(t, err, &lag)
	require.Zero(t, lag.Missed, "not known")
	require.NotContains(t, lag.Error(), "0 events")
	sub, err := w.store.SubscribeFrom(lag.Oldest)
	require.NoError(t, err)
	again, err := drain(t, sub)
	require.NoError(t, err)
	require.Equal(t, minis(events), minis(again))
}

func TestSubscribeFrom(t *testing.T) {
	w := newWorld(t, small, nil)
	all := w.store.Subscribe()
	w.grow(10, 0.5)
	events, err := drain(t, all)
	require.NoError(t, err)
	seqs := minis(events)
	for i, seq := range seqs {
		sub, err := w.store.SubscribeFrom(seq)
		require.NoError(t, err)
		got, err := drain(t, sub)
		require.NoError(t, err)
		require.Equal(t, seq, got[0].Mini.Seq)
		require.Equal(t, seqs[i:], minis(got))

		// Who asks for what comes after gets it, and the headers in between, also where
		// the block had ended.
		sub, err = w.store.SubscribeFrom(seq + 1)
		require.NoError(t, err)
		next, err := drain(t, sub)
		require.NoError(t, err)
		require.Equal(t, got[1:], next)
	}
	sub, err := w.store.SubscribeFrom(SeqOf(100, 5)) // yet to come
	require.NoError(t, err)
	got, err := drain(t, sub)
	require.NoError(t, err)
	require.Empty(t, minis(got))
	w.grow(1, 1)
	got, err = drain(t, sub)
	require.NoError(t, err)
	require.NotEmpty(t, minis(got))

	w.reopen()
	for _, seq := range []Seq{0, seqs[0], SeqOf(w.parent.Number, 0), SeqOf(w.parent.Number, 1000)} {
		_, err = w.store.SubscribeFrom(seq)
		var lag *LagError
		require.ErrorAs(t, err, &lag, "%d came before the start", seq)
	}
	sub, err = w.store.SubscribeFrom(SeqOf(w.parent.Number+1, 0))
	require.NoError(t, err)
	w.grow(1, 0)
	got, err = drain(t, sub)
	require.NoError(t, err)
	require.Equal(t, SeqOf(w.parent.Number, 0), got[0].Mini.Seq)
}

func TestFeedDrop(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(3, 1)
	sub := w.store.Subscribe()
	w.store.Drop()
	events, err := drain(t, sub)
	require.NoError(t, err)
	require.Empty(t, events)

	parent := w.parent
	b := w.block()
	w.giveUnsealed(b, len(b.Txs))
	w.store.Drop()
	w.parent = parent
	b = w.block()
	w.give(b)
	events, err = drain(t, sub)
	require.ErrorIs(t, err, ErrDropped)
	require.NotEmpty(t, minis(events))
	again, err := drain(t, sub)
	require.NoError(t, err)
	require.Equal(t, SeqOf(4, 0), again[0].Mini.Seq)

	// Of the two mini-blocks with a number, who resumes gets the later.
	sub, err = w.store.SubscribeFrom(SeqOf(4, 0))
	require.NoError(t, err)
	resumed, err := drain(t, sub)
	require.NoError(t, err)
	require.Equal(t, again, resumed)

	w.rewind(2)
	events, err = drain(t, sub)
	require.ErrorIs(t, err, ErrDropped)
	require.Empty(t, events)
}

// Who resumes after mini-blocks that were dropped is told, whatever has come instead,
// and gets all of that.
func TestSubscribeBehindDropped(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(3, 1)
	all := w.store.Subscribe()
	parent := w.parent
	b := w.block()
	b.Txs, b.Receipts = w.body(4, 12)
	w.giveUnsealed(b, len(b.Txs))
	dropped, err := drain(t, all)
	require.NoError(t, err)
	require.Greater(t, len(dropped), 1)
	w.store.Drop()
	w.parent = parent
	b = w.block()
	b.Txs, b.Receipts = w.body(4, 5)
	w.give(b)
	require.ErrorIs(t, second(drain(t, all)), ErrDropped)
	instead, err := drain(t, all)
	require.NoError(t, err)

	newest := dropped[len(dropped)-1].Mini.Seq
	for seq := SeqOf(4, 1); seq <= newest+1; seq++ {
		sub, err := w.store.SubscribeFrom(seq)
		require.NoError(t, err)
		got, err := drain(t, sub)
		require.ErrorIs(t, err, ErrDropped, "from %#x", seq)
		require.Empty(t, got)
		got, err = drain(t, sub)
		require.NoError(t, err)
		require.Equal(t, instead, got)
	}
	for _, seq := range []Seq{SeqOf(4, 0), newest + 2, SeqOf(5, 0)} { // who has none of them
		sub, err := w.store.SubscribeFrom(seq)
		require.NoError(t, err)
		require.NoError(t, second(drain(t, sub)), "from %#x", seq)
	}
}

// What was given up is to come again, also where the feed has nothing that came before.
func TestSubscribeFromDropped(t *testing.T) {
	w := newWorld(t, small, func(c *Config) { c.FeedBytes = 1 })
	w.grow(4, 1)
	b := w.block()
	w.giveUnsealed(b, len(b.Txs))
	w.store.Drop()
	var lag *LagError
	require.ErrorAs(t, second(w.store.SubscribeFrom(SeqOf(4, 0))), &lag)
	require.NoError(t, second(w.store.SubscribeFrom(SeqOf(5, 0))))
	w.parent = w.blocks[4].Header.ID()
	w.reopen()
	require.ErrorAs(t, second(w.store.SubscribeFrom(SeqOf(3, 0))), &lag)
	w.rewind(2)
	require.NoError(t, second(w.store.SubscribeFrom(SeqOf(3, 0))))
	require.ErrorAs(t, second(w.store.SubscribeFrom(SeqOf(2, 0))), &lag)
}

// The mark that blocks were dropped says which, whatever was sealed since.
func TestDroppedError(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(3, 1)
	sub := w.store.Subscribe()
	parent := w.parent
	for n := range 2 {
		b := w.blockAt(4 + uint64(n))
		w.giveUnsealed(b, len(b.Txs))
	}
	w.store.Drop()
	w.parent = parent
	w.give(w.block())
	var dropped *DroppedError
	require.ErrorAs(t, second(drain(t, sub)), &dropped)
	require.EqualValues(t, 4, dropped.First)
	late, err := w.store.SubscribeFrom(SeqOf(5, 1))
	require.NoError(t, err)
	require.ErrorAs(t, second(drain(t, late)), &dropped)
	require.EqualValues(t, 4, dropped.First)
}

// Who may have seen what was dropped does not resume where the mark that says so is not
// kept any more; and the oldest that he is told works.
func TestSubscribeBehindLostDrop(t *testing.T) {
	w := newWorld(t, small, func(c *Config) { c.FeedBytes = 60_000 })
	w.grow(3, 1)
	parent := w.parent
	b := w.block()
	b.Txs, b.Receipts = w.body(4, 30)
	w.giveUnsealed(b, len(b.Txs))
	f := w.store.feed
	newest := f.newest
	w.store.Drop()
	w.parent = parent
	mark := f.end() - 1
	b = w.block()
	b.Txs, b.Receipts = w.body(4, 60)
	w.giveUnsealed(b, len(b.Txs))
	require.Greater(t, f.first, mark, "the mark is gone")
	kept := f.entries[0].event.Mini.Seq
	require.LessOrEqual(t, kept, newest+1, "what is kept of the block has numbers that were dropped")

	var lag *LagError
	for seq := kept; seq <= newest+1; seq++ {
		require.ErrorAs(t, second(w.store.SubscribeFrom(seq)), &lag, "from %#x", seq)
		require.Equal(t, newest+2, lag.Oldest)
	}
	sub, err := w.store.SubscribeFrom(lag.Oldest)
	require.NoError(t, err)
	events, err := drain(t, sub)
	require.NoError(t, err)
	require.Equal(t, lag.Oldest, minis(events)[0])
}

// Marks take memory, too.
func TestMarksAreBounded(t *testing.T) {
	f := newFeed(10*markBytes, 0)
	defer f.close()
	for n := range uint64(1000) {
		f.post(entry{dropped: true, from: n + 1})
		f.skip(n + 1)
	}
	entries, bytes := f.size()
	require.LessOrEqual(t, bytes, 10*markBytes)
	require.LessOrEqual(t, entries, 10)
	require.LessOrEqual(t, len(f.drops), 10)
}

// Hundreds of subscribers of any speed: each gets all events or is told how many it
// missed, and none is a goroutine or a wait of the writer's.
func TestFeedSubscribers(t *testing.T) {
	w := newWorld(t, small, func(c *Config) { c.FeedBytes = 200_000 })
	before := runtime.NumGoroutine()
	for range 10_000 {
		w.store.Subscribe()
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)

	const blocks = 150
	var wg sync.WaitGroup
	counts := make([]uint64, 200)
	for i := range counts {
		sub := w.store.Subscribe()
		wg.Go(func() {
			for {
				e, err := sub.Next(context.Background())
				var lag *LagError
				switch {
				case errors.As(err, &lag):
					counts[i] += lag.Missed
				case errors.Is(err, chain.ErrClosed):
					return
				case err != nil:
					t.Error(err)
					return
				default:
					counts[i]++
				}
				if e.Mini != nil && i%10 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	w.grow(blocks, 0.1)
	f := w.store.feed
	total := f.end()
	require.NoError(t, w.store.Close())
	wg.Wait()
	for i, n := range counts {
		require.Equal(t, total, n, "subscriber %d", i)
	}
}

func TestNextEndsWithContext(t *testing.T) {
	w := newWorld(t, small, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, second(w.store.Subscribe().Next(ctx)), context.Canceled)
}
