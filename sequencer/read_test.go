package sequencer_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/sequencer"
)

// Whoever has a receipt finds the transaction everywhere at once, long before the
// mini-block ends: in the state, in the account's next nonce, in history; and not in
// the pool any more.
func TestAcknowledgedIsReadable(t *testing.T) {
	w := newWorld(t, 10)
	ledger := &ledger{}
	s := w.open(func(c *sequencer.Config) {
		c.MiniBlockInterval, c.BlockInterval, c.History = time.Hour, time.Hour, ledger
	})
	stop := running(s.Run)
	defer func() {
		require.NoError(t, stop())
		require.NoError(t, s.Close())
	}()
	for _, tx := range w.load.Lanes(1)[0].Batch(50) {
		r, err := s.Submit(context.Background(), tx.Raw)
		require.NoError(t, err)

		view, env := s.Latest()
		account, _, err := view.Account(tx.From)
		require.NoError(t, err)
		require.Equal(t, tx.Nonce+1, account.Nonce)
		require.Equal(t, r.BlockNumber, env.Number)
		next, err := s.PendingNonce(tx.From)
		require.NoError(t, err)
		require.Equal(t, tx.Nonce+1, next)
		require.True(t, ledger.has(r.TxHash))
		require.Nil(t, s.PoolTx(r.TxHash))
		require.Zero(t, w.nonce(s, tx.From), "View is of the newest mini-block")
	}
	require.Empty(t, s.Pool())
}

// What waits for a predecessor is in the pool and counts in no nonce.
func TestPoolContent(t *testing.T) {
	w := newWorld(t, 10)
	s := w.open(func(c *sequencer.Config) { c.PoolLifetime = 100 * time.Millisecond })
	stop := running(s.Run)
	defer func() {
		require.NoError(t, stop())
		require.NoError(t, s.Close())
	}()
	var later []byte
	var from common.Address
	for _, tx := range w.load.Lanes(1)[0].Batch(100) {
		if tx.Nonce == 1 {
			later, from = tx.Raw, tx.From
			break
		}
	}
	hash, err := s.Send(later)
	require.NoError(t, err)
	require.Equal(t, hash, s.PoolTx(hash).Hash())
	pool := s.Pool()
	require.Len(t, pool, 1)
	require.Equal(t, sequencer.Waiting{Tx: pool[0].Tx, Sender: from, Nonce: 1, Queued: true}, pool[0])
	next, err := s.PendingNonce(from)
	require.NoError(t, err)
	require.Zero(t, next)
	_, err = s.Send(later)
	require.ErrorIs(t, err, chain.ErrInvalidTx)
	require.ErrorContains(t, err, "already known")
	w.eventually("it expires", func() bool { return s.PoolTx(hash) == nil })
	require.Empty(t, s.Pool())
}

// A history that was killed with the sequencer is told again what it may have missed,
// and nothing that it must have.
func TestHistoryIsToldAgain(t *testing.T) {
	w := newWorld(t, 10)
	first := &ledger{}
	s := w.open(func(c *sequencer.Config) { c.History, c.BlockInterval = first, 20*time.Millisecond })
	stop := running(s.Run)
	txs := w.load.Lanes(1)[0].Batch(120)
	w.submit(s, txs[:60])
	w.eventually("a block is published", func() bool { return s.Heads().Published.Number > 2 })
	w.submit(s, txs[60:])
	require.NoError(t, stop())
	published := s.Heads().Published.Number
	require.NoError(t, s.Close())
	require.GreaterOrEqual(t, first.persisted, published)

	again := &ledger{}
	s = w.open(func(c *sequencer.Config) { c.History = again })
	require.NoError(t, s.Close())
	require.Equal(t, published, again.rewound)
	cfg := w.config()
	cfg.History = &ledger{fork: chain.ErrMismatch}
	_, err := sequencer.New(context.Background(), cfg)
	require.ErrorIs(t, err, chain.ErrMismatch, "a history of another fork")
	for number := range again.txs {
		require.Greater(t, number, published)
	}
	require.NotEmpty(t, first.after(published))
	require.Equal(t, first.after(published), again.after(published))
}

// Whoever hears of a sealed block can read its state.
func TestSealedIsReadable(t *testing.T) {
	w := newWorld(t, 10)
	watch := &watcher{}
	s := w.open(func(c *sequencer.Config) { c.BlockInterval, c.History = 5*time.Millisecond, watch })
	watch.s = s
	stop := running(s.Run)
	w.submit(s, w.load.Lanes(1)[0].Batch(100))
	w.eventually("blocks are sealed", func() bool { return s.Heads().RootChecked.Number > 20 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	require.NoError(t, watch.err)
}

// A watcher is a History that reads the state of each block as it is sealed.
type watcher struct {
	ledger
	s   *sequencer.Sequencer
	err error
}

func (w *watcher) Seal(h *chain.Header) error {
	view, err := w.s.StateAt(h.ID())
	if err == nil {
		_, _, err = view.Account(chain.HistoryStorageAddress)
	}
	w.err = errors.Join(w.err, err)
	return w.ledger.Seal(h)
}

// A ledger is a History that keeps hashes.
type ledger struct {
	mu        sync.Mutex
	open      uint64
	txs       map[uint64][]common.Hash
	sealed    uint64
	persisted uint64
	rewound   uint64
	fork      error
}

func (l *ledger) Rewind(number uint64) error {
	l.rewound = number
	return nil
}

func (l *ledger) Check(h *chain.Header) error {
	if h.Number != l.rewound {
		panic("the header of another block than the newest")
	}
	return l.fork
}

func (l *ledger) OpenBlock(env *chain.Env) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = env.Number
	if l.txs == nil {
		l.txs = make(map[uint64][]common.Hash)
	}
	return nil
}

func (l *ledger) Acknowledge(number uint64, txs []*chain.Tx, receipts []*chain.Receipt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number != l.open {
		panic("transactions of a block that is not open")
	}
	for i, tx := range txs {
		if receipts[i].TxHash != tx.Hash() {
			panic("receipt of another transaction")
		}
		l.txs[number] = append(l.txs[number], tx.Hash())
	}
	return nil
}

func (l *ledger) SealMini(*chain.Frame, common.Hash, *chain.Changes) error { return nil }

func (l *ledger) Seal(h *chain.Header) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.Number != l.sealed+1 && l.sealed != 0 {
		panic("blocks are not sealed in order")
	}
	l.sealed = h.Number
	return nil
}

func (l *ledger) Persist(_ context.Context, number uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number > l.sealed {
		panic("a block is to be durable that is not sealed")
	}
	l.persisted = number
	return nil
}

func (l *ledger) has(hash common.Hash) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, hashes := range l.txs {
		for _, h := range hashes {
			if h == hash {
				return true
			}
		}
	}
	return false
}

// after is the transactions of blocks after number, in order of blocks.
func (l *ledger) after(number uint64) (out []common.Hash) {
	for n := number + 1; n <= number+1000; n++ {
		out = append(out, l.txs[n]...)
	}
	return out
}
