package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/vfs"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/state"
)

// crashPoints is the number of seeded points at which TestPowerLoss cuts the power.
// VIVACE_CRASH_POINTS changes it.
func crashPoints(t *testing.T) int {
	if v := os.Getenv("VIVACE_CRASH_POINTS"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		return n
	}
	if testing.Short() {
		return 50
	}
	return 1000
}

// Power is cut at a thousand points of a sequencer's life on a file system that
// loses every byte and every directory entry that was not synced and tears the
// last sector. Nothing acknowledged is lost, and what was sealed stays.
func TestPowerLoss(t *testing.T) {
	points := crashPoints(t)
	c := newCrasher(t)
	for seed := range points {
		if err := c.run(uint64(seed)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	t.Logf("%d crashes, %d of them in an operation, %d transactions acknowledged, %d blocks sealed, nothing lost", points, c.crashes, c.acknowledged, c.sealed)
	require.NotZero(t, c.crashes)
	require.NotZero(t, c.sealed)
}

// The same test must notice when the fsync is missing: when the disk lies about
// it, and when the sequencer does not ask for it.
func TestPowerLossWithoutFsyncIsNoticed(t *testing.T) {
	for name, mutate := range map[string]func(*crasher){
		"disk lies":          func(c *crasher) { c.ignoreSync = true },
		"sequencer does not": func(c *crasher) { c.durability = state.DurabilityNone },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrasher(t)
			mutate(c)
			for seed := range 200 {
				if err := c.run(uint64(seed)); err != nil {
					t.Logf("seed %d: %v", seed, err)
					require.ErrorIs(t, err, errLost)
					return
				}
			}
			t.Fatal("200 crashes without an fsync, and no loss was seen")
		})
	}
}

var errLost = errors.New("an acknowledged transaction or a sealed block is lost")

type crasher struct {
	*world
	ignoreSync                    bool
	durability                    state.Durability
	txs                           []datagen.Tx
	crashes, acknowledged, sealed int
}

func newCrasher(t *testing.T) *crasher {
	w := newWorld(t, 4)
	return &crasher{world: w, txs: w.load.Lanes(1)[0].Batch(40)}
}

func (c *crasher) open(fs vfs.FS, bus *link.Bus) (*sequencer.Sequencer, error) {
	cfg := c.config()
	cfg.FS, cfg.Dir, cfg.Publisher, cfg.Subscriber = fs, "/data", bus, bus
	cfg.MiniBlockInterval, cfg.BlockInterval = 200*time.Microsecond, 4*time.Millisecond
	cfg.SnapshotBlocks, cfg.Provers, cfg.Durability = 2, nil, c.durability
	return sequencer.New(context.Background(), cfg)
}

// run crashes one sequencer, restarts it and compares.
func (c *crasher) run(seed uint64) error {
	fs := vfs.NewCrash(seed)
	if c.ignoreSync {
		fs.IgnoreSync()
	}
	fs.CrashAt(1 + int(seed*7919%113))
	bus := link.NewBus(1 << 30)
	acknowledged := c.live(fs, bus)
	c.acknowledged += acknowledged
	seen, err := announced(bus)
	if err != nil {
		return err
	}
	c.sealed += len(seen)

	loss := vfs.LoseUnsynced
	if seed%2 == 1 {
		loss = vfs.LoseSome
	}
	bus = link.NewBus(1 << 30)
	s, err := c.open(fs.Crash(loss), bus)
	if err != nil {
		if c.ignoreSync || c.durability == state.DurabilityNone {
			return fmt.Errorf("%w: %w", errLost, err)
		}
		return fmt.Errorf("recovery: %w", err)
	}
	defer s.Close()
	stop := running(s.Run)
	defer stop()
	return c.compare(s, acknowledged, seen)
}

// live runs a sequencer until it fails or all is acknowledged.
func (c *crasher) live(fs *vfs.CrashFS, bus *link.Bus) (acknowledged int) {
	s, err := c.open(fs, bus)
	if err != nil {
		c.crashes++
		return 0 // it crashed while starting
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- s.Run(ctx)
		cancel()
	}()
	for _, tx := range c.txs {
		if _, err := s.Submit(ctx, tx.Raw); err != nil {
			break
		}
		acknowledged++
	}
	cancel()
	if err := <-ended; err != nil {
		c.crashes++
	}
	return acknowledged
}

// announced are the headers in the feed.
func announced(bus *link.Bus) (map[uint64]chain.BlockID, error) {
	ctx := context.Background()
	out := make(map[uint64]chain.BlockID)
	last, _, err := bus.Latest(ctx, link.TopicFeed)
	if errors.Is(err, chain.ErrNotFound) {
		return out, nil
	}
	next, err := bus.Subscribe(ctx, link.TopicFeed, 0)
	if err != nil {
		return nil, err
	}
	for {
		seq, msg, err := next(ctx)
		if err != nil {
			return nil, err
		}
		kind, body, err := link.ParseFeed(msg)
		if err != nil {
			return nil, err
		}
		if kind == link.FeedHeader {
			h := new(chain.Header)
			if err := h.UnmarshalBinary(body); err != nil {
				return nil, err
			}
			out[h.Number] = h.ID()
		}
		if seq == last {
			return out, nil
		}
	}
}

// compare checks that everything acknowledged and sealed is there, and that the
// chain goes on.
func (c *crasher) compare(s *sequencer.Sequencer, acknowledged int, seen map[uint64]chain.BlockID) error {
	for number, id := range seen {
		h, err := s.Header(number)
		if err != nil {
			return fmt.Errorf("%w: block %d: %w", errLost, number, err)
		}
		if h.ID() != id {
			return fmt.Errorf("%w: block %d was %s and is %s", errLost, number, id, h.ID())
		}
	}
	want := make(map[common.Address]uint64)
	for _, tx := range c.txs[:acknowledged] {
		want[tx.From] = tx.Nonce + 1
	}
	deadline := time.Now().Add(5 * time.Second)
	for addr, nonce := range want {
		for c.nonce(s, addr) < nonce {
			// What is in the open mini-block is shown when that is logged.
			if time.Now().After(deadline) {
				return fmt.Errorf("%w: nonce of %s is %d, %d were acknowledged", errLost, addr, c.nonce(s, addr), nonce)
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
	for _, tx := range c.txs[acknowledged:] {
		_, err := s.Submit(context.Background(), tx.Raw)
		if err == nil {
			return nil
		}
		// It may have been logged, although nobody was told.
		if !errors.Is(err, chain.ErrInvalidTx) || !strings.Contains(err.Error(), "nonce too low") {
			return fmt.Errorf("the chain does not go on: %w", err)
		}
	}
	return nil
}
