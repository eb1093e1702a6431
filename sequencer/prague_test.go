package sequencer_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// beforePrague is a chain without the contracts that blocks of Prague end with, and that
// comes to Prague when it says.
func beforePrague(t *testing.T, prague uint64) *genesis.Spec {
	spec, err := genesis.Read(strings.NewReader(fmt.Sprintf(`{
		"config": {
			"chainId": 31337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
			"byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0,
			"berlinBlock": 0, "londonBlock": 0, "mergeNetsplitBlock": 0, "terminalTotalDifficulty": 0,
			"shanghaiTime": 0, "cancunTime": 0, "pragueTime": %d,
			"blobSchedule": {
				"cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477},
				"prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716}
			}
		},
		"gasLimit": "0x1c9c380", "difficulty": "0x0", "timestamp": "0x1", "alloc": {}
	}`, prague)))
	require.NoError(t, err)
	return spec
}

// A chain that comes to Prague without the contracts for it stops before the fork, says
// which is missing, and goes on where the fork is put off. An operator is told as soon as
// the sequencer starts.
func TestPragueWithoutContracts(t *testing.T) {
	var (
		prague = uint64(time.Now().Unix()) + 3
		logged bytes.Buffer
		layer  = inprocess.New()
		config = sequencer.Config{
			Dir: t.TempDir(), DA: layer, MiniBlockInterval: 2 * time.Millisecond, BlockInterval: 20 * time.Millisecond,
			Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		}
		opened = func(prague uint64) (*sequencer.Sequencer, error) {
			spec := beforePrague(t, prague)
			config.Genesis, config.ChainConfig = spec.Genesis, spec.Config
			return sequencer.New(t.Context(), config)
		}
		requireMissing = func(err error) {
			t.Helper()
			var missing *genesis.MissingContractError
			require.ErrorAs(t, err, &missing)
			require.ErrorIs(t, err, chain.ErrInvalidBlock)
			require.Equal(t, 7002, missing.EIP)
			require.ErrorContains(t, err, "0x00000961Ef480Eb55e80D19ad83579A64c007002")
		}
	)
	s, err := opened(prague)
	require.NoError(t, err)
	require.Contains(t, logged.String(), "0x00000961Ef480Eb55e80D19ad83579A64c007002")
	requireMissing(s.Run(t.Context()))
	head := s.Heads().RootChecked.Number
	require.Positive(t, head)
	header, err := s.Header(head)
	require.NoError(t, err)
	require.Less(t, header.Timestamp, prague)
	require.NoError(t, s.Close())

	_, err = opened(prague)
	requireMissing(err)

	s, err = opened(prague + 1<<40)
	require.NoError(t, err)
	stop := running(func(ctx context.Context) error { return s.Run(ctx) })
	require.Eventually(t, func() bool { return s.Heads().RootChecked.Number > head+1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, stop())
	require.NoError(t, s.Close())
}
