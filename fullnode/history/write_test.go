package history

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// A writer that recovers repeats itself, in groups of other sizes, from any block on.
func TestRepetition(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(5, 1)
	w.grow(3, 0)
	closed := w.block()
	w.giveUnsealed(closed, len(closed.Txs))
	open := w.blockAt(closed.Number() + 1)
	for len(open.Txs) < 4 {
		open.Txs, open.Receipts = w.body(open.Number(), 6)
	}
	require.NoError(t, w.store.OpenBlock(open.Env))
	require.NoError(t, w.store.Acknowledge(open.Number(), open.Txs[:3], open.Receipts[:3]))
	sub := w.store.Subscribe()

	for n := uint64(3); n <= 8; n++ { // on disk and in memory
		b := w.blocks[n]
		require.NoError(t, w.store.OpenBlock(b.Env))
		require.NoError(t, w.store.Acknowledge(n, b.Txs, b.Receipts))
		require.NoError(t, w.store.SealMini(&chain.Frame{Number: n}, common.Hash{1}, nil))
		require.NoError(t, w.store.Seal(b.Header))
	}
	require.NoError(t, w.store.OpenBlock(closed.Env))
	for i := range closed.Txs {
		require.NoError(t, w.store.Acknowledge(closed.Number(), closed.Txs[i:i+1], closed.Receipts[i:i+1]))
	}
	require.NoError(t, w.store.OpenBlock(open.Env))
	require.NoError(t, w.store.Acknowledge(open.Number(), open.Txs[:1], open.Receipts[:1]))
	require.NoError(t, w.store.Acknowledge(open.Number(), open.Txs[1:4], open.Receipts[1:4])) // two of them known
	require.NoError(t, w.store.Acknowledge(open.Number(), open.Txs[4:], open.Receipts[4:]))
	events, err := drain(t, sub)
	require.NoError(t, err)
	require.Empty(t, events, "repetitions are no news")
	unsealed := w.store.Unsealed()
	require.Len(t, unsealed, 2)
	require.Equal(t, open.Txs, unsealed[1].Txs)
	require.Equal(t, open.Receipts, unsealed[1].Receipts)

	require.NoError(t, w.store.Seal(closed.Header))
	require.NoError(t, w.store.Seal(open.Header))
	w.check()
	w.persist()
	w.check()
}

// What has a known number and is something else is refused, and changes nothing.
func TestOthersAreRefused(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(4, 1)
	w.grow(2, 0)
	b := w.block()
	w.giveUnsealed(b, len(b.Txs)/2)
	n, s := b.Number(), w.store
	for _, known := range []uint64{2, 6, n} {
		env := w.env(known)
		env.Timestamp++
		require.ErrorIs(t, s.OpenBlock(env), chain.ErrMismatch, "block %d", known)
	}
	for _, known := range []uint64{2, 6} {
		h := *w.blocks[known].Header
		h.StateRoot[0]++
		require.ErrorIs(t, s.Seal(&h), chain.ErrMismatch)
	}
	other, receipts := w.body(n, 1)
	require.NoError(t, s.OpenBlock(b.Env))
	for len(b.Txs) < 2 {
		t.Fatal("a world with another seed")
	}
	require.ErrorIs(t, s.Acknowledge(n, other, receipts), chain.ErrMismatch)
	require.ErrorIs(t, s.SealMini(&chain.Frame{Number: n}, common.Hash{1}, nil), chain.ErrMismatch)

	known := len(s.Unsealed()[0].Txs)
	require.NoError(t, s.Acknowledge(n, b.Txs[:known], b.Receipts[:known]))
	for name, err := range map[string]error{
		"block after next":       s.OpenBlock(w.env(n + 2)),
		"unknown block":          s.Acknowledge(n+1, nil, nil),
		"fewer receipts":         s.Acknowledge(n, b.Txs[known:], nil),
		"receipt of another":     s.Acknowledge(n, other, receipts),
		"mini-block after next":  s.SealMini(&chain.Frame{Number: n, Index: 100}, common.Hash{1}, nil),
		"more than acknowledged": s.SealMini(&chain.Frame{Number: n, Index: uint32(len(s.mem[len(s.mem)-1].minis)), TxCount: 50, GasUsed: 1 << 40}, common.Hash{1}, nil),
		"less gas than before":   s.SealMini(&chain.Frame{Number: n, Index: uint32(len(s.mem[len(s.mem)-1].minis))}, common.Hash{1}, nil),
		"header of no block":     s.Seal(w.header(w.env(n+1), b.Hash)),
	} {
		require.ErrorIs(t, err, chain.ErrOutOfStep, name)
	}
	h := *b.Header
	h.ParentHash[0]++
	require.ErrorIs(t, s.Seal(&h), chain.ErrMismatch)

	require.NoError(t, s.Acknowledge(n, b.Txs[known:], b.Receipts[known:]))
	require.NoError(t, s.Seal(b.Header))
	w.check()
}

// A block ends with its last mini-block.
func TestNothingAfterTheEnd(t *testing.T) {
	w := newWorld(t, small, nil)
	b := w.block()
	w.giveUnsealed(b, len(b.Txs))
	txs, receipts := w.body(1, len(b.Txs)+1)
	require.ErrorIs(t, w.store.Acknowledge(1, txs[len(b.Txs):], receipts[len(b.Txs):]), chain.ErrOutOfStep)
}

// Receipts come bare from other nodes, group by group.
func TestBareReceipts(t *testing.T) {
	w := newWorld(t, shape{txs: 20, logs: 4, addresses: 3, topics: 3}, nil)
	for range 5 {
		b := w.block()
		require.NoError(t, w.store.OpenBlock(b.Env))
		for at := 0; at < len(b.Txs); {
			to := min(len(b.Txs), at+1+w.rng.IntN(4))
			var bare []*chain.Receipt
			for _, r := range b.Receipts[at:to] {
				bare = append(bare, &chain.Receipt{Status: r.Status, GasUsed: r.GasUsed, Logs: r.Logs})
			}
			require.NoError(t, w.store.Acknowledge(b.Number(), b.Txs[at:to], bare))
			at = to
		}
		open := w.store.Unsealed()[0]
		for i, r := range b.Receipts {
			require.Equal(t, r, open.Receipts[i])
		}
		require.NoError(t, w.store.Seal(b.Header))
	}
	w.check()
}

// What a reader has of an open block stays as it is.
func TestUnsealedIsACopy(t *testing.T) {
	w := newWorld(t, small, nil)
	require.Empty(t, w.store.Unsealed())
	require.NoError(t, w.store.OpenBlock(w.env(1)))
	txs, receipts := w.body(1, 500)
	var seen []*Block
	for i := range txs {
		require.NoError(t, w.store.Acknowledge(1, txs[i:i+1], receipts[i:i+1]))
		seen = append(seen, w.store.Unsealed()[0])
	}
	for i, b := range seen {
		require.Equal(t, txs[:i+1], b.Txs)
		require.False(t, b.Sealed())
		_ = append(b.Txs, nil) // spoils nothing
		_ = append(b.Receipts, nil)
	}
	require.Equal(t, txs, w.store.Unsealed()[0].Txs)
	require.EqualValues(t, 2, testing.AllocsPerRun(100, func() { w.store.Unsealed() }), "one slice, one block, and no transaction")
}

func TestGap(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(3, 1)
	w.give(w.blockAt(7))
	require.EqualValues(t, 7, w.store.Oldest())
	w.grow(2, 0.5)
	w.check()
	for _, again := range []bool{false, true} {
		for n := uint64(4); n < 7; n++ {
			for _, err := range []error{second(w.store.Block(n)), second(w.store.Header(n)), second(w.store.WaitHeader(context.Background(), n))} {
				require.ErrorIs(t, err, ErrNotKept)
				require.NotErrorIs(t, err, chain.ErrNotFound)
			}
			// A writer that repeats them fills no gap.
			require.NoError(t, w.store.OpenBlock(w.env(n)))
			require.NoError(t, w.store.Seal(w.header(w.env(n), common.Hash{})))
		}
		require.EqualValues(t, 7, w.store.Oldest())
		if !again {
			w.persist()
			w.reopen()
		}
	}
	// What was not persisted before the end is a gap afterwards.
	w.grow(2, 0)
	lost := w.parent
	w.reopen()
	delete(w.blocks, lost.Number)
	delete(w.blocks, lost.Number-1)
	w.give(w.blockAt(lost.Number + 1))
	require.ErrorIs(t, second(w.store.Block(lost.Number)), ErrNotKept)
	w.check()
	w.rewind(8)
	require.EqualValues(t, 7, w.store.Oldest())
	w.rewind(3)
	require.EqualValues(t, 1, w.store.Oldest())
	w.grow(8, 0.5)
	require.EqualValues(t, 1, w.store.Oldest())
	w.check()
}

func TestPrune(t *testing.T) {
	w := newWorld(t, small, func(c *Config) { c.KeepBlocks, c.CacheBytes = 10, 1<<20 })
	var old []*Block
	for range 200 {
		w.give(w.block())
		w.persist()
		for _, n := range w.numbers()[:max(0, len(w.blocks)-10)] {
			old = append(old, w.blocks[n])
			delete(w.blocks, n)
		}
	}
	for _, reopened := range []bool{false, true} {
		w.check()
		require.EqualValues(t, 191, w.store.Oldest())
		for _, b := range old {
			n := b.Number()
			require.ErrorIs(t, second(w.store.Block(n)), ErrNotKept)
			h, err := w.store.Header(n)
			require.NoError(t, err, "headers stay")
			require.Equal(t, b.Header, h)
			got, err := w.store.Number(b.Hash)
			require.NoError(t, err, "and so does the way from hash to number")
			require.Equal(t, n, got)
			require.ErrorIs(t, second(w.store.BlockByHash(b.Hash)), ErrNotKept)
			for _, tx := range b.Txs {
				require.ErrorIs(t, third(w.store.Tx(tx.Hash())), chain.ErrNotFound)
			}
			require.NoError(t, w.store.Seal(b.Header), "a repetition")
		}
		require.ErrorIs(t, third(w.store.Logs(context.Background(), &LogQuery{From: 190, To: 195})), ErrNotKept)
		stats, err := w.store.Stats()
		require.NoError(t, err)
		require.EqualValues(t, 10, stats.Blocks)
		if !reopened {
			w.reopen()
		}
	}
	require.NoError(t, w.store.disk.view(func(_ *boltTx, st *state) error {
		for _, r := range []*runs{&st.txs, &st.logs} {
			for _, x := range r.live {
				require.GreaterOrEqual(t, x.last, uint64(191), "a run that is about pruned blocks only")
			}
		}
		return nil
	}))
}

func TestWaitTx(t *testing.T) {
	w := newWorld(t, small, nil)
	require.NoError(t, w.store.OpenBlock(w.env(1)))
	txs, receipts := w.body(1, 50)
	var wg sync.WaitGroup
	for i, tx := range txs {
		for range 3 {
			wg.Go(func() {
				b, at, err := w.store.WaitTx(context.Background(), tx.Hash())
				if err != nil || at != i || b.Txs[at] != tx {
					t.Errorf("transaction %d: %d, %v", i, at, err)
				}
			})
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, third(w.store.WaitTx(ctx, common.Hash{1})), context.DeadlineExceeded)
	for i := range txs {
		require.NoError(t, w.store.Acknowledge(1, txs[i:i+1], receipts[i:i+1]))
	}
	wg.Wait()
	require.Empty(t, w.store.waiting)
}

func TestWaitHeader(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(1, 1)
	ctx := context.Background()
	require.ErrorIs(t, second(w.store.WaitHeader(ctx, 2)), chain.ErrNotFound, "nobody said that it comes")
	b := w.block()
	w.giveUnsealed(b, len(b.Txs))
	headers := make(chan *chain.Header)
	go func() {
		h, err := w.store.WaitHeader(ctx, 2)
		if err != nil {
			t.Error(err)
		}
		headers <- h
	}()
	time.Sleep(5 * time.Millisecond)
	require.NoError(t, w.store.Seal(b.Header))
	require.Equal(t, b.Header, <-headers)

	require.NoError(t, w.store.OpenBlock(w.env(3)))
	errs := make(chan error)
	go func() { errs <- second(w.store.WaitHeader(ctx, 3)) }()
	time.Sleep(5 * time.Millisecond)
	w.store.Drop()
	require.ErrorIs(t, <-errs, chain.ErrNotFound)
	require.NoError(t, w.store.OpenBlock(w.env(3)))
	short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, second(w.store.WaitHeader(short, 3)), context.DeadlineExceeded)
}

// Readers, subscribers, a writer and one who persists and prunes: for the race
// detector.
func TestConcurrent(t *testing.T) {
	w := newWorld(t, small, func(c *Config) { c.KeepBlocks, c.CacheBytes, c.FeedBytes = 20, 1<<15, 1<<17 })
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, read := range []func() error{
		func() error { return second(w.store.Block(w.store.Head().Number)) },
		func() error { return second(w.store.Header(w.store.Head().Number)) },
		func() error {
			b, err := w.store.Block(w.store.Head().Number)
			if err == nil && len(b.Txs) > 0 {
				err = third(w.store.Tx(b.Txs[0].Hash()))
			}
			return err
		},
		func() error {
			head := w.store.Head().Number
			q := &LogQuery{From: max(1, head-min(5, head)), To: head, Unsealed: true, Addresses: []common.Address{{0xad, 1}}}
			return third(w.store.Logs(context.Background(), q))
		},
		func() error {
			for _, b := range w.store.Unsealed() {
				for i, r := range b.Receipts {
					if r.TxHash != b.Txs[i].Hash() {
						t.Error("receipt of another transaction")
					}
				}
			}
			return second(w.store.Stats())
		},
		func() error { return w.store.Persist(context.Background(), w.store.Head().Number) },
	} {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					if err := read(); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	w.grow(150, 0)
	close(done)
	wg.Wait()
}
