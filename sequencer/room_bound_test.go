package sequencer

import (
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// Whatever limits transactions have and whatever they use of them, no mini-block uses more
// than the bound, and none ends for want of gas before half of it is used. Both are met
// closely, so that the bound is no larger than it must be.
func TestRoomBound(t *testing.T) {
	const most = 40_000_000
	for name, limit := range map[string]uint64{"capped": 1 << 24, "as much as a mini-block": most, "more": 3 * most} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, limit))
			bound := max(uint64(most), most/2+limit)
			largest, smallest := uint64(0), uint64(1<<63)
			for range 300 {
				use := greed(rng)
				used := fillMini(t, rng, limit, bound, use)
				largest, smallest = max(largest, used), min(smallest, used)
			}
			require.Greater(t, largest, bound*9/10)
			require.GreaterOrEqual(t, smallest, uint64(most/2))
		})
	}
}

// greed is how much transactions use of their limits in a mini-block: little at first, and
// all of it later.
func greed(rng *rand.Rand) func(used, limit uint64) uint64 {
	until := rng.Uint64N(45_000_000)
	return func(used, limit uint64) uint64 {
		if used < until {
			return min(limit, 21_000+rng.Uint64N(400_000))
		}
		return limit
	}
}

// fillMini takes and executes batches until a mini-block is full, and returns its gas.
func fillMini(t *testing.T, rng *rand.Rand, most, bound uint64, use func(used, limit uint64) uint64) (total uint64) {
	c := &Config{PoolTxs: 1 << 20, PoolBytes: 1 << 30, PoolTxsPerSender: 10, MiniBlockBytes: 1 << 20, MiniBlockGas: 40_000_000}
	p, left := newPool(c, richView{}), c.emptyRoom()
	for {
		for len(p.ready) < 300 {
			sender := common.Address{19: byte(p.arrived), 18: byte(p.arrived >> 8)}
			gas := most
			if rng.IntN(8) == 0 {
				gas = 21_000 + rng.Uint64N(most-21_000+1)
			}
			require.NoError(t, p.add(&pending{tx: chain.NewTx(sender[:]), sender: sender, nonce: 5, gas: gas, executed: make(chan outcome, 1)}))
		}
		batch, full := p.take(256, left)
		if len(batch) == 0 {
			require.True(t, full)
			return total
		}
		for _, tx := range batch {
			used := use(total, tx.gas)
			total += used
			left.use(len(tx.tx.Raw()), used)
		}
		require.LessOrEqual(t, total, bound)
		p.done(batch, make([]chain.TxResult, len(batch)))
	}
}
