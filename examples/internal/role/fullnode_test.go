package role

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/state"
)

// The program's node comes back, in either mode, when it was away for longer than the
// network keeps the feed: an archive by a snapshot, with a gap of history; one that
// executes again, or keeps headers only, without any.
func TestFullnodeComesBack(t *testing.T) {
	for name, test := range map[string]struct {
		mode         string
		verify, gaps bool
	}{
		"archive": {mode: modeArchive, gaps: true},
		"verify":  {mode: modeArchive, verify: true},
		"state":   {mode: modeState},
	} {
		t.Run(name, func(t *testing.T) {
			log := slog.New(slog.DiscardHandler)
			spec, err := (&cli.Chain{}).Spec()
			require.NoError(t, err)
			bus, layer := link.NewBus(32<<10), inprocess.New() // some thirty empty blocks
			engine, err := execution.New(execution.Config{Chain: spec.Config})
			require.NoError(t, err)
			s, err := sequencer.New(t.Context(), sequencer.Config{
				Genesis: spec.Genesis, ChainConfig: spec.Config, Executor: engine, Dir: t.TempDir(), Durability: state.DurabilityNone, DA: layer,
				Publisher: bus, BlockInterval: 20 * time.Millisecond, SnapshotBlocks: 4, Logger: log,
			})
			require.NoError(t, err)
			store, err := history.Open(history.Config{Dir: t.TempDir(), Genesis: spec.Genesis.Header, HeadersOnly: test.mode == modeState, Logger: log})
			require.NoError(t, err)

			o := fullnodeOptions{snapshot: true, mode: test.mode, verify: test.verify, kept: cli.Kept{States: 128}}
			cfg := o.config(spec.Genesis, engine)
			cfg.Subscriber, cfg.DA, cfg.History, cfg.Logger, cfg.RejoinDelay = bus, layer, store, log, 10*time.Millisecond
			f, err := fullnode.New(t.Context(), cfg)
			require.NoError(t, err)
			sequencing, following := running(t, s.Run), running(t, f.Run)
			require.Eventually(t, func() bool { return store.Head().Number >= 2 }, 20*time.Second, time.Millisecond)
			following()
			left := f.Heads().Preconfirmed.Number
			require.Eventually(t, func() bool { return oldest(t, bus) > left+1 }, 20*time.Second, 10*time.Millisecond)
			following = running(t, f.Run)
			came := s.Heads().RootChecked.Number
			require.Eventually(t, func() bool { return store.Head().Number > came }, 20*time.Second, time.Millisecond)
			following()
			sequencing()
			require.Equal(t, test.gaps, f.Stats().Rejoins > 0)
			require.Equal(t, !test.gaps, store.CompleteHeaders())
			if test.gaps {
				_, err := store.Block(left + 1)
				require.ErrorIs(t, err, history.ErrNotKept)
			}
			require.Zero(t, f.Stats().Unverified)
			require.NoError(t, f.Close())
			require.NoError(t, s.Close())
			require.NoError(t, store.Close())
		})
	}
}

// oldest is the block of the oldest mini-block that a bus keeps.
func oldest(t *testing.T, bus *link.Bus) uint64 {
	next, err := bus.Subscribe(t.Context(), link.TopicFeed, link.Oldest)
	require.NoError(t, err)
	for {
		_, msg, err := next(t.Context())
		require.NoError(t, err)
		kind, payload, err := link.ParseFeed(msg)
		require.NoError(t, err)
		frame := new(chain.Frame)
		if kind == link.FeedFrame {
			require.NoError(t, frame.UnmarshalBinary(payload))
			return frame.Number
		}
	}
}

// running runs something until the function that it returns is called.
func running(t *testing.T, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-done)
	}
}
