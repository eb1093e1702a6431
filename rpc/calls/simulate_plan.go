package calls

import (
	"math"
	"math/big"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/internal/call"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// Codes of eth_simulateV1 for blocks that cannot follow.
const (
	codeBlockNumber    = -38020
	codeBlockTimestamp = -38021
)

// blockInterval is the time between simulated blocks that say nothing of theirs, in
// seconds.
const blockInterval = 12

// A plannedBlock is a block whose place is known.
type plannedBlock struct {
	SimulatedBlock
	number, timestamp uint64
}

// plan gives each block its number and time, and fills gaps between their numbers
// with empty blocks. What is wrong with a block is found before any executes.
func plan(config *params.ChainConfig, base *chain.Header, wanted []SimulatedBlock) ([]plannedBlock, error) {
	var (
		blocks = make([]plannedBlock, 0, len(wanted))
		last   = plannedBlock{number: base.Number, timestamp: base.Timestamp}
	)
	for _, b := range wanted {
		number, err := nextNumber(base.Number, last.number, b.Block.Number)
		if err != nil {
			return nil, err
		}
		for last.number+1 < number {
			if last, err = last.next(nil); err != nil {
				return nil, err
			}
			blocks = append(blocks, last)
		}
		if last, err = last.next(b.Block.Time); err != nil {
			return nil, err
		}
		last.SimulatedBlock = b
		blocks = append(blocks, last)
	}
	for i := range blocks {
		if b := &blocks[i]; b.Block.Difficulty != nil && config.IsPostMerge(b.number, b.timestamp) {
			return nil, wire.InvalidParams("block %d: difficulty override is not allowed after the merge", b.number)
		}
	}
	return blocks, nil
}

// nextNumber is the number of a block that wants one, or none, after last.
func nextNumber(base, last uint64, wanted *hexutil.Big) (uint64, error) {
	if wanted == nil {
		wanted = (*hexutil.Big)(new(big.Int).Add(new(big.Int).SetUint64(last), big.NewInt(1)))
	}
	number := wanted.ToInt()
	if number.Cmp(new(big.Int).SetUint64(last)) <= 0 {
		return 0, wire.Errorf(codeBlockNumber, "block numbers must be in order: %d <= %d", number, last)
	}
	count := new(big.Int).Sub(number, new(big.Int).SetUint64(base))
	if !number.IsUint64() || count.Cmp(big.NewInt(simulatedBlocksMax)) > 0 {
		return 0, tooManyBlocks()
	}
	return number.Uint64(), nil
}

// next is an empty block after b, at a time if it wants one.
func (b plannedBlock) next(at *hexutil.Uint64) (plannedBlock, error) {
	n := plannedBlock{number: b.number + 1, SimulatedBlock: SimulatedBlock{Block: new(call.BlockOverrides)}}
	switch {
	case at != nil:
		n.timestamp = uint64(*at)
	case b.timestamp <= math.MaxUint64-blockInterval:
		n.timestamp = b.timestamp + blockInterval
	}
	if n.timestamp <= b.timestamp {
		return n, wire.Errorf(codeBlockTimestamp, "block timestamps must be in order: %d <= %d", n.timestamp, b.timestamp)
	}
	return n, nil
}
