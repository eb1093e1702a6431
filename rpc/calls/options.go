package calls

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/backend"
)

// Options configure an API. Backend and Engine are required; the zero value of the
// others is useful.
type Options struct {
	Backend backend.Backend
	Engine  *execution.Sequential
	// GasCap is the most gas that a call may use, and all calls of a simulation
	// together. Default 50 million.
	GasCap uint64
	// Timeout is how long a request may execute, waiting for its turn counted.
	// Default 5 s.
	Timeout time.Duration
	// Concurrency is how many requests execute at a time; others wait. Default
	// GOMAXPROCS.
	Concurrency int
	// TipCap suggests a priority fee in wei, for eth_fillTransaction: the answer of
	// eth_maxPriorityFeePerGas. Default: zero.
	TipCap func(context.Context) (*hexutil.Big, error)
	// BuildGasLimit is the gas limit towards which testing_buildBlockV1 moves the
	// parent's. Default 60 million, go-ethereum's.
	BuildGasLimit uint64
}

// Validate reports the first thing that is wrong with o, or nil.
func (o *Options) Validate() error {
	switch {
	case o.Backend == nil:
		return errors.New("calls: Options.Backend is required")
	case o.Engine == nil:
		return errors.New("calls: Options.Engine is required")
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.GasCap == 0 {
		o.GasCap = 50_000_000
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Concurrency <= 0 {
		o.Concurrency = runtime.GOMAXPROCS(0)
	}
	if o.TipCap == nil {
		o.TipCap = func(context.Context) (*hexutil.Big, error) { return new(hexutil.Big), nil }
	}
	if o.BuildGasLimit == 0 {
		o.BuildGasLimit = 60_000_000
	}
	return o
}
