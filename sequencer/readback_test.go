package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/memory"
	"github.com/vivace-chain/vivace/sequencer"
)

// A lossy layer confirms puts and keeps nothing of a share of them, drops others for ever,
// and fails often; the sequencer is ended now and then. What is told of a block is there,
// comes by number and says one thing for ever.
func TestWhatIsToldIsThere(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 4)
	layer := layerOf(t, memory.Settings{LoseRate: 0.1, ErrorRate: 0.1, EmptyRate: 0.05, FlipRate: 0.05, Jitter: 3 * time.Millisecond})
	dropping := &droppingDA{Layer: layer, every: 11}
	w.da = dropping
	said := new(wire)
	lane := w.load.Lanes(1)[0]
	lost, published := uint64(0), uint64(0)
	for run := range 4 {
		s := w.open(func(c *sequencer.Config) {
			c.BlockInterval, c.SnapshotBlocks, c.ReadBackTime = 5*time.Millisecond, 16, 20*time.Millisecond
		})
		require.GreaterOrEqual(t, s.Heads().Published.Number, published, "run %d", run)
		stop := running(s.Run)
		w.submit(s, lane.Batch(20))
		w.eventually("blocks are published", func() bool {
			require.LessOrEqual(t, s.Stats().Unpublished, 64+4)
			return s.Heads().Published.Number > published+30
		})
		require.NoError(t, stop())
		published, lost = s.Heads().Published.Number, lost+s.Stats().Lost
		require.NoError(t, s.Close())
		require.NoError(t, said.hear(w.bus))
	}
	require.NoError(t, layer.Set(memory.Settings{}))
	require.NotEmpty(t, said.said)
	for _, msg := range said.said {
		p := new(chain.Publication)
		require.NoError(t, p.UnmarshalBinary([]byte(msg)))
		for kind, id := range map[da.Kind]chain.BlobID{da.Block: p.Body, da.Witness: p.Witness, da.Diff: p.Diff} {
			_, err := da.Get(context.Background(), layer, id, da.Want{Kind: kind, Block: p.Block})
			require.NoError(t, err)
		}
	}
	require.NotZero(t, lost)
}

// A droppingDA drops every so many blobs as soon as they are put.
type droppingDA struct {
	*memory.Layer
	mu    sync.Mutex
	puts  int
	every int
}

func (d *droppingDA) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	id, err := d.Layer.Put(ctx, blob)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.puts++; err == nil && d.puts%d.every == 0 {
		_ = d.Lose(id, &da.DroppedError{Code: da.DropInvalid, Msg: "test"}) // it may be lost already
	}
	return id, err
}

// A slowDA shows what was put only a while later, or not at all while it hides something.
type slowDA struct {
	*countingDA
	mu    sync.Mutex
	seen  map[string]time.Time // when a blob was first asked for
	delay time.Duration
	hides func(o *da.Object) error
	forge bool // each object is another one of its block, and well-formed
}

func (s *slowDA) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	s.mu.Lock()
	hides, forge := s.hides, s.forge
	if _, asked := s.seen[string(id)]; !asked {
		s.seen[string(id)] = time.Now()
	}
	early := time.Since(s.seen[string(id)]) < s.delay
	s.mu.Unlock()
	if early {
		return nil, fmt.Errorf("%w: not yet", chain.ErrNotFound)
	}
	blob, err := s.countingDA.Get(ctx, id)
	o := new(da.Object)
	if err := errors.Join(err, o.UnmarshalBinary(blob)); err != nil {
		return nil, err
	}
	if hides != nil {
		if err := hides(o); err != nil {
			return nil, err
		}
	}
	if forge {
		o.Payload = append([]byte{1}, o.Payload...)
	}
	return o.AppendBinary(nil)
}

func (s *slowDA) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func newSlowDA(t *testing.T) *slowDA {
	return &slowDA{countingDA: newCountingDA(layerOf(t, memory.Settings{})), seen: make(map[string]time.Time)}
}

// putTwice is how many objects were put more than once.
func (s *slowDA) putTwice() (n int) {
	s.countingDA.mu.Lock()
	defer s.countingDA.mu.Unlock()
	for _, times := range s.puts {
		if times > 1 {
			n++
		}
	}
	return n
}

// What a layer shows a while after it took it is waited for, and is not put again.
func TestSlowLayerIsWaitedFor(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	slow := newSlowDA(t)
	slow.delay, w.da = 50*time.Millisecond, slow
	s := w.open(func(c *sequencer.Config) { c.BlockInterval = 10 * time.Millisecond })
	stop := running(s.Run)
	w.eventually("it is published", func() bool { return s.Heads().Published.Number > 10 })
	require.NoError(t, stop())
	require.Zero(t, s.Stats().Lost)
	require.NoError(t, s.Close())
	require.Zero(t, slow.putTwice())
}

// Nothing is told of a block that the layer does not give back, or gives back as another,
// nor of those after it, whatever it says; Stats says which it is. The sequencer is killed
// meanwhile. When the layer has it, all goes on, with one set of names.
func TestLostObjectHoldsPublications(t *testing.T) {
	gone := errors.New("the connection is gone")
	for name, why := range map[string]error{
		"not found": chain.ErrNotFound, "dropped": &da.DroppedError{Code: da.DropInvalid}, "corrupt": chain.ErrCorrupt,
		"busy": &da.BusyError{RetryAfter: 5 * time.Millisecond}, "refused": da.ErrRefused, "unknown": gone,
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			w := newWorld(t, 2)
			slow := newSlowDA(t)
			w.da = slow
			slow.hides = func(o *da.Object) error {
				if o.Block.Number == 3 && o.Kind == da.Witness {
					return why
				}
				return nil
			}
			config := func(c *sequencer.Config) {
				c.BlockInterval, c.UnpublishedBlocks, c.DAConcurrency, c.ReadBackTime = 5*time.Millisecond, 8, 4, 50*time.Millisecond
			}
			said := new(wire)
			for range 2 {
				s := w.open(config)
				stop := running(s.Run)
				w.eventually("it is put again, and all others of the window are put", func() bool {
					st := s.Stats()
					return st.Lost >= 2 && st.Unpublished >= 8 && st.Publishing == 1
				})
				require.Contains(t, s.Stats().Missing, "witness of block 3")
				require.Contains(t, s.Stats().Missing, why.Error())
				require.Equal(t, uint64(2), s.Heads().Published.Number)
				_, err := s.Send(w.load.Lanes(1)[0].Next().Raw)
				require.ErrorIs(t, err, chain.ErrBusy)
				require.NoError(t, stop())
				require.NoError(t, s.Close())
				require.NoError(t, said.hear(w.bus))
				require.Len(t, said.said, 2)
			}
			s := w.open(config)
			stop := running(s.Run)
			slow.set(func() { slow.hides = nil })
			w.eventually("it goes on", func() bool { return s.Heads().Published.Number > 20 })
			require.Empty(t, s.Stats().Missing)
			require.NoError(t, stop())
			require.NoError(t, s.Close())
			require.NoError(t, said.hear(w.bus))
			require.Equal(t, 1, slow.putTwice(), "only what was lost")
		})
	}
}

// A onceLostDA drops the first witness of block 3 that is put.
type onceLostDA struct {
	*slowDA
	layer *memory.Layer
	once  sync.Once
}

func (d *onceLostDA) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	id, err := d.slowDA.Put(ctx, blob)
	o := new(da.Object)
	if err := errors.Join(err, o.UnmarshalBinary(blob)); err != nil {
		return nil, err
	}
	if o.Block.Number == 3 && o.Kind == da.Witness {
		d.once.Do(func() { err = d.layer.Lose(id, &da.DroppedError{Code: da.DropStale}) })
	}
	return id, err
}

// A snapshotLosingDA drops the first few snapshots as soon as they are put.
type snapshotLosingDA struct {
	*memory.Layer
	mu         sync.Mutex
	lose, puts int
}

func (d *snapshotLosingDA) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	id, err := d.Layer.Put(ctx, blob)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || da.KindOf(blob) != da.Snapshot {
		return id, err
	}
	if d.puts++; d.puts <= d.lose {
		err = d.Lose(id, &da.DroppedError{Code: da.DropInvalid})
	}
	return id, err
}

// A snapshot that the layer took and does not give back is put again, and not offered before it
// is there: who joins has nothing else of what the log was cut of.
func TestSnapshotIsReadBack(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	losing := &snapshotLosingDA{Layer: layerOf(t, memory.Settings{}), lose: 3}
	w.da = losing
	s := w.open(func(c *sequencer.Config) { c.BlockInterval, c.SnapshotBlocks = 5*time.Millisecond, 16 })
	stop := running(s.Run)
	w.eventually("a snapshot is offered", func() bool {
		require.Empty(t, s.Stats().Missing, "the chain does not wait for it")
		return w.offered() > 0
	})
	require.NoError(t, stop())
	require.GreaterOrEqual(t, s.Stats().Lost, uint64(3))
	require.NoError(t, s.Close())
	require.Greater(t, losing.puts, 3)
	late := w.follower(true)
	require.GreaterOrEqual(t, late.Heads().RootChecked.Number, uint64(16))
	require.NoError(t, late.Close())
}

// Of the names of an object that was lost and put again, the newest counts after a restart:
// it is not put a third time.
func TestNewestNameCounts(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	slow := newSlowDA(t)
	w.da = &onceLostDA{slowDA: slow, layer: slow.DAClient.(*memory.Layer)}
	slow.hides = func(o *da.Object) error {
		if o.Block.Number == 2 {
			return chain.ErrNotFound
		}
		return nil
	}
	s := w.open(func(c *sequencer.Config) {
		c.BlockInterval, c.UnpublishedBlocks, c.DAConcurrency = 5*time.Millisecond, 8, 4
	})
	stop := running(s.Run)
	w.eventually("it is put again", func() bool {
		st := s.Stats()
		return st.Lost == 1 && st.Unpublished >= 8 && st.Publishing == 1
	})
	require.Empty(t, s.Stats().Missing, "it is there now")
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	slow.hides = nil
	s = w.open(func(c *sequencer.Config) { c.BlockInterval = 5 * time.Millisecond })
	stop = running(s.Run)
	w.eventually("it goes on", func() bool { return s.Heads().Published.Number > 10 })
	require.Zero(t, s.Stats().Lost)
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	require.Equal(t, 1, slow.putTwice())
}

// A layer that gives another object of the same block under each name, one that is
// well-formed, is not believed; nor is it asked at all if the operator does not want that.
func TestReadBackIsCompared(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	slow := newSlowDA(t)
	w.da, slow.forge = slow, true
	s := w.open(func(c *sequencer.Config) { c.BlockInterval, c.ReadBackTime = 5*time.Millisecond, 10*time.Millisecond })
	stop := running(s.Run)
	w.eventually("it is put again", func() bool { return s.Stats().Lost >= 4 })
	require.Zero(t, s.Heads().Published.Number)
	require.NoError(t, stop())
	require.NoError(t, s.Close())

	s = w.open(func(c *sequencer.Config) { c.BlockInterval, c.ReadBackTime = 5*time.Millisecond, -1 })
	stop = running(s.Run)
	w.eventually("it is published unread", func() bool { return s.Heads().Published.Number > 10 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())
}
