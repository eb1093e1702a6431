package fullnode

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// Who lies about everything hides nobody else's lies, and his own are new once, however
// often and in what order they are heard again.
func TestEvidenceShares(t *testing.T) {
	const share = 4
	var d drawer
	lie := func(against string, number uint64) bool {
		return d.add(charge{against, Evidence{Block: chain.BlockID{Number: number}, Err: errors.New(against)}}, share)
	}
	require.True(t, lie("layer", 7))
	require.True(t, lie("sequencer", 3))
	for _, number := range []uint64{11, 10, 12, 14, 13, 15} {
		require.True(t, lie("prover", number))
	}
	require.EqualValues(t, 8, d.total())
	for range 2 {
		for number := uint64(10); number <= 15; number++ {
			require.False(t, lie("prover", number))
		}
	}
	require.EqualValues(t, 8, d.total())
	var numbers []uint64
	for _, c := range d.kept {
		numbers = append(numbers, c.Block.Number)
	}
	require.Equal(t, []uint64{7, 3, 12, 14, 13, 15}, numbers)
	require.True(t, lie("prover", 16))
	require.True(t, lie("layer", 1), "its own share is not full")
}

// All shares together are no more than evidenceMax, while each has room for one.
func TestEvidenceShare(t *testing.T) {
	for provers, want := range map[int]int{0: 128, 3: 51, 62: 4, 254: 1, 1000: 1} {
		c := &Config{Provers: make([]common.Address, provers)}
		require.Equal(t, want, c.evidenceShare())
	}
}
