package sequencer_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/memory"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/sequencer"
)

// What the layer loses after a block was told is given to provers all the same, for
// want of which the proven head would stand.
func TestObjectsOutliveTheLayer(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	layer := layerOf(t, memory.Settings{})
	w.da = layer
	s := w.open(func(c *sequencer.Config) { c.BlockInterval = 5 * time.Millisecond })
	desk := sequencer.NewDesk(s, sequencer.DeskConfig{})
	stop := running(s.Run)
	w.submit(s, w.load.Lanes(1)[0].Batch(5))
	w.eventually("blocks are published", func() bool { return len(s.Unproven(10)) == 10 })
	for _, u := range s.Unproven(10) {
		p, want := u.Publication, [3]string{}
		for i, o := range []struct {
			kind da.Kind
			id   chain.BlobID
		}{{da.Block, p.Body}, {da.Witness, p.Witness}, {da.Diff, p.Diff}} {
			object, err := da.Get(t.Context(), layer, o.id, da.Want{Kind: o.kind, Block: p.Block})
			require.NoError(t, err)
			want[i] = string(object.Payload)
			require.NoError(t, layer.Lose(o.id, &da.DroppedError{Code: da.DropStale}))
		}
		for _, most := range []int{1 << 20, 100} {
			require.Equal(t, want, objectsOf(t, desk, p.Block.Number, most))
		}
	}
	require.NotZero(t, s.Stats().UnprovenBytes)
	leave := running(w.prover().Run)
	defer leave()
	w.eventually("what is not lost is attested", func() bool {
		words := s.Unproven(40)
		return len(words) > 20 && len(words[20].Signers) > 0
	})
	require.Zero(t, s.Heads().Proven.Number, "that prover has no other source")
	require.NoError(t, stop())
	require.NoError(t, s.Close())
}

// objectsOf asks for the objects of a block, page by page.
func objectsOf(t *testing.T, desk *sequencer.Desk, number uint64, most int) (out [3]string) {
	var whole []byte
	for {
		page, err := desk.Objects(t.Context(), number, uint64(len(whole)), most)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Bytes), most)
		if len(page.Bytes) == 0 {
			for i, size := range page.Sizes {
				out[i], whole = string(whole[:size]), whole[size:]
			}
			require.Empty(t, whole)
			return out
		}
		whole = append(whole, page.Bytes...)
	}
}

// A deskSource gives a prover the work of a desk in the same process.
type deskSource struct {
	*sequencer.Desk
	who common.Address
}

func (d *deskSource) Lease(ctx context.Context, n int) ([]prover.Job, error) {
	for {
		jobs, err := d.Desk.Lease(d.who, n)
		if len(jobs) > 0 || err != nil && !errors.Is(err, chain.ErrBusy) {
			return jobs, err
		}
		if err := sched.Sleep(ctx, time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func (d *deskSource) Objects(ctx context.Context, number uint64) (block, witness, diff []byte, err error) {
	page, err := d.Desk.Objects(ctx, number, 0, 1<<30)
	if err != nil {
		return nil, nil, nil, err
	}
	b, w := page.Sizes[0], page.Sizes[0]+page.Sizes[1]
	return page.Bytes[:b], page.Bytes[b:w], page.Bytes[w:], nil
}

func (d *deskSource) Renew(_ context.Context, lease uint64) (time.Time, error) {
	return d.Desk.Renew(d.who, lease)
}

func (d *deskSource) Release(_ context.Context, lease uint64, why error) error {
	text := ""
	if why != nil {
		text = why.Error()
	}
	return d.Desk.Release(d.who, lease, text)
}

// The layer confirms puts and keeps nothing of a share of them, fails, and drops blocks after
// they were told; the sequencer is ended in between, with blocks that nobody has proven. All
// are proven, are told by number, and under one set of names.
func TestProvenHeadPassesWhatIsLost(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 4)
	layer := layerOf(t, memory.Settings{LoseRate: 0.05, ErrorRate: 0.05, BusyRate: 0.05})
	w.da = layer
	said := new(wire)
	lane := w.load.Lanes(1)[0]
	proven, fromSource := uint64(0), uint64(0)
	for life := range 3 {
		s := w.open(func(c *sequencer.Config) {
			c.BlockInterval, c.SnapshotBlocks, c.ReadBackTime = 10*time.Millisecond, 16, 100*time.Millisecond
		})
		desk := sequencer.NewDesk(s, sequencer.DeskConfig{HoldMin: time.Millisecond, HoldMax: 5 * time.Millisecond})
		require.GreaterOrEqual(t, s.Heads().Proven.Number, proven, "life %d", life)
		old := len(s.Unproven(1000))
		stop := running(s.Run)
		w.submit(s, lane.Batch(20))
		w.eventually("blocks are published, and the older ones kept again", func() bool {
			unproven := s.Unproven(1000)
			return len(unproven) >= old+10 && !slices.ContainsFunc(unproven, func(u sequencer.Unproven) bool {
				return !s.Keeps(u.Publication.Block.Number)
			})
		})
		newest := uint64(0)
		for _, u := range s.Unproven(1000) {
			newest = u.Publication.Block.Number
			_ = layer.Lose(u.Publication.Witness, &da.DroppedError{Code: da.DropInvalid, Msg: "test"})
		}
		p := w.proverOf(&deskSource{desk, crypto.PubkeyToAddress(w.key.PublicKey)})
		leave := running(p.Run)
		w.eventually("what is lost is proven", func() bool { return s.Heads().Proven.Number >= newest })
		require.NoError(t, leave())
		fromSource += p.Stats().FromSource
		w.eventually("more is published", func() bool { return len(s.Unproven(1000)) >= 5 })
		require.NoError(t, stop())
		proven = s.Heads().Proven.Number
		require.NoError(t, s.Close())
		require.NoError(t, said.hear(w.bus))
	}
	require.GreaterOrEqual(t, fromSource, uint64(30))
}

// The layer loses everything while the sequencer is away, of blocks that nobody has proven.
// They are proven all the same.
func TestWhatIsLostBeforeARestartIsProven(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	layer := layerOf(t, memory.Settings{})
	w.da = layer
	config := func(c *sequencer.Config) {
		c.BlockInterval, c.SnapshotBlocks, c.ReadBackTime = 10*time.Millisecond, 4, 20*time.Millisecond
	}
	s := w.open(config)
	stop := running(s.Run)
	w.submit(s, w.load.Lanes(1)[0].Batch(20))
	w.eventually("blocks are published", func() bool { return len(s.Unproven(10)) == 10 })
	require.NoError(t, stop())
	lost := s.Unproven(1000)
	require.NoError(t, s.Close())
	for _, u := range lost {
		p := u.Publication
		for _, id := range []chain.BlobID{p.Body, p.Witness, p.Diff} {
			require.NoError(t, layer.Lose(id, &da.DroppedError{Code: da.DropStale}))
		}
	}

	s = w.open(config)
	desk := sequencer.NewDesk(s, sequencer.DeskConfig{HoldMin: time.Millisecond, HoldMax: 5 * time.Millisecond})
	stop = running(s.Run)
	p := w.proverOf(&deskSource{desk, crypto.PubkeyToAddress(w.key.PublicKey)})
	leave := running(p.Run)
	w.eventually("what is lost is proven", func() bool {
		return s.Heads().Proven.Number >= lost[len(lost)-1].Publication.Block.Number
	})
	require.NoError(t, leave())
	require.GreaterOrEqual(t, p.Stats().FromSource, uint64(len(lost)))
	require.NoError(t, stop())
	require.NoError(t, s.Close())
}

// What is kept after a restart is compared with what was published, and so is what the layer
// gives in its place: what is neither is not given, and what is too much is not kept.
func TestObjectsAreCompared(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	slow := newSlowDA(t)
	w.da = slow
	config := func(c *sequencer.Config) { c.BlockInterval, c.ReadBackTime = 5*time.Millisecond, 20*time.Millisecond }
	s := w.open(config)
	stop := running(s.Run)
	w.eventually("blocks are published", func() bool { return len(s.Unproven(5)) == 5 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())

	file := filepath.Join(w.dir, "objects", "1.objects")
	right, err := os.ReadFile(file)
	require.NoError(t, err)
	ask := func(change ...func(*sequencer.Config)) (kept bool, said string, _ error) {
		var out lockedBuffer
		change = append(change, config, func(c *sequencer.Config) { c.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
		s := w.open(change...)
		page, err := sequencer.NewDesk(s, sequencer.DeskConfig{}).Objects(t.Context(), 1, 0, 1<<20)
		if err == nil {
			require.Equal(t, right[24:], page.Bytes)
		}
		kept = s.Keeps(1)
		require.LessOrEqual(t, s.Stats().UnprovenBytes, s.Stats().UnprovenBytesMax)
		require.NoError(t, s.Close())
		return kept, out.String(), err
	}
	for name, wrong := range map[string][]byte{
		"forged": append(right[:len(right)-1:len(right)-1], right[len(right)-1]^1), "torn": right[:len(right)-1], "empty": {},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(file, wrong, 0o600))
			slow.forge = true
			_, said, err := ask()
			require.ErrorIs(t, err, chain.ErrMismatch)
			require.Contains(t, said, "not as they were kept")
			slow.forge = false
			_, _, err = ask()
			require.NoError(t, err, "the layer has it")
			again, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, right, again, "it is kept again")
		})
	}
	kept, said, err := ask(func(c *sequencer.Config) { c.UnprovenBytes = 100 })
	require.NoError(t, err)
	require.False(t, kept)
	require.Empty(t, said)
	require.NoFileExists(t, file)
}

// A lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
