package fullnode

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// An index that names another block than the topic is not followed.
func TestIndexContradictsTopic(t *testing.T) {
	right, wrong := chain.BlockID{Number: 5, Hash: common.Hash{1}}, chain.BlockID{Number: 5, Hash: common.Hash{2}}
	for _, said := range []chain.BlockID{{}, right, wrong} {
		p := &published{want: 5, cfg: &Config{
			Index: func(context.Context, uint64, int) ([]chain.Publication, error) {
				return []chain.Publication{{Block: right}}, nil
			},
		}, said: func(uint64) (chain.BlockID, bool) { return said, said.Number > 0 }}
		found, err := p.take(t.Context())
		if said == wrong {
			require.ErrorIs(t, err, chain.ErrMismatch)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, right, found.Block)
	}
}
