package ethapi

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// How a priority fee is suggested, as go-ethereum does by default: of so many recent
// blocks the lowest tips, and of those a percentile.
const (
	tipBlocks     = 20
	tipPercentile = 60
	tipSamples    = 3 // of a block
	tipIgnored    = 2 // wei: less says nothing
)

// tipMax is the most that is suggested, in wei.
var tipMax = uint256.NewInt(500 * params.GWei)

// tipLevelsMax is the most levels of tips that are kept of a block. A block with more
// loses the difference between tips that are next to each other: its percentiles are
// exact to a thousandth of its gas.
const tipLevelsMax = 1024

// blockTips is what a block's transactions paid above its base fee: all that fee
// history and suggestions need, so that a block is decoded once.
type blockTips struct {
	levels []tipLevel    // ascending; none if the block is empty
	lowest []uint256.Int // of up to tipSamples transactions that count for suggestions
}

// A tipLevel is a tip and the gas of all transactions that paid it or less.
type tipLevel struct {
	tip uint256.Int // wei per gas
	gas uint64
}

// at is the tip of the transaction at which gas of the block is used up, the
// transactions in the order of their tips; zero if there is none.
func (t *blockTips) at(gas uint64) *uint256.Int {
	if len(t.levels) == 0 {
		return new(uint256.Int)
	}
	i, _ := slices.BinarySearchFunc(t.levels, gas, func(l tipLevel, gas uint64) int {
		if l.gas < gas {
			return -1
		}
		return 1
	})
	return &t.levels[min(i, len(t.levels)-1)].tip
}

// readTips reads the tips of a block.
func readTips(config *params.ChainConfig, b *history.Block) (*blockTips, error) {
	paid := make([]paidTip, len(b.Txs))
	for i, tx := range b.Txs {
		decoded, err := execution.Decode(tx)
		if err != nil {
			return nil, err
		}
		paid[i] = paidTip{tip: effectiveTip(decoded, b.Env.BaseFee), gas: b.Receipts[i].GasUsed, tx: tx}
	}
	slices.SortStableFunc(paid, func(x, y paidTip) int { return x.tip.Cmp(&y.tip) })
	t := &blockTips{levels: levels(paid)}
	for i := 0; i < len(paid) && len(t.lowest) < tipSamples; i++ {
		if paid[i].tip.LtUint64(tipIgnored) {
			continue
		}
		// What a block's maker sends to himself costs him nothing.
		if from, err := wire.Sender(config, b.Env, paid[i].tx); err == nil && from != b.Env.Coinbase {
			t.lowest = append(t.lowest, paid[i].tip)
		}
	}
	return t, nil
}

type paidTip struct {
	tip uint256.Int
	gas uint64
	tx  *chain.Tx
}

// effectiveTip is what a transaction pays above the base fee per gas, in wei. It is
// in a block, so it pays the base fee.
func effectiveTip(tx *types.Transaction, baseFee *uint256.Int) (tip uint256.Int) {
	tip.SetFromBig(tx.GasFeeCap())
	if baseFee == nil {
		return tip
	}
	if _, below := tip.SubOverflow(&tip, baseFee); below {
		return uint256.Int{}
	}
	if most, _ := uint256.FromBig(tx.GasTipCap()); most.Lt(&tip) {
		return *most
	}
	return tip
}

// levels puts equal tips together, and if there are too many levels leaves out those
// that differ least in gas from the one before.
func levels(paid []paidTip) []tipLevel {
	var (
		out []tipLevel
		gas uint64
	)
	for i := range paid {
		gas += paid[i].gas
		if n := len(out); n > 0 && out[n-1].tip == paid[i].tip {
			out[n-1].gas = gas
			continue
		}
		out = append(out, tipLevel{paid[i].tip, gas})
	}
	if len(out) <= tipLevelsMax {
		return out
	}
	var (
		few  = make([]tipLevel, 0, tipLevelsMax+1)
		step = gas/tipLevelsMax + 1
		next uint64
	)
	for i, level := range out {
		if level.gas >= next || i == len(out)-1 {
			few = append(few, level)
			next = level.gas - level.gas%step + step
		}
	}
	return few
}

// feeOracle knows what recent blocks' transactions paid. It may be used concurrently.
type feeOracle struct {
	backend backend.Backend

	mu    sync.Mutex
	cache [feeBlocksMax]cachedTips // by block number
	head  common.Hash              // for which tip was suggested
	tip   uint256.Int
}

type cachedTips struct {
	hash common.Hash // of the block; zero for none
	tips *blockTips
}

func newFeeOracle(b backend.Backend, tip *uint256.Int) *feeOracle {
	return &feeOracle{backend: b, tip: *tip}
}

// tips are the tips of a sealed block.
func (f *feeOracle) tips(number uint64) (*blockTips, error) {
	header, err := f.backend.History().Header(number)
	if err != nil {
		return nil, err
	}
	var (
		hash = header.Hash()
		slot = &f.cache[number%feeBlocksMax]
	)
	f.mu.Lock()
	cached := *slot
	f.mu.Unlock()
	if cached.tips != nil && cached.hash == hash {
		return cached.tips, nil
	}
	block, err := f.backend.History().Block(number)
	if err != nil {
		return nil, err
	}
	tips, err := readTips(f.backend.ChainConfig(), block)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	*slot = cachedTips{hash, tips}
	f.mu.Unlock()
	return tips, nil
}

// suggestTip is a priority fee with which a transaction is soon executed. The result
// is the caller's.
func (f *feeOracle) suggestTip(ctx context.Context) (*uint256.Int, error) {
	head := f.backend.History().Head()
	f.mu.Lock()
	known, last := f.head == head.Hash, f.tip
	f.mu.Unlock()
	if known {
		return &last, nil
	}
	samples, err := f.samples(ctx, head.Number, last)
	if err != nil {
		return nil, err
	}
	tip := last
	if len(samples) > 0 {
		slices.SortFunc(samples, func(x, y uint256.Int) int { return x.Cmp(&y) })
		tip = samples[(len(samples)-1)*tipPercentile/100]
	}
	if tip.Gt(tipMax) {
		tip = *tipMax
	}
	f.mu.Lock()
	f.head, f.tip = head.Hash, tip
	f.mu.Unlock()
	return &tip, nil
}

// samples are the lowest tips of the newest blocks. A block without any stands for
// the last suggestion; for each with one sample or none, another, older block is
// looked at, up to twice as many.
func (f *feeOracle) samples(ctx context.Context, number uint64, last uint256.Int) (samples []uint256.Int, err error) {
	for expected := tipBlocks; expected > 0 && number > 0; number-- {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		tips, err := f.tips(number)
		if errors.Is(err, history.ErrNotKept) {
			break
		}
		if err != nil {
			return nil, err
		}
		expected--
		found := tips.lowest
		if len(found) == 0 {
			found = []uint256.Int{last}
		}
		if len(found) == 1 && len(samples)+1+expected < 2*tipBlocks {
			expected++
		}
		samples = append(samples, found...)
	}
	return samples, nil
}
