package role

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/state"
)

// A lame layer fails so many times.
type lame struct {
	chain.DAClient
	fails atomic.Int32
}

func (l *lame) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	if l.fails.Add(-1) >= 0 {
		return nil, fmt.Errorf("%w: not today", da.ErrFailover)
	}
	return l.DAClient.Get(ctx, id)
}

// A node that finds a snapshot on offer, and a layer that is down, waits for the layer.
func TestJoinWaitsForTheLayer(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	spec, err := (&cli.Chain{}).Spec()
	require.NoError(t, err)
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	require.NoError(t, err)
	bus, layer := link.NewBus(1<<20), inprocess.New()
	s, err := sequencer.New(t.Context(), sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Executor: engine, Dir: t.TempDir(), Durability: state.DurabilityNone, DA: layer,
		Publisher: bus, BlockInterval: 20 * time.Millisecond, SnapshotBlocks: 4, Logger: log,
	})
	require.NoError(t, err)
	sequencing := running(t, s.Run)
	require.Eventually(t, func() bool {
		_, _, err := bus.Latest(t.Context(), link.TopicSnapshots)
		return err == nil
	}, 20*time.Second, time.Millisecond)
	sequencing()
	require.NoError(t, s.Close())

	o := fullnodeOptions{snapshot: true, mode: modeState, kept: cli.Kept{States: 128}}
	cfg := o.config(spec.Genesis, engine)
	down := &lame{DAClient: layer}
	down.fails.Store(1)
	cfg.Subscriber, cfg.DA, cfg.Logger = bus, down, log
	f, err := join(t.Context(), cfg)
	require.NoError(t, err)
	require.GreaterOrEqual(t, f.Heads().RootChecked.Number, uint64(4), "it began at the snapshot")
	require.NoError(t, f.Close())

	down.fails.Store(1 << 30)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	f, err = join(ctx, cfg)
	require.NoError(t, err)
	require.Nil(t, f)

	cfg.DA = nil
	_, err = join(t.Context(), cfg)
	require.Error(t, err, "nothing to wait for")
}
