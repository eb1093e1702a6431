package tracers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	gethtracers "github.com/ethereum/go-ethereum/eth/tracers"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/call"
)

// TraceCall traces a call that nobody signed, as eth_call executes it: in the state
// that at names, latest if it is nil, or in the midst of that block (TxIndex), with
// overrides.
func (a *API) TraceCall(ctx context.Context, args call.Args, at *rpc.BlockNumberOrHash, cfg *TraceCallConfig) (json.RawMessage, error) {
	ctx, leave, err := a.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if at == nil {
		latest := rpc.BlockNumberOrHashWithNumber(rpc.LatestBlockNumber)
		at = &latest
	}
	if cfg == nil {
		cfg = new(TraceCallConfig)
	}
	m, err := a.moment(ctx, *at, cfg)
	if err != nil {
		return nil, err
	}
	return a.traceCall(ctx, &args, m, cfg)
}

func (a *API) traceCall(ctx context.Context, args *call.Args, m *moment, cfg *TraceCallConfig) (json.RawMessage, error) {
	env, err := cfg.BlockOverrides.Apply(m.Env)
	if err != nil {
		return nil, err
	}
	precompiles, err := a.engine.Precompiles(env)
	if err != nil {
		return nil, err
	}
	view, moved, err := cfg.StateOverrides.Apply(m.View, precompiles)
	if err != nil {
		return nil, err
	}
	message, err := args.Message(env, a.backend.ChainConfig().ChainID, a.config.GasCap)
	if err != nil {
		return nil, err
	}
	scratch, err := a.engine.Scratch(env, m.ancestors(env), view, execution.ScratchConfig{
		SkipNonce: true, SkipSenderCode: true, SkipGasCap: true, NoBaseFee: true,
		BlobBaseFee: cfg.BlockOverrides.BlobFee(), Moved: moved,
	})
	if err != nil {
		return nil, err
	}
	defer scratch.Discard()
	w := watch{api: a, scratch: scratch, size: a.config.ResultMax, logs: m.logs}
	return w.run(ctx, new(gethtracers.Context), &cfg.TraceConfig, func(ctx context.Context) error {
		_, err := scratch.Call(ctx, message)
		return err
	})
}

// A moment is where a call takes place: after a block or in its midst.
type moment struct {
	*backend.State
	sealed bool // the block
	logs   uint // in the block before it
}

// ancestors answer BLOCKHASH in env, which may have another number than the block.
// Blocks from the moment's own on are not there, and read as zero; but wallets
// simulate the next block by its number, and there the moment's block is the parent.
func (m *moment) ancestors(env *chain.Env) chain.Ancestors {
	number := m.Env.Number
	if m.sealed && env.Number == number+1 {
		number++
	}
	return chain.AncestorsFunc(func(ctx context.Context, asked uint64) (common.Hash, error) {
		if asked >= number {
			return common.Hash{}, nil
		}
		return m.Ancestors.BlockHash(ctx, asked)
	})
}

func (a *API) moment(ctx context.Context, at rpc.BlockNumberOrHash, cfg *TraceCallConfig) (*moment, error) {
	if cfg.TxIndex != nil {
		return a.midst(ctx, at, uint(*cfg.TxIndex))
	}
	state, err := backend.StateOf(ctx, a.backend, at)
	switch {
	case errors.Is(err, backend.ErrHeaderNotFound):
		return nil, notFound(at)
	case errors.Is(err, chain.ErrNotFound):
		return nil, fmt.Errorf("%w: %w", errNoState, err)
	case err != nil:
		return nil, err
	}
	return &moment{State: state, sealed: state.Block != chain.BlockID{}}, nil
}

// midst is the moment before transaction index of a sealed block.
func (a *API) midst(ctx context.Context, at rpc.BlockNumberOrHash, index uint) (*moment, error) {
	found, err := a.sealed(at)
	if err != nil {
		return nil, err
	}
	b, err := a.known(ctx, found)
	if err != nil {
		return nil, err
	}
	if n := uint(len(b.txs)); index >= n && (n > 0 || index > 0) {
		return nil, fmt.Errorf("transaction index %d out of range for block %s", index, b.hash)
	}
	view, err := a.before(ctx, b, int(index))
	if err != nil {
		return nil, err
	}
	m := &moment{State: &backend.State{View: view, Env: b.env, Ancestors: b.parent.Ancestors}, sealed: true}
	for _, r := range found.Receipts[:index] {
		m.logs += uint(len(r.Logs))
	}
	return m, nil
}

// before is the state before transaction index of a block. A call may have another
// environment than the block, so it cannot go on in the same execution.
func (a *API) before(ctx context.Context, b *block, index int) (chain.StateView, error) {
	open, err := a.engine.Open(ctx, b.env, b.parent.Ancestors, b.parent.View)
	if err != nil {
		return nil, ended(ctx, err)
	}
	defer open.Discard()
	results, err := open.Push(ctx, b.txs[:index])
	if err != nil {
		return nil, ended(ctx, err)
	}
	for i := range results {
		if results[i].Err != nil {
			return nil, fmt.Errorf("transaction %s failed: %w", b.txs[i].Hash(), results[i].Err)
		}
	}
	mini, err := open.SealMini(ctx)
	if err != nil {
		return nil, ended(ctx, err)
	}
	prior := b.parent.View
	if mini.ParentHashPending {
		parent, err := a.backend.History().Header(b.env.Number - 1)
		if err != nil {
			return nil, err
		}
		write, err := chain.ParentHashChange(parent, prior)
		if err != nil {
			return nil, err
		}
		prior = chain.NewOverlay(prior, write)
	}
	return chain.NewOverlay(prior, mini.Changes), nil
}

// countFrom makes the logs that a tracer sees count from n on.
func countFrom(n uint, hooks *tracing.Hooks) {
	log := hooks.OnLog
	if n == 0 || log == nil {
		return
	}
	hooks.OnLog = func(l *types.Log) {
		shifted := *l
		shifted.Index += n
		log(&shifted)
	}
}
