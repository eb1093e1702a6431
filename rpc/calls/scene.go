package calls

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/call"
)

// A scene is where a message executes: a state and a block, as a client wants them.
type scene struct {
	view      chain.StateView
	env       *chain.Env
	ancestors chain.Ancestors
	moved     map[common.Address]common.Address // precompiles
	blobFee   *uint256.Int                      // nil: env's
}

// scene finds what a client names, latest if it names nothing, and alters it.
func (a *API) scene(ctx context.Context, at *rpc.BlockNumberOrHash, state *call.StateOverride, block *call.BlockOverrides) (*scene, error) {
	found, err := backend.StateOf(ctx, a.Backend, backend.OrLatest(at))
	if err != nil {
		return nil, err
	}
	s := &scene{ancestors: found.Ancestors, blobFee: block.BlobFee()}
	if s.env, err = block.Apply(found.Env); err != nil {
		return nil, err
	}
	if s.env.Number != found.Env.Number {
		s.ancestors = before{found.Env.Number, found.Ancestors}
	}
	precompiles, err := a.Engine.Precompiles(s.env)
	if err != nil {
		return nil, err
	}
	s.view, s.moved, err = state.Apply(found.View, precompiles)
	return s, err
}

// before are the ancestors of a block whose number is overridden: those of the block
// as it is. From its own number on there is nothing, which BLOCKHASH reads as zero.
type before struct {
	number uint64
	chain.Ancestors
}

// BlockHash implements chain.Ancestors.
func (b before) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	if number >= b.number {
		return common.Hash{}, nil
	}
	return b.Ancestors.BlockHash(ctx, number)
}

// execute runs one message in the scene, alone; its effects are lost. An error that
// matches chain.ErrInvalidTx says why it cannot be executed.
func (a *API) execute(ctx context.Context, s *scene, message *execution.Call, hooks *tracing.Hooks) (*execution.CallResult, error) {
	scratch, err := a.Engine.Scratch(s.env, s.ancestors, s.view, execution.ScratchConfig{
		SkipNonce: true, SkipSenderCode: true, SkipGasCap: true, NoBaseFee: true,
		BlobBaseFee: s.blobFee, Moved: s.moved, Hooks: hooks,
	})
	if err != nil {
		return nil, err
	}
	defer scratch.Discard()
	result, err := scratch.Call(ctx, message)
	if err != nil && ctx.Err() != nil {
		return nil, a.aborted()
	}
	return result, err
}

// supplied adds to the reason for which a message cannot be executed the gas that it
// had, as go-ethereum does.
func supplied(err error, gas uint64) error {
	if errors.Is(err, chain.ErrInvalidTx) {
		return fmt.Errorf("err: %w (supplied gas %d)", err, gas)
	}
	return err
}
