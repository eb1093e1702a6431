package calls

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// SimulateV1 is eth_simulateV1: blocks of calls on top of a sealed block, each as it
// would be, with its roots and its hash.
func (a *API) SimulateV1(ctx context.Context, request Simulation, at *rpc.BlockNumberOrHash) ([]*SimulatedResult, error) {
	switch {
	case request.excess != nil:
		return nil, request.excess
	case len(request.Blocks) == 0:
		return nil, wire.InvalidParams("empty input")
	}
	ctx, done, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	results, err := a.simulate(ctx, &request, backend.OrLatest(at))
	if err != nil && ctx.Err() != nil {
		return nil, a.aborted()
	}
	return results, err
}

func (a *API) simulate(ctx context.Context, request *Simulation, at rpc.BlockNumberOrHash) ([]*SimulatedResult, error) {
	s, err := a.newSimulator(ctx, request, at)
	if err != nil {
		return nil, err
	}
	defer s.commitment.Discard()
	blocks, err := plan(s.config, s.parent, request.Blocks)
	if err != nil {
		return nil, err
	}
	results := make([]*SimulatedResult, len(blocks))
	for i := range blocks {
		if results[i], err = s.block(ctx, &blocks[i]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// A simulator makes blocks, one on the other.
type simulator struct {
	api        *API
	config     *params.ChainConfig
	request    *Simulation
	base       uint64        // number of the block that it begins on
	parent     *chain.Header // the newest
	hashes     []common.Hash // of base and the blocks after it
	view       chain.StateView
	commitment chain.Commitment
	ancestors  chain.Ancestors // of base
	gas        uint64          // that is left to all calls
}

func (a *API) newSimulator(ctx context.Context, request *Simulation, at rpc.BlockNumberOrHash) (*simulator, error) {
	number, err := backend.SealedNumber(a.Backend, at)
	if err != nil {
		return nil, err
	}
	sealed := rpc.BlockNumberOrHashWithNumber(rpc.BlockNumber(number))
	state, err := backend.StateOf(ctx, a.Backend, sealed)
	if err != nil {
		return nil, err
	}
	base, err := a.Backend.History().Header(number)
	if err != nil {
		return nil, err
	}
	commitment, err := a.Backend.Begin(ctx, base.StateRoot)
	if err != nil {
		return nil, fmt.Errorf("state of block %d is not available: %w", number, err)
	}
	return &simulator{
		api: a, config: a.Backend.ChainConfig(), request: request,
		base: number, parent: base, hashes: []common.Hash{state.Block.Hash},
		view: state.View, commitment: commitment, ancestors: state.Ancestors, gas: a.GasCap,
	}, nil
}

// BlockHash implements chain.Ancestors.
func (s *simulator) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	if number < s.base {
		return s.ancestors.BlockHash(ctx, number)
	}
	return s.hashes[number-s.base], nil
}

// A SimulatedResult is one block of the answer of eth_simulateV1.
type SimulatedResult struct {
	block *wire.Block
	calls []CallResult
}

// MarshalJSON implements json.Marshaler: the block's object with the calls in it.
func (r *SimulatedResult) MarshalJSON() ([]byte, error) {
	out := r.block.AppendJSON(nil)
	out = append(out[:len(out)-1], `,"calls":[`...)
	for i := range r.calls {
		if i > 0 {
			out = append(out, ',')
		}
		object, err := r.calls[i].json()
		if err != nil {
			return nil, err
		}
		out = append(out, object...)
	}
	return append(out, "]}"...), nil
}
