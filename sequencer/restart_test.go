package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// More blocks than the queue to the data-availability layer takes are unpublished
// when the sequencer stops: it was full, and others were on their way to it. It
// starts all the same, even with a smaller queue.
func TestRestartWithFullQueue(t *testing.T) {
	w := newWorld(t, 10)
	layer := &switchedDA{DAClient: w.da, off: true}
	w.da = layer
	queue := func(blocks int) func(*sequencer.Config) {
		return func(c *sequencer.Config) {
			c.BlockInterval, c.UnpublishedBlocks = 10*time.Millisecond, blocks
		}
	}
	s := w.open(queue(2))
	stop := running(s.Run)
	var sealed uint64
	w.eventually("sealing stands still", func() bool {
		before := sealed
		sealed = s.Heads().RootChecked.Number
		time.Sleep(100 * time.Millisecond)
		return sealed > 4 && sealed == before
	})
	require.NoError(t, stop())
	require.NoError(t, s.Close())

	opened := make(chan *sequencer.Sequencer, 1)
	go func() { opened <- w.open(queue(1)) }()
	select {
	case s = <-opened:
	case <-time.After(10 * time.Second):
		t.Fatal("recovery hangs")
	}
	layer.set(true)
	stop = running(s.Run)
	w.eventually("all is published", func() bool { return s.Heads().Published.Number > sealed })
	require.NoError(t, stop())
	require.NoError(t, s.Close())
}

// A block that was opened in one term is opened anew when the sequencer restarts in a
// later one, with what is in it; who follows takes that, and there is no way back. What
// genesis has for extraData is no term.
func TestRestartInLaterTerm(t *testing.T) {
	w := newWorld(t, 10)
	w.spec.Genesis.Header.ExtraData = []byte("no term at all")
	follower := w.follower(false)
	stopFollower := running(follower.Run)
	lane := w.load.Lanes(1)[0]
	term := func(n uint64) func(*sequencer.Config) {
		return func(c *sequencer.Config) { c.Term, c.BlockInterval = n, time.Second }
	}
	s := w.open(term(1))
	stop := running(s.Run)
	w.submit(s, lane.Batch(20))
	w.eventually("follower is in the block", func() bool { return follower.Heads().Preconfirmed.Number > 0 })
	open := s.Heads().Preconfirmed.Number
	require.NoError(t, stop())
	require.NoError(t, s.Close())

	s = w.open(term(2))
	stop = running(s.Run)
	w.submit(s, lane.Batch(5))
	w.eventually("follower is in the new term", func() bool { return follower.Heads().RootChecked.Number > open })
	for number := uint64(1); number <= open+1; number++ {
		want := uint64(1)
		if number >= open {
			want = 2
		}
		h, err := s.Header(number)
		require.NoError(t, err)
		require.Equal(t, want, h.Term(), "block %d", number)
	}
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	require.NoError(t, stopFollower())
	require.NoError(t, follower.Close())

	cfg := w.config()
	cfg.Term = 1
	_, err := sequencer.New(context.Background(), cfg)
	require.ErrorIs(t, err, chain.ErrOutOfStep)
}

// The oldest attestations are not kept for ever; the sequencer starts without them.
func TestOldAttestationsAreGone(t *testing.T) {
	w := newWorld(t, 2)
	attestations := link.NewBus(1) // keeps one message
	for range 3 {
		_, err := attestations.Publish(context.Background(), link.TopicAttestations, []byte("old"))
		require.NoError(t, err)
	}
	s := w.open(func(c *sequencer.Config) { c.Subscriber = attestations })
	stop := running(s.Run)
	w.submit(s, w.load.Lanes(1)[0].Batch(5))
	w.eventually("blocks are sealed", func() bool { return s.Heads().RootChecked.Number >= 2 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())
}

// A failingPublisher fails with err on one topic.
type failingPublisher struct {
	sequencer.Publisher
	topic string
	err   error
}

func (p *failingPublisher) Publish(ctx context.Context, topic string, msg []byte) (uint64, error) {
	if topic == p.topic {
		return 0, p.err
	}
	return p.Publisher.Publish(ctx, topic, msg)
}

// A block whose publication could not be told is published again after the restart:
// otherwise no prover would ever hear of it.
func TestPublicationIsToldAtLeastOnce(t *testing.T) {
	w := newWorld(t, 2)
	errDown := errors.New("line is down")
	s := w.open(func(c *sequencer.Config) {
		c.Publisher = &failingPublisher{w.bus, link.TopicPublications, errDown}
	})
	require.ErrorIs(t, s.Run(context.Background()), errDown)
	require.NoError(t, s.Close())

	stopProver := running(w.prover().Run)
	s = w.open()
	stop := running(s.Run)
	w.eventually("blocks are proven", func() bool { return s.Heads().Proven.Number >= 2 })
	require.NoError(t, stop())
	require.NoError(t, stopProver())
	require.NoError(t, s.Close())
}

// A deadline that is not Run's own ends Run with an error, and not only the part
// that met it.
func TestForeignDeadlineEndsRun(t *testing.T) {
	w := newWorld(t, 2)
	for _, topic := range []string{link.TopicFeed, link.TopicPublications} {
		s := w.open(func(c *sequencer.Config) {
			c.Publisher = &failingPublisher{w.bus, topic, fmt.Errorf("send: %w", context.DeadlineExceeded)}
		})
		ended := make(chan error, 1)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		go func() { ended <- s.Run(ctx) }()
		require.ErrorIs(t, <-ended, context.DeadlineExceeded, topic)
		cancel()
		require.NoError(t, s.Close())
	}
}

// Without provers that answer, what is remembered for them stays bounded, although
// time goes on.
func TestUnprovenBlocksAreBounded(t *testing.T) {
	w := newWorld(t, 2)
	s := w.open(func(c *sequencer.Config) { c.BlockInterval, c.UnprovenBlocks = 5*time.Millisecond, 3 })
	stop := running(s.Run)
	w.eventually("the bound is reached", func() bool { return s.Stats().Unproven >= 3 })
	time.Sleep(200 * time.Millisecond)
	require.LessOrEqual(t, s.Stats().Unproven, 3+3, "those that were on their way")
	tx := w.load.Lanes(1)[0].Next()
	_, err := s.Submit(context.Background(), tx.Raw)
	require.ErrorIs(t, err, chain.ErrBusy)
	stopProver := running(w.prover().Run)
	w.eventually("it goes on", func() bool {
		_, err := s.Submit(context.Background(), tx.Raw)
		return err == nil
	})
	require.NoError(t, stop())
	require.NoError(t, stopProver())
	require.NoError(t, s.Close())
}

// A directory with another chain's snapshot is refused, and so is its offer.
func TestOtherGenesisIsRefused(t *testing.T) {
	w := newWorld(t, 2)
	s := w.open(func(c *sequencer.Config) { c.SnapshotBlocks = 1 })
	stop := running(s.Run)
	w.eventually("a snapshot is offered", func() bool {
		_, _, err := w.bus.Latest(context.Background(), link.TopicSnapshots)
		return err == nil
	})
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	cfg := w.config()
	other, err := genesis.Dev(genesis.DevOptions{State: w.load.State(), GasLimit: 12_345_678})
	require.NoError(t, err)
	cfg.Genesis = other.Genesis
	_, err = sequencer.New(context.Background(), cfg)
	require.ErrorIs(t, err, chain.ErrMismatch)
	_, err = fullnode.New(context.Background(), fullnode.Config{
		Genesis: other.Genesis, Subscriber: w.bus, DA: w.da, FromSnapshot: true,
	})
	require.ErrorIs(t, err, chain.ErrMismatch)
}

// smallDA takes no snapshots.
type smallDA struct{ chain.DAClient }

func (d smallDA) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	var o da.Object
	if err := o.UnmarshalBinary(blob); err == nil && o.Kind == da.Snapshot {
		return nil, chain.ErrTooLarge
	}
	return d.DAClient.Put(ctx, blob)
}

// A state that outgrew the data-availability layer does not stop the sequencer,
// which still cuts its log by it.
func TestSnapshotTooLargeForDA(t *testing.T) {
	w := newWorld(t, 2)
	w.da = smallDA{w.da}
	s := w.open(func(c *sequencer.Config) { c.SnapshotBlocks, c.BlockInterval = 2, 10*time.Millisecond })
	stop := running(s.Run)
	w.eventually("it goes on", func() bool { return s.Heads().Published.Number > 4 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	s = w.open()
	require.NotZero(t, s.Heads().RootChecked.Number)
	require.NoError(t, s.Close())
}
