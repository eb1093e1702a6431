package backend

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/fees"
)

// forwardFeeTime is how long a sequencer elsewhere may take to say its base fee.
const forwardFeeTime = time.Second

// NewestEnv is the environment of the block that is open now or, if that is not known,
// of the newest that is.
func NewestEnv(b Backend) *chain.Env {
	env := b.OpenEnv()
	if env == nil {
		_, env = b.Latest()
	}
	return env
}

// OpenBaseFee is the base fee in wei, never the caller's to change, of the block that
// is open now; nil before London.
//
// A full node hears of a block with its first mini-block, and a chain may fix its base
// fee, which no header says. So while nothing is open there it asks the sequencer, who
// decides what a transaction must pay. If that does not answer, it is what EIP-1559
// makes of the newest sealed block: reads go on without a sequencer.
func OpenBaseFee(ctx context.Context, b Backend) (*uint256.Int, error) {
	if env := b.OpenEnv(); env != nil {
		return env.BaseFee, nil
	}
	header, err := b.History().Header(b.History().Head().Number)
	if err != nil {
		return nil, err
	}
	next := fees.NextBaseFee(b.ChainConfig(), header)
	if f, ok := b.(Forwarder); ok && next != nil {
		if fee := forwardBaseFee(ctx, f); fee != nil {
			return fee, nil
		}
	}
	return next, ctx.Err()
}

func forwardBaseFee(ctx context.Context, f Forwarder) *uint256.Int {
	ctx, cancel := context.WithTimeout(ctx, forwardFeeTime)
	defer cancel()
	answer, err := f.Forward(ctx, "eth_baseFee")
	if err != nil {
		return nil
	}
	var fee *hexutil.U256
	if json.Unmarshal(answer, &fee) != nil {
		return nil
	}
	return (*uint256.Int)(fee)
}
