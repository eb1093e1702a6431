package calls

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/internal/call"
)

// estimateTolerance is how far above the least gas that suffices an estimate may be,
// as a part of itself: go-ethereum's.
const estimateTolerance = 0.015

var errNoFundsForTransfer = errors.New("insufficient funds for transfer")

// EstimateGas is eth_estimateGas: a gas limit, close to the least, with which a
// message succeeds. A message that fails for another reason than gas is that error.
func (a *API) EstimateGas(ctx context.Context, args call.Args, at *rpc.BlockNumberOrHash, state *call.StateOverride, block *call.BlockOverrides) (hexutil.Uint64, error) {
	if err := args.CheckBlobFee(); err != nil {
		return 0, err
	}
	ctx, done, err := a.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	s, err := a.scene(ctx, at, state, block)
	if err != nil {
		return 0, err
	}
	gas, err := a.estimate(ctx, s, args)
	return hexutil.Uint64(gas), err
}

// estimate is the gas limit for args in the scene.
func (a *API) estimate(ctx context.Context, s *scene, args call.Args) (uint64, error) {
	if args.Gas == nil {
		args.Gas = new(hexutil.Uint64) // no limit of the client's
	}
	message, err := args.Message(s.env, a.chainID(), a.GasCap)
	if err != nil {
		return 0, err
	}
	e := &estimation{api: a, scene: s, message: message}
	if e.high, err = e.most(); err != nil {
		return 0, err
	}
	return e.search(ctx)
}

// An estimation looks for the least gas with which a message succeeds. It is
// go-ethereum's search step by step, so that the numbers are the same.
type estimation struct {
	api     *API
	scene   *scene
	message *execution.Call
	low     uint64 // fails
	high    uint64 // succeeds, or is the most that there may be
}

// most is the most gas that the message may have: what the block or the client
// says, the protocol allows (EIP-7825), the sender can pay and the node runs.
func (e *estimation) most() (uint64, error) {
	var (
		env    = e.scene.env
		config = e.api.Backend.ChainConfig()
		most   = env.GasLimit
	)
	if e.message.Gas >= params.TxGas {
		most = e.message.Gas
	}
	if config.IsOsaka(new(big.Int).SetUint64(env.Number), env.Timestamp) {
		most = min(most, params.MaxTxGas)
	}
	if !e.message.FeeCap.IsZero() {
		payable, err := e.payable()
		if err != nil {
			return 0, err
		}
		if payable.IsUint64() {
			most = min(most, payable.Uint64())
		}
	}
	return min(most, e.api.GasCap), nil
}

// payable is the gas that the sender can pay at the fee cap besides the value and
// the blobs.
func (e *estimation) payable() (*uint256.Int, error) {
	m := e.message
	account, _, err := e.scene.view.Account(m.From)
	if err != nil {
		return nil, err
	}
	left := &account.Balance
	if !m.Value.Lt(left) {
		return nil, errNoFundsForTransfer
	}
	left.Sub(left, &m.Value)
	if len(m.BlobHashes) > 0 {
		blobs := uint256.NewInt(uint64(len(m.BlobHashes)) * params.BlobTxBlobGasPerBlob)
		if _, overflow := blobs.MulOverflow(blobs, &m.BlobFeeCap); overflow || !blobs.Lt(left) {
			return nil, execution.ErrInsufficientFunds
		}
		left.Sub(left, blobs)
	}
	return left.Div(left, &m.FeeCap), nil
}

// search narrows what suffices down, by halves.
func (e *estimation) search(ctx context.Context) (uint64, error) {
	if gas, err := e.transfer(ctx); gas > 0 || err != nil {
		return gas, err
	}
	result, err := e.try(ctx, e.high)
	switch {
	case err != nil:
		return 0, err
	case result == nil || errors.Is(result.Err, execution.ErrOutOfGas):
		return 0, fmt.Errorf("gas required exceeds allowance (%d)", e.high)
	case result.Err != nil:
		return 0, callError(result)
	}
	// What it used is the least but for a contract that looks at the gas it has.
	e.low = result.GasUsed - 1
	// Refunds come at the end, and a call leaves a 64th of the gas where it is.
	if guess := (result.GasPeak + params.CallStipend) * 64 / 63; guess < e.high {
		if err := e.narrow(ctx, guess); err != nil {
			return 0, err
		}
	}
	for e.low+1 < e.high && float64(e.high-e.low)/float64(e.high) >= estimateTolerance {
		// Most messages need little more than they use: begin at the low side.
		if err := e.narrow(ctx, min(e.low+(e.high-e.low)/2, e.low*2)); err != nil {
			return 0, err
		}
	}
	return e.high, nil
}

// transfer is the gas of a payment that runs no code, or 0 if the message is
// something else.
func (e *estimation) transfer(ctx context.Context) (uint64, error) {
	m := e.message
	if m.To == nil || len(m.Data) > 0 {
		return 0, nil
	}
	account, exists, err := e.scene.view.Account(*m.To)
	if err != nil || exists && account.CodeHash != chain.EmptyCodeHash {
		return 0, err
	}
	// What is wrong with the message is for the search to say.
	if result, err := e.try(ctx, params.TxGas); err == nil && result != nil && result.Err == nil {
		return result.GasUsed, nil
	}
	return 0, nil
}

// narrow tries the message with gas between low and high.
func (e *estimation) narrow(ctx context.Context, gas uint64) error {
	result, err := e.try(ctx, gas)
	switch {
	case err != nil:
		return err
	case result == nil || result.Err != nil:
		e.low = gas
	default:
		e.high = gas
	}
	return nil
}

// try runs the message with so much gas. The result is nil if that is too little to
// begin with.
func (e *estimation) try(ctx context.Context, gas uint64) (*execution.CallResult, error) {
	message := *e.message
	message.Gas = gas
	result, err := e.api.execute(ctx, e.scene, &message, nil)
	switch {
	case errors.Is(err, execution.ErrIntrinsicGas):
		return nil, nil
	case errors.Is(err, chain.ErrInvalidTx):
		return nil, fmt.Errorf("failed with %d gas: %w", gas, err)
	}
	return result, err
}
