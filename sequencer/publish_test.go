package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/memory"
	"github.com/vivace-chain/vivace/internal/vfs"
	"github.com/vivace-chain/vivace/sequencer"
)

// Blocks overtake each other in the layer, which fails, is busy and down for a share of
// the calls, over four runs; on the wire they come by number, each once, and what they
// name is there.
func TestPublicationsComeInOrder(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 4)
	layer := layerOf(t, memory.Settings{
		Jitter: 40 * time.Millisecond, ErrorRate: 0.1, BusyRate: 0.1, FailoverRate: 0.05, CutRate: 0.05,
	})
	counting := newCountingDA(layer)
	var overtaken, newest, widest uint64
	counting.after = func(o *da.Object) {
		counting.mu.Lock()
		defer counting.mu.Unlock()
		if o.Kind == da.Block && o.Block.Number < newest {
			overtaken++
		}
		newest = max(newest, o.Block.Number)
	}
	w.da = counting
	said := new(wire)
	lane := w.load.Lanes(1)[0]
	var published, transient, busy, down uint64
	for run := range 4 {
		s := w.open(func(c *sequencer.Config) { c.BlockInterval, c.SnapshotBlocks = 5*time.Millisecond, 16 })
		require.GreaterOrEqual(t, s.Heads().Published.Number, published, "run %d", run)
		stop := running(s.Run)
		w.submit(s, lane.Batch(20))
		w.eventually("blocks are published", func() bool {
			st := s.Stats()
			widest = max(widest, uint64(st.Publishing))
			require.LessOrEqual(t, st.Publishing, 32)
			return s.Heads().Published.Number > published+40
		})
		require.NoError(t, stop())
		published = s.Heads().Published.Number
		failed := s.Stats().PutErrors
		require.Zero(t, failed.Final)
		transient, busy, down = transient+failed.Transient, busy+failed.Busy, down+failed.Failover
		require.NoError(t, s.Close())
		require.NoError(t, said.hear(w.bus))
	}
	s := w.open()
	stop := running(s.Run)
	w.eventually("what was logged at the end is told", func() bool {
		require.NoError(t, said.hear(w.bus))
		return uint64(len(said.said)) >= published
	})
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	require.NotZero(t, transient)
	require.NotZero(t, busy)
	require.NotZero(t, down)
	require.NotZero(t, overtaken)
	require.Greater(t, widest, uint64(1))
	require.NoError(t, layer.Set(memory.Settings{}))
	for _, msg := range said.said {
		p := new(chain.Publication)
		require.NoError(t, p.UnmarshalBinary([]byte(msg)))
		for kind, id := range map[da.Kind]chain.BlobID{da.Block: p.Body, da.Witness: p.Witness, da.Diff: p.Diff} {
			_, err := da.Get(context.Background(), layer, id, da.Want{Kind: kind, Block: p.Block})
			require.NoError(t, err)
		}
	}
}

// One block does not go through: those after it are put meanwhile, up to DAConcurrency,
// and none of them is told, or put again after a restart.
func TestWhatIsPutIsNotPutAgain(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	counting := newCountingDA(layerOf(t, memory.Settings{}))
	w.da = counting
	held := func(ctx context.Context, o *da.Object) error {
		if o.Block.Number == 3 && o.Kind == da.Witness {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	counting.before = held
	config := func(c *sequencer.Config) {
		c.BlockInterval, c.DAConcurrency, c.UnpublishedBlocks = 5*time.Millisecond, 6, 12
	}
	s := w.open(config)
	stop := running(s.Run)
	puts := func() int {
		counting.mu.Lock()
		defer counting.mu.Unlock()
		return len(counting.puts)
	}
	want := 3*(2+6) - 1 // blocks 1 and 2, and the window from 3 on but for one object
	w.eventually("the window is full", func() bool { return puts() == want && s.Stats().Unpublished >= 12 })
	time.Sleep(50 * time.Millisecond)
	require.Equal(t, want, puts())
	require.Equal(t, uint64(2), s.Heads().Published.Number)
	require.Equal(t, 1, s.Stats().Publishing, "the others wait for it")
	require.GreaterOrEqual(t, s.Stats().OldestUnpublished, 50*time.Millisecond)
	_, err := s.Send(w.load.Lanes(1)[0].Next().Raw)
	require.ErrorIs(t, err, chain.ErrBusy)
	said := new(wire)
	require.NoError(t, said.hear(w.bus))
	require.Len(t, said.said, 2)
	require.NoError(t, stop())
	require.NoError(t, s.Close())

	counting.before = nil
	s = w.open(config)
	stop = running(s.Run)
	w.eventually("it goes on", func() bool { return s.Heads().Published.Number > 20 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	for blob, n := range counting.puts {
		require.Equal(t, 1, n, "%.20x", blob)
	}
	require.NoError(t, said.hear(w.bus))
}

// The layer is down for the length of hundreds of blocks, under load. Admission
// refuses, nothing that was acknowledged is lost, and all is published in order
// afterwards.
func TestOutage(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 4)
	layer := layerOf(t, memory.Settings{})
	w.da = layer
	s := w.open(func(c *sequencer.Config) {
		c.BlockInterval, c.UnpublishedBlocks, c.DAConcurrency = 5*time.Millisecond, 16, 8
	})
	stop := running(s.Run)
	lane := w.load.Lanes(1)[0]
	w.submit(s, lane.Batch(10))
	require.NoError(t, layer.Set(memory.Settings{PutReturnsFailoverError: true}))
	down := time.Now()
	refused := 0
	acknowledged := 0
	tx := lane.Next()
	for refused == 0 || time.Since(down) < 1500*time.Millisecond {
		if _, err := s.Submit(context.Background(), tx.Raw); err != nil {
			require.ErrorIs(t, err, chain.ErrBusy)
			refused++
			time.Sleep(time.Millisecond)
			continue
		}
		acknowledged++
		tx = lane.Next()
	}
	w.eventually("as many as may be are on their way", func() bool { return s.Stats().Publishing == 8 })
	st := s.Stats()
	require.NotZero(t, acknowledged)
	require.NotZero(t, st.PutErrors.Failover)
	require.GreaterOrEqual(t, st.Unpublished, 16)
	require.LessOrEqual(t, st.Unpublished, 16+4)
	require.Greater(t, st.OldestUnpublished, time.Second)
	require.NoError(t, layer.Set(memory.Settings{}))
	w.eventually("admission takes transactions again", func() bool {
		_, err := s.Submit(context.Background(), tx.Raw)
		return err == nil
	})
	sealed := s.Heads().RootChecked.Number
	w.eventually("all is published", func() bool { return s.Heads().Published.Number > sealed })
	require.NoError(t, stop())
	require.Equal(t, tx.Nonce+1, w.nonce(s, tx.From))
	require.NoError(t, s.Close())
	require.NoError(t, new(wire).hear(w.bus))
}

// Errors that no later try can mend do not end the chain either: it waits for an
// operator, and goes on when he has mended it.
func TestFinalErrorsAreHeld(t *testing.T) {
	for name, final := range map[string]error{
		"too large": fmt.Errorf("put: %w", da.ErrTooLarge),
		"dropped":   &da.DroppedError{Code: da.DropInvalid},
		"mismatch":  chain.ErrMismatch,
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			w := newWorld(t, 2)
			var mu sync.Mutex
			broken := true
			counting := newCountingDA(layerOf(t, memory.Settings{}))
			counting.before = func(_ context.Context, o *da.Object) error {
				mu.Lock()
				defer mu.Unlock()
				if broken && o.Block.Number >= 2 {
					return final
				}
				return nil
			}
			w.da = counting
			s := w.open(func(c *sequencer.Config) { c.BlockInterval, c.UnpublishedBlocks = 5*time.Millisecond, 4 })
			stop := running(s.Run)
			w.eventually("it is counted", func() bool { return s.Stats().PutErrors.Final > 3 && s.Stats().Unpublished >= 4 })
			require.Equal(t, uint64(1), s.Heads().Published.Number)
			_, err := s.Send(w.load.Lanes(1)[0].Next().Raw)
			require.ErrorIs(t, err, chain.ErrBusy)
			mu.Lock()
			broken = false
			mu.Unlock()
			w.eventually("it goes on", func() bool { return s.Heads().Published.Number > 10 })
			require.NoError(t, stop())
			require.NoError(t, s.Close())
			require.NoError(t, new(wire).hear(w.bus))
		})
	}
}

// A layer that asks to be left alone is left alone for as long.
func TestRetryAfter(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	counting := newCountingDA(layerOf(t, memory.Settings{}))
	var mu sync.Mutex
	tries := make(map[da.Kind][]time.Time)
	counting.before = func(_ context.Context, o *da.Object) error {
		mu.Lock()
		defer mu.Unlock()
		if o.Block.Number > 1 {
			return nil
		}
		if tries[o.Kind] = append(tries[o.Kind], time.Now()); len(tries[o.Kind]) == 1 {
			return &da.BusyError{RetryAfter: 300 * time.Millisecond}
		}
		return nil
	}
	w.da = counting
	s := w.open()
	stop := running(s.Run)
	w.eventually("it is published", func() bool { return s.Heads().Published.Number >= 1 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	require.Len(t, tries, 3)
	for kind, at := range tries {
		require.Len(t, at, 2, kind)
		require.GreaterOrEqual(t, at[1].Sub(at[0]), 300*time.Millisecond, kind)
	}
}

// The power is cut at every single operation of the first half second of a chain, whose
// layer is slow, fails, and gives another name each time; then again in what comes
// after. Whatever was told before stays, and what comes is the next.
func TestPublicationsAtEveryCrash(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 5
	}
	crashes := 0
	for at := 1; at <= 150; at += step {
		rng := rand.New(rand.NewPCG(uint64(at), 3))
		w := newWorld(t, 2)
		w.da = layerOf(t, memory.Settings{Jitter: 3 * time.Millisecond, ErrorRate: 0.1, CutRate: 0.1})
		said := new(wire)
		var fs *vfs.CrashFS = vfs.NewCrash(uint64(at))
		for life := range 3 {
			if life < 2 {
				fs.CrashAt(1 + (at+life*rng.IntN(50))%150)
			}
			crashed, err := w.publishUntil(fs, said, life == 2)
			require.NoError(t, err, "operation %d, life %d", at, life)
			if crashed {
				crashes++
			}
			loss := []vfs.Loss{vfs.LoseUnsynced, vfs.LoseSome, vfs.LoseNothing}[rng.IntN(3)]
			fs = fs.Crash(loss)
		}
	}
	require.Greater(t, crashes, 150/step)
}

// publishUntil runs a sequencer until its file system crashes or six more blocks are
// published, and listens. If it must live, a crash is an error.
func (w *world) publishUntil(fs *vfs.CrashFS, said *wire, mustLive bool) (crashed bool, err error) {
	cfg := w.config()
	cfg.FS, cfg.Dir = fs, "/data"
	cfg.MiniBlockInterval, cfg.BlockInterval, cfg.SnapshotBlocks = time.Millisecond, time.Millisecond, 3
	cfg.LogFileBytes = 4 << 10
	s, err := sequencer.New(context.Background(), cfg)
	if errors.Is(err, vfs.ErrCrashed) && !mustLive {
		return true, said.hear(w.bus)
	}
	if err != nil {
		return false, err
	}
	defer s.Close() // fails if the disk is gone
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for from := s.Heads().Published.Number; s.Heads().Published.Number < from+6; {
		select {
		case err = <-ended:
			if !errors.Is(err, vfs.ErrCrashed) || mustLive {
				return false, fmt.Errorf("it ended: %w", err)
			}
			return true, said.hear(w.bus)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err = <-ended; errors.Is(err, vfs.ErrCrashed) && !mustLive {
		crashed, err = true, nil
	}
	return crashed, errors.Join(err, said.hear(w.bus))
}
