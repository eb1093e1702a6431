package calls

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/fees"
	"github.com/vivace-chain/vivace/rpc/internal/call"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// Testing is namespace testing: what test suites ask for and nobody else. It is to be
// served only where it was asked for.
type Testing struct{ api *API }

// NewTesting returns the methods of namespace testing. They share the turns of api.
func NewTesting(api *API) *Testing { return &Testing{api} }

// PayloadAttributes are what the consensus layer says about a block (Engine API).
type PayloadAttributes struct {
	Timestamp             *hexutil.Uint64    `json:"timestamp"`
	PrevRandao            *common.Hash       `json:"prevRandao"`
	SuggestedFeeRecipient *common.Address    `json:"suggestedFeeRecipient"`
	Withdrawals           *types.Withdrawals `json:"withdrawals"`
	ParentBeaconBlockRoot *common.Hash       `json:"parentBeaconBlockRoot"`
}

func (p *PayloadAttributes) check() error {
	for _, field := range []struct {
		name    string
		missing bool
	}{
		{"timestamp", p.Timestamp == nil},
		{"prevRandao", p.PrevRandao == nil},
		{"suggestedFeeRecipient", p.SuggestedFeeRecipient == nil},
	} {
		if field.missing {
			return wire.InvalidParams("missing required field '%s' for PayloadAttributes", field.name)
		}
	}
	return nil
}

// BuildBlockV1 is testing_buildBlockV1: the block that follows the newest sealed one,
// parent, with the transactions given, or if they are null those of the pool that
// execute. Nothing becomes of it.
func (t *Testing) BuildBlockV1(ctx context.Context, parent common.Hash, attributes PayloadAttributes, transactions *[]hexutil.Bytes, extraData *hexutil.Bytes) (*Payload, error) {
	a := t.api
	head, err := a.Backend.History().Header(a.Backend.History().Head().Number)
	if err != nil {
		return nil, err
	}
	if head.Hash() != parent {
		return nil, errors.New("parentHash is not current head")
	}
	if err := attributes.check(); err != nil {
		return nil, err
	}
	if uint64(*attributes.Timestamp) <= head.Timestamp {
		return nil, fmt.Errorf("invalid timestamp, parent %d given %d", head.Timestamp, *attributes.Timestamp)
	}
	env, err := a.nextEnv(head, &attributes)
	if err != nil {
		return nil, err
	}
	if extraData != nil {
		if uint64(len(*extraData)) > params.MaximumExtraDataSize {
			return nil, wire.InvalidParams("extraData of %d bytes, at most %d", len(*extraData), params.MaximumExtraDataSize)
		}
		env.ExtraData = *extraData
	}
	ctx, done, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	payload, err := a.build(ctx, head, env, transactions)
	if err != nil && ctx.Err() != nil {
		return nil, a.aborted()
	}
	return payload, err
}

// nextEnv is the environment of the block after parent.
func (a *API) nextEnv(parent *chain.Header, p *PayloadAttributes) (*chain.Env, error) {
	var (
		config = a.Backend.ChainConfig()
		number = new(big.Int).SetUint64(parent.Number + 1)
		env    = &chain.Env{
			Number: parent.Number + 1, Timestamp: uint64(*p.Timestamp), Coinbase: *p.SuggestedFeeRecipient,
			PrevRandao: *p.PrevRandao, GasLimit: nextGasLimit(parent.GasLimit, a.BuildGasLimit),
			BaseFee: fees.NextBaseFee(config, parent),
		}
	)
	if config.IsShanghai(number, env.Timestamp) {
		var err error
		if env.Withdrawals, err = (&call.BlockOverrides{Withdrawals: p.Withdrawals}).WithdrawalList(); err != nil {
			return nil, wire.InvalidParams("%w", err)
		}
	}
	if config.IsCancun(number, env.Timestamp) {
		if p.ParentBeaconBlockRoot == nil {
			return nil, wire.InvalidParams("missing parentBeaconBlockRoot")
		}
		excess := fees.NextExcessBlobGas(config, parent, env.Timestamp)
		env.ExcessBlobGas, env.ParentBeaconBlockRoot = &excess, p.ParentBeaconBlockRoot
	}
	return env, nil
}

// nextGasLimit moves the parent's gas limit towards wanted, as far as a block may
// (Yellow Paper, section 4.3.4).
func nextGasLimit(parent, wanted uint64) uint64 {
	step := parent/params.GasLimitBoundDivisor - 1
	wanted = max(wanted, params.MinGasLimit)
	if parent < wanted {
		return min(parent+step, wanted)
	}
	return max(parent-step, wanted)
}

// build executes the block.
func (a *API) build(ctx context.Context, parent *chain.Header, env *chain.Env, transactions *[]hexutil.Bytes) (*Payload, error) {
	view, err := a.Backend.StateAt(parent.ID())
	if err != nil {
		return nil, err
	}
	ancestors := chain.AncestorsFunc(func(_ context.Context, number uint64) (common.Hash, error) {
		header, err := a.Backend.History().Header(number)
		if err != nil {
			return common.Hash{}, err
		}
		return header.Hash(), nil
	})
	scratch, err := a.Engine.Scratch(env, ancestors, view, execution.ScratchConfig{})
	if err != nil {
		return nil, err
	}
	defer scratch.Discard()
	if err := scratch.Begin(ctx); err != nil {
		return nil, err
	}
	txs, err := a.fillBlock(ctx, scratch, transactions)
	if err != nil {
		return nil, err
	}
	result, err := scratch.End(ctx)
	if err != nil {
		return nil, err
	}
	commitment, err := a.Backend.Begin(ctx, parent.StateRoot)
	if err != nil {
		return nil, err
	}
	defer commitment.Discard()
	if err := commitment.Apply(result.Changes); err != nil {
		return nil, err
	}
	root, err := commitment.Root(ctx)
	if err != nil {
		return nil, err
	}
	return &Payload{sealedHeader(env, parent.Hash(), root, txs, result), env, txs, result}, nil
}

// fillBlock executes the given transactions, each of which must be valid, or those
// of the pool that are.
func (a *API) fillBlock(ctx context.Context, scratch *execution.Scratch, given *[]hexutil.Bytes) (txs []*chain.Tx, err error) {
	if given != nil {
		for i, raw := range *given {
			tx := chain.NewTx(raw)
			if _, err := scratch.Push(ctx, tx); err != nil {
				return nil, fmt.Errorf("transaction %d: %w", i, err)
			}
			txs = append(txs, tx)
		}
		return txs, nil
	}
	pool, err := a.Backend.Pool(ctx)
	if err != nil {
		return nil, err
	}
	for _, waiting := range pool.Pending {
		_, err := scratch.Push(ctx, waiting.Tx)
		switch {
		case err == nil:
			txs = append(txs, waiting.Tx)
		case !errors.Is(err, chain.ErrInvalidTx) && !errors.Is(err, chain.ErrBlockFull):
			return nil, err
		}
	}
	return txs, nil
}
