package sequencer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer"
)

// A clean end leaves no open block: what was acknowledged is sealed, published and told,
// and the next sequencer begins with the block after it.
func TestDrain(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	long := func(c *sequencer.Config) { c.BlockInterval, c.MiniBlockInterval = time.Hour, time.Hour }
	lane := w.load.Lanes(1)[0]
	for number := uint64(1); number <= 3; number++ {
		s := w.open(long)
		require.Equal(t, number-1, s.Heads().Published.Number)
		stop := running(s.Run)
		receipts := w.submit(s, lane.Batch(5))
		require.Equal(t, number, receipts[4].BlockNumber)
		require.Equal(t, number-1, s.Heads().RootChecked.Number)

		drained := make(chan error, 2)
		for range 2 {
			go func() { drained <- s.Drain(t.Context()) }()
		}
		require.NoError(t, errors.Join(<-drained, <-drained))
		require.Equal(t, number, s.Heads().RootChecked.Number)
		require.Equal(t, s.Heads().RootChecked, s.Heads().Published)
		_, msg, err := w.bus.Latest(context.Background(), link.TopicPublications)
		require.NoError(t, err)
		p := new(chain.Publication)
		require.NoError(t, p.UnmarshalBinary(msg))
		require.Equal(t, s.Heads().Published, p.Block)
		_, err = s.Submit(t.Context(), w.load.Lanes(1)[0].Next().Raw)
		require.ErrorIs(t, err, chain.ErrClosed)
		require.NoError(t, stop())
		require.NoError(t, s.Drain(t.Context()), "it is done")
		require.NoError(t, s.Close())
	}
	said := new(wire)
	require.NoError(t, said.hear(w.bus))
	require.Len(t, said.said, 3)

	// What a follower makes of it is the same.
	f := w.follower(false)
	stop := running(f.Run)
	w.eventually("the follower has all", func() bool { return f.Heads().RootChecked.Number == 3 })
	require.NoError(t, stop())
	require.NoError(t, f.Close())
}

// An open block that has nothing in it stays open: nobody gains by its end.
func TestDrainOfEmptyBlock(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	s := w.open(func(c *sequencer.Config) { c.BlockInterval = time.Hour })
	stop := running(s.Run)
	require.NoError(t, s.Drain(t.Context()))
	require.Zero(t, s.Heads().RootChecked.Number)
	require.NoError(t, stop())
	require.NoError(t, s.Close())
}

// With the data-availability layer away, the drain ends in time, the block is sealed, and
// the next sequencer publishes it.
func TestDrainWithoutLayer(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	layer := &switchedDA{DAClient: w.da, off: true}
	w.da = layer
	long := func(c *sequencer.Config) { c.BlockInterval = time.Hour }
	s := w.open(long)
	stop := running(s.Run)
	w.submit(s, w.load.Lanes(1)[0].Batch(5))
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Drain(ctx), context.DeadlineExceeded)
	w.eventually("it is sealed", func() bool { return s.Heads().RootChecked.Number == 1 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())

	layer.set(true)
	s = w.open(long)
	require.Equal(t, uint64(1), s.Heads().RootChecked.Number)
	stop = running(s.Run)
	require.NoError(t, s.Drain(t.Context()), "it waits for what an earlier run has closed")
	require.Equal(t, uint64(1), s.Heads().Published.Number)
	require.NoError(t, stop())
	require.NoError(t, s.Close())
}

// Nobody waits for a sequencer that has ended.
func TestDrainAfterTheEnd(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	s := w.open(func(c *sequencer.Config) { c.BlockInterval = time.Hour })
	stop := running(s.Run)
	w.submit(s, w.load.Lanes(1)[0].Batch(1))
	require.NoError(t, stop())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.ErrorIs(t, s.Drain(ctx), chain.ErrClosed)
	require.NoError(t, s.Close())
}

// What Send admitted is executed before the end, in as many blocks as it takes; what waits
// for a predecessor that never came is not.
func TestDrainExecutesWhatWasAdmitted(t *testing.T) {
	defer goleak.VerifyNone(t)
	const senders, each = 4, 5
	for name, gasLimit := range map[string]uint64{"in one block": 30_000_000, "in several": 6 * 21_000} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, senders)
			s := w.open(func(c *sequencer.Config) {
				c.MiniBlockInterval, c.BlockInterval, c.GasLimit = time.Hour, time.Hour, gasLimit
			})
			for i := range senders * each {
				_, err := s.Send(sign(w, i%senders, func(tx *types.DynamicFeeTx) { tx.Nonce += uint64(i / senders) }))
				require.NoError(t, err)
			}
			_, err := s.Send(sign(w, 0, func(tx *types.DynamicFeeTx) { tx.Nonce += each + 1 }))
			require.NoError(t, err)
			drained := make(chan error, 1)
			go func() { drained <- s.Drain(t.Context()) }()
			w.eventually("admission has ended", func() bool {
				_, err := s.Send(nil)
				return errors.Is(err, chain.ErrClosed)
			})
			stop := running(s.Run)
			require.NoError(t, <-drained)
			require.Equal(t, uint64(senders*each), s.Stats().Transactions)
			require.NotZero(t, s.Heads().Published.Number)
			require.Equal(t, s.Heads().RootChecked, s.Heads().Published)
			require.NoError(t, stop())
			require.NoError(t, s.Close())
		})
	}
}
