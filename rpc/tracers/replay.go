package tracers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	gethtracers "github.com/ethereum/go-ethereum/eth/tracers"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// A block is what a replay executes.
type block struct {
	env    *chain.Env
	hash   common.Hash // zero until it is sealed
	txs    []*chain.Tx
	parent *backend.State
}

// sealed is the sealed block that a caller names.
func (a *API) sealed(at rpc.BlockNumberOrHash) (*history.Block, error) {
	b, err := backend.SealedBlock(a.backend, at)
	switch {
	case err != nil:
		return nil, wire.NotKept(err)
	case b == nil:
		return nil, notFound(at)
	}
	return b, nil
}

func notFound(at rpc.BlockNumberOrHash) error {
	if hash, ok := at.Hash(); ok {
		return fmt.Errorf("block %s not found", hash)
	}
	number, _ := at.Number()
	return fmt.Errorf("block #%d not found", number)
}

// known is a block of the chain, with the state before it.
func (a *API) known(ctx context.Context, b *history.Block) (*block, error) {
	if b.Number() == 0 {
		return nil, errGenesis
	}
	// The parent of an unsealed block may be unsealed too, for a moment.
	parent, err := a.backend.History().WaitHeader(ctx, b.Number()-1)
	if err != nil {
		return nil, ended(ctx, wire.NotKept(err))
	}
	state, err := a.stateAfter(ctx, parent.Hash())
	if err != nil {
		return nil, err
	}
	return &block{env: b.Env, hash: b.Hash, txs: b.Txs, parent: state}, nil
}

// foreign is a block from elsewhere, with the state before it.
func (a *API) foreign(ctx context.Context, b *chain.Block) (*block, error) {
	if b.Header.Number == 0 {
		return nil, errGenesis
	}
	state, err := a.stateAfter(ctx, b.Header.ParentHash)
	if err != nil {
		return nil, err
	}
	if state.Block.Number+1 != b.Header.Number {
		return nil, fmt.Errorf("block %d does not follow its parent, block %d", b.Header.Number, state.Block.Number)
	}
	return &block{env: b.Env(), hash: b.Header.Hash(), txs: b.Txs, parent: state}, nil
}

func (a *API) stateAfter(ctx context.Context, hash common.Hash) (*backend.State, error) {
	state, err := backend.StateOf(ctx, a.backend, rpc.BlockNumberOrHashWithHash(hash, false))
	switch {
	case errors.Is(err, backend.ErrHeaderNotFound):
		return nil, fmt.Errorf("block %s not found", hash)
	case errors.Is(err, chain.ErrNotFound):
		return nil, fmt.Errorf("%w: %w", errNoState, err)
	}
	return state, err
}

// A replay executes a block once more.
type replay struct {
	api     *API
	block   *block
	scratch *execution.Scratch
	next    int // index of the transaction that comes next
}

// begin opens the block. The caller discards the scratch.
func (a *API) begin(ctx context.Context, b *block) (*replay, error) {
	scratch, err := a.engine.Scratch(b.env, b.parent.Ancestors, b.parent.View, execution.ScratchConfig{})
	if err != nil {
		return nil, err
	}
	if err := scratch.Begin(ctx); err != nil {
		scratch.Discard()
		return nil, ended(ctx, err)
	}
	return &replay{api: a, block: b, scratch: scratch}, nil
}

// skip executes the transactions before index, which nobody traces.
func (r *replay) skip(ctx context.Context, index int) error {
	for ; r.next < index; r.next++ {
		if err := r.push(ctx); err != nil {
			return fmt.Errorf("transaction %s failed: %w", r.block.txs[r.next].Hash(), ended(ctx, err))
		}
	}
	return nil
}

func (r *replay) push(ctx context.Context) error {
	_, err := r.scratch.Push(ctx, r.block.txs[r.next])
	return err
}

// trace executes the next transaction before a tracer's eyes.
func (r *replay) trace(ctx context.Context, cfg *TraceConfig, size int) (json.RawMessage, error) {
	at := &gethtracers.Context{
		BlockHash: r.block.hash, BlockNumber: new(big.Int).SetUint64(r.block.env.Number),
		TxIndex: r.next, TxHash: r.block.txs[r.next].Hash(),
	}
	w := watch{api: r.api, scratch: r.scratch, size: size}
	result, err := w.run(ctx, at, cfg, r.push)
	r.next++
	return result, err
}

// A watch is one execution before a tracer's eyes.
type watch struct {
	api     *API
	scratch *execution.Scratch
	size    int  // of the result at most, bytes
	logs    uint // in the block before the scratch
}

// run returns what the tracer says of execute. Only this context stops a tracer:
// go-ethereum's tracers have a way to be told, which some lack and a muxTracer calls
// all the same.
func (w *watch) run(ctx context.Context, at *gethtracers.Context, cfg *TraceConfig, execute func(context.Context) error) (json.RawMessage, error) {
	timeout, err := cfg.timeout(w.api.config.Timeout)
	if err != nil {
		return nil, err
	}
	tooLarge := fmt.Errorf("trace result: %w: above %d bytes", chain.ErrTooLarge, w.api.config.ResultMax)
	ctx, stop := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer stop()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	tracer, err := newTracer(w.api.backend.ChainConfig(), at, cfg, w.size, func() { fail(tooLarge) })
	if err != nil {
		return nil, err
	}
	countFrom(w.logs, tracer.Hooks)
	w.scratch.Watch(tracer.Hooks)
	err = execute(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("tracing failed: %w", err)
	}
	result, err := tracer.GetResult()
	if err == nil && len(result) > w.size {
		err = tooLarge
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// ended is why ctx ended, if it did, and otherwise err.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
