package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/memory"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer"
)

// A busyPublisher takes nothing while it is busy.
type busyPublisher struct {
	sequencer.Publisher
	busy atomic.Bool
}

func (p *busyPublisher) Publish(ctx context.Context, topic string, msg []byte) (uint64, error) {
	if p.busy.Load() {
		return 0, fmt.Errorf("network is away: %w", chain.ErrBusy)
	}
	return p.Publisher.Publish(ctx, topic, msg)
}

// The transport is away for some hundred blocks. The chain goes on; publications wait
// and come without a gap, what else was said is counted.
func TestBusyTransportDoesNotStopTheChain(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	line := &busyPublisher{Publisher: w.bus}
	s := w.open(func(c *sequencer.Config) {
		c.Publisher, c.BlockInterval, c.SnapshotBlocks = line, 5*time.Millisecond, 2
		c.UnpublishedBlocks = 1000
	})
	stop := running(s.Run)
	lane := w.load.Lanes(1)[0]
	w.submit(s, lane.Batch(5))
	line.busy.Store(true)
	w.submit(s, lane.Batch(20))
	from := s.Heads().RootChecked.Number
	w.eventually("blocks are sealed", func() bool { return s.Heads().RootChecked.Number > from+20 })
	require.Greater(t, s.Stats().Untold, uint64(40))
	line.busy.Store(false)
	sealed := s.Heads().RootChecked.Number
	said := new(wire)
	w.eventually("all publications are told", func() bool {
		require.NoError(t, said.hear(w.bus))
		return uint64(len(said.said)) > sealed
	})
	require.NoError(t, stop())
	require.NoError(t, s.Close())
}

// A narrowPublisher takes no bodies: they are too large for it.
type narrowPublisher struct{ sequencer.Publisher }

func (p narrowPublisher) Publish(ctx context.Context, topic string, msg []byte) (uint64, error) {
	if topic == link.TopicBodies {
		return 0, fmt.Errorf("%w: %d bytes", chain.ErrTooLarge, len(msg))
	}
	return p.Publisher.Publish(ctx, topic, msg)
}

// What the transport never takes does not stop the chain, nor the next one.
func TestTooLargeDoesNotStopTheChain(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	change := func(c *sequencer.Config) {
		c.Publisher, c.BlockInterval = narrowPublisher{w.bus}, 5*time.Millisecond
		c.Backfill = func(_ context.Context, topic string, msg []byte) error {
			return fmt.Errorf("%w: %d bytes of %s", chain.ErrTooLarge, len(msg), topic)
		}
	}
	lane := w.load.Lanes(1)[0]
	for range 2 {
		s := w.open(change)
		stop := running(s.Run)
		w.submit(s, lane.Batch(5))
		from := s.Heads().Published.Number
		w.eventually("blocks are published", func() bool { return s.Heads().Published.Number > from+2 })
		require.Positive(t, s.Stats().Untold)
		require.NoError(t, stop())
		require.NoError(t, s.Close())
	}
}

// A shelf is a transport without a memory beyond its process: what it has is what came
// by Backfill and by Publish.
type shelf struct {
	*link.Bus
	filled map[string]int // messages that came by Backfill, by topic
}

func newShelf() *shelf { return &shelf{link.NewBus(1 << 30), make(map[string]int)} }

func (s *shelf) backfill(ctx context.Context, topic string, msg []byte) error {
	s.filled[topic]++
	_, err := s.Publish(ctx, topic, msg)
	return err
}

// offered is the block of the newest snapshot that is offered; 0 if there is none.
func (w *world) offered() uint64 {
	_, msg, err := w.bus.Latest(context.Background(), link.TopicSnapshots)
	if errors.Is(err, chain.ErrNotFound) {
		return 0
	}
	require.NoError(w.t, err)
	offer := new(chain.SnapshotOffer)
	require.NoError(w.t, offer.UnmarshalBinary(msg))
	return offer.Block.Number
}

// messages names those of a topic, each by its place and digest.
func messages(t *testing.T, bus *link.Bus, topic string) (out []string) {
	last, _, err := bus.Latest(context.Background(), topic)
	require.NoError(t, err)
	next, err := bus.Subscribe(context.Background(), topic, 0)
	require.NoError(t, err)
	for seq := uint64(0); seq <= last; seq++ {
		_, msg, err := next(context.Background())
		require.NoError(t, err)
		out = append(out, nameOf(t, topic, msg))
	}
	return out
}

func nameOf(t *testing.T, topic string, msg []byte) string {
	sum := chain.Keccak256(msg)
	if topic == link.TopicPublications {
		p := new(chain.Publication)
		require.NoError(t, p.UnmarshalBinary(msg))
		return fmt.Sprintf("%d %x", p.Block.Number, sum[:4])
	}
	if topic == link.TopicBodies {
		b := new(chain.MiniBody)
		require.NoError(t, b.UnmarshalBinary(msg))
		return fmt.Sprintf("body %d/%d of %d transactions %x", b.Number, b.Index, len(b.Txs), sum[:4])
	}
	kind, body, err := link.ParseFeed(msg)
	require.NoError(t, err)
	if kind == link.FeedHeader {
		var sealed chain.Sealed
		require.NoError(t, sealed.UnmarshalBinary(body))
		return fmt.Sprintf("header %d %x", sealed.Header.Number, sum[:4])
	}
	f := new(chain.Frame)
	require.NoError(t, f.UnmarshalBinary(body))
	return fmt.Sprintf("frame %d/%d last %t %x", f.Number, f.Index, f.Last, sum[:4])
}

// split keeps apart frames and headers: a header of which the block is made again comes
// right after the last frame, where it had come among those of the next block.
func split(feed []string) (frames, headers []string) {
	for _, m := range feed {
		if strings.HasPrefix(m, "header") {
			headers = append(headers, m)
		} else {
			frames = append(frames, m)
		}
	}
	return frames, headers
}

// requireRest requires that again is what whole had from some message on, and may have
// up to more messages.
func requireRest(t *testing.T, whole, again []string, more int) {
	require.NotEmpty(t, again)
	from := slices.Index(whole, again[0])
	require.GreaterOrEqual(t, from, 0)
	whole = whole[from:]
	require.LessOrEqual(t, len(again)-len(whole), more)
	require.GreaterOrEqual(t, len(again), len(whole))
	require.Equal(t, whole, again[:len(whole)])
}

// After a restart a transport without a memory has again what the log has: all of the
// feed since the newest snapshot at least, in order and without a gap, the publications
// and the offer of that snapshot.
func TestBackfill(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 4)
	w.da = layerOf(t, memory.Settings{PutLatency: 30 * time.Millisecond}) // so that some are unpublished
	lane := w.load.Lanes(1)[0]
	kept, err := history.Open(history.Config{Dir: t.TempDir(), Genesis: w.spec.Genesis.Header})
	require.NoError(t, err)
	defer kept.Close()
	before := newShelf()
	w.bus = before.Bus
	config := func(to *shelf) func(*sequencer.Config) {
		return func(c *sequencer.Config) {
			c.Publisher, c.Backfill, c.BlockInterval, c.SnapshotBlocks = to, to.backfill, 10*time.Millisecond, 16
			c.History, c.LogFileBytes = kept, 4<<10
		}
	}
	s := w.open(config(before))
	require.Empty(t, before.filled)
	stop := running(s.Run)
	w.eventually("the second snapshot or a later one is offered, and the next far off", func() bool {
		w.submit(s, lane.Batch(1))
		published := s.Heads().Published.Number
		return published > 32 && published%16 > 5 && published%16 < 11 && w.offered() == published-published%16
	})
	require.NoError(t, stop())
	require.NoError(t, s.Close())

	after := newShelf()
	s = w.open(config(after))
	defer s.Close()
	published := s.Heads().Published.Number
	require.NotZero(t, after.filled[link.TopicFeed])
	require.NotZero(t, after.filled[link.TopicBodies])
	require.Equal(t, 1, after.filled[link.TopicSnapshots])

	frames, headers := split(messages(t, before.Bus, link.TopicFeed))
	framesAgain, headersAgain := split(messages(t, after.Bus, link.TopicFeed))
	requireRest(t, frames, framesAgain, 2)   // the newest block may end, and the open mini-block
	requireRest(t, headers, headersAgain, 1) // of that block
	bodies, bodiesAgain := messages(t, before.Bus, link.TopicBodies), messages(t, after.Bus, link.TopicBodies)
	requireRest(t, bodies, bodiesAgain, 2)
	publications := messages(t, before.Bus, link.TopicPublications)
	publicationsAgain := messages(t, after.Bus, link.TopicPublications)
	requireRest(t, publications, publicationsAgain, 1) // that was logged and not told

	_, msg, err := after.Latest(context.Background(), link.TopicSnapshots)
	require.NoError(t, err)
	offer := new(chain.SnapshotOffer)
	require.NoError(t, offer.UnmarshalBinary(msg))
	require.Equal(t, w.offered(), offer.Block.Number)
	blob, err := w.da.Get(context.Background(), offer.Blob)
	require.NoError(t, err)
	require.Equal(t, chain.ChunksOf(blob).Digest(), offer.Chunks, "who has the blob can show it")
	var oldest uint64
	_, err = fmt.Sscan(publicationsAgain[0], &oldest)
	require.NoError(t, err)
	require.LessOrEqual(t, oldest, offer.Block.Number+1, "no gap after the snapshot")
	require.Greater(t, published, offer.Block.Number)
	for _, feed := range [][]string{framesAgain, headersAgain, bodiesAgain} {
		var number uint64
		_, err = fmt.Sscanf(strings.Fields(feed[0])[1], "%d", &number)
		require.NoError(t, err)
		require.LessOrEqual(t, number, offer.Block.Number+1, "no gap after the snapshot")
	}
}

// A shelf that does not take what it is handed ends New.
func TestBackfillFails(t *testing.T) {
	w := newWorld(t, 2)
	s := w.open()
	stop := running(s.Run)
	w.eventually("blocks are published", func() bool { return s.Heads().Published.Number > 2 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	cfg := w.config()
	errFull := errors.New("shelf is full")
	cfg.Backfill = func(context.Context, string, []byte) error { return errFull }
	_, err := sequencer.New(context.Background(), cfg)
	require.ErrorIs(t, err, errFull)
}

// The layer does not get done with a snapshot. Blocks are published meanwhile, and when
// it refuses at last, newer ones are tried, which have cut the log.
func TestSnapshotsAreTakenBeside(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	counting := newCountingDA(layerOf(t, memory.Settings{}))
	var mu sync.Mutex
	tried := make(map[uint64]bool) // blocks
	snapshots := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(tried)
	}
	refuse := make(chan struct{})
	counting.before = func(ctx context.Context, o *da.Object) error {
		if o.Kind != da.Snapshot {
			return nil
		}
		mu.Lock()
		tried[o.Block.Number] = true
		mu.Unlock()
		select {
		case <-refuse:
			return da.ErrTransient
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.da = counting
	s := w.open(func(c *sequencer.Config) { c.BlockInterval, c.SnapshotBlocks = 5*time.Millisecond, 4 })
	stop := running(s.Run)
	w.eventually("a snapshot is tried", func() bool { return snapshots() == 1 })
	from := s.Heads().Published.Number
	w.eventually("blocks are published", func() bool { return s.Heads().Published.Number > from+20 })
	require.Equal(t, 1, snapshots())
	close(refuse)
	w.eventually("newer ones are tried", func() bool { return snapshots() >= 4 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	names, err := w.fs.List(w.dir)
	require.NoError(t, err)
	require.Contains(t, names, "log")
	require.Len(t, names, 3, "the log, objects and one snapshot: %v", names)
	s = w.open()
	require.GreaterOrEqual(t, s.Heads().Published.Number, from)
	require.NoError(t, s.Close())
}
