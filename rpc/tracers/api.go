package tracers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

var (
	errTxNotFound = errors.New("transaction not found")
	errGenesis    = errors.New("genesis is not traceable")
	errNoState    = errors.New("required historical state unavailable")
	errTimeout    = errors.New("execution timeout")
)

// An API is the tracing half of the namespace debug. Its methods may be called
// concurrently; their errors are worded as go-ethereum's.
type API struct {
	backend backend.Backend
	engine  *execution.Sequential
	config  Config
	slots   chan struct{} // one for each request that executes
}

// New returns the methods over a node. engine executes the blocks of b's chain.
func New(b backend.Backend, engine *execution.Sequential, config Config) *API {
	config = config.withDefaults()
	return &API{backend: b, engine: engine, config: config, slots: make(chan struct{}, config.Concurrency)}
}

// A TxTrace is what a tracer says of one transaction of a block.
type TxTrace struct {
	TxHash common.Hash     `json:"txHash"`
	Result json.RawMessage `json:"result,omitempty"`
}

// TraceTransaction traces a transaction that is in a block, sealed or not. Of one in a
// block that is not kept, or may be, it is wire.NotKept's error: a sequencer elsewhere
// is asked whether there is such a transaction, but not to trace it.
func (a *API) TraceTransaction(ctx context.Context, hash common.Hash, cfg *TraceConfig) (json.RawMessage, error) {
	found, index, err := backend.FindExecuted(ctx, a.backend, hash)
	switch {
	case err != nil:
		return nil, wire.NotKept(err)
	case found == nil:
		return nil, errTxNotFound
	}
	ctx, leave, err := a.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	b, err := a.known(ctx, found)
	if err != nil {
		return nil, err
	}
	r, err := a.begin(ctx, b)
	if err != nil {
		return nil, err
	}
	defer r.scratch.Discard()
	if err := r.skip(ctx, index); err != nil {
		return nil, err
	}
	return r.trace(ctx, cfg, a.config.ResultMax)
}

// TraceBlockByNumber traces all transactions of a sealed block. latest and pending
// are the newest one.
func (a *API) TraceBlockByNumber(ctx context.Context, number rpc.BlockNumber, cfg *TraceConfig) ([]TxTrace, error) {
	return a.traceSealed(ctx, rpc.BlockNumberOrHashWithNumber(number), cfg)
}

// TraceBlockByHash traces all transactions of a sealed block.
func (a *API) TraceBlockByHash(ctx context.Context, hash common.Hash, cfg *TraceConfig) ([]TxTrace, error) {
	return a.traceSealed(ctx, rpc.BlockNumberOrHashWithHash(hash, false), cfg)
}

func (a *API) traceSealed(ctx context.Context, at rpc.BlockNumberOrHash, cfg *TraceConfig) ([]TxTrace, error) {
	found, err := a.sealed(at)
	if err != nil {
		return nil, err
	}
	ctx, leave, err := a.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	b, err := a.known(ctx, found)
	if err != nil {
		return nil, err
	}
	return a.traceAll(ctx, b, cfg)
}

// TraceBlock traces all transactions of a block that the caller brings, in RLP. Its
// parent must be a block of the chain; nothing else of its header is checked.
func (a *API) TraceBlock(ctx context.Context, blob hexutil.Bytes, cfg *TraceConfig) ([]TxTrace, error) {
	var foreign chain.Block
	if err := foreign.UnmarshalBinary(blob); err != nil {
		return nil, fmt.Errorf("could not decode block: %w", err)
	}
	ctx, leave, err := a.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	b, err := a.foreign(ctx, &foreign)
	if err != nil {
		return nil, err
	}
	return a.traceAll(ctx, b, cfg)
}

// traceAll goes through a block once, and traces every transaction as it comes.
func (a *API) traceAll(ctx context.Context, b *block, cfg *TraceConfig) ([]TxTrace, error) {
	r, err := a.begin(ctx, b)
	if err != nil {
		return nil, err
	}
	defer r.scratch.Discard()
	var (
		traces = make([]TxTrace, len(b.txs))
		left   = a.config.ResultMax
	)
	for i, tx := range b.txs {
		result, err := r.trace(ctx, cfg, left)
		if err != nil {
			return nil, err
		}
		traces[i] = TxTrace{TxHash: tx.Hash(), Result: result}
		left -= len(result)
	}
	return traces, nil
}

// enter waits until the request may execute. The context ends when it has taken too
// long; leave gives the place back.
func (a *API) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.config.TimeoutMax, errTimeout)
	select {
	case a.slots <- struct{}{}:
		return ctx, func() { <-a.slots; cancel() }, nil
	case <-ctx.Done():
		cancel()
		return nil, nil, context.Cause(ctx)
	}
}
