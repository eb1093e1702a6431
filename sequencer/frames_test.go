package sequencer

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A block ends with the last mini-block that it may have, however much time is left.
func TestBlockEndsWithItsLastFrame(t *testing.T) {
	load, err := datagen.New(datagen.Config{Seed: 7, Accounts: 10, ChainID: genesis.DevChainID})
	require.NoError(t, err)
	spec, err := genesis.Dev(genesis.DevOptions{State: load.State()})
	require.NoError(t, err)
	s, err := New(t.Context(), Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: t.TempDir(), DA: inprocess.New(),
		MiniBlockInterval: time.Millisecond, BlockInterval: time.Hour, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	s.current.index = chain.FramesMax - framesSpare - 1 // as if there had been so many
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	txs := load.Lanes(1)[0].Batch(20)
	for i, tx := range txs {
		r, err := s.Submit(ctx, tx.Raw)
		require.NoError(t, err)
		if r.BlockNumber > 1 {
			require.Positive(t, i)
			break
		}
		require.Less(t, i, len(txs)-1, "all are in one block")
		time.Sleep(20 * time.Millisecond) // the mini-block ends
	}
	stop()
	require.NoError(t, <-ended)
	require.NoError(t, s.Close())
}
