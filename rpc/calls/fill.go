package calls

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/fees"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/call"
)

// A FilledTransaction is the answer of eth_fillTransaction: a transaction that wants
// a signature only, encoded and as an object.
type FilledTransaction struct {
	Raw hexutil.Bytes      `json:"raw"`
	Tx  *types.Transaction `json:"tx"`
}

// FillTransaction is eth_fillTransaction: it completes a transaction with nonce, gas,
// fees and chain id, as they would succeed now. A message that reverts is an error
// with code 3, at which viem stops; at others it asks for each thing alone.
func (a *API) FillTransaction(ctx context.Context, args call.Args) (*FilledTransaction, error) {
	if args.HasBlobs() {
		return nil, errors.New(`"blobs" is not supported for this RPC method`)
	}
	// Where the open block is not known its fee is at most an eighth above the newest's,
	// and what is suggested is twice that.
	env := backend.NewestEnv(a.Backend)
	if err := a.suggestFees(ctx, &args, env); err != nil {
		return nil, err
	}
	if args.Value == nil {
		args.Value = new(hexutil.Big)
	}
	if args.Nonce == nil {
		nonce, err := a.Backend.PendingNonce(ctx, args.Sender())
		if err != nil {
			return nil, err
		}
		args.Nonce = (*hexutil.Uint64)(&nonce)
	}
	if err := checkFillable(&args); err != nil {
		return nil, err
	}
	if args.Gas == nil {
		gas, err := a.gasToFill(ctx, args)
		if err != nil {
			return nil, err
		}
		args.Gas = &gas
	}
	if err := args.CheckChain(a.chainID()); err != nil {
		return nil, err
	}
	args.ChainID = (*hexutil.Big)(a.chainID())
	tx := args.Transaction()
	raw, err := tx.MarshalBinary()
	return &FilledTransaction{raw, tx}, err
}

// gasToFill estimates the gas of a transaction without holding it to its nonce or
// chain id.
func (a *API) gasToFill(ctx context.Context, args call.Args) (hexutil.Uint64, error) {
	args.Nonce, args.ChainID = nil, nil
	ctx, done, err := a.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	s, err := a.scene(ctx, nil, nil, nil)
	if err != nil {
		return 0, err
	}
	gas, err := a.estimate(ctx, s, args)
	return hexutil.Uint64(gas), err
}

// checkFillable refuses what cannot become a transaction.
func checkFillable(args *call.Args) error {
	blobs, create := args.BlobVersionedHashes, args.To == nil
	switch {
	case args.Data != nil && args.Input != nil && !bytes.Equal(*args.Data, *args.Input):
		return errors.New(`both "data" and "input" are set and not equal. Please use "input" to pass transaction call data`)
	case blobs != nil && len(blobs) == 0:
		return errors.New("need at least 1 blob for a blob transaction")
	case len(blobs) > params.BlobTxMaxBlobs:
		return fmt.Errorf("too many blobs in transaction (have=%d, max=%d)", len(blobs), params.BlobTxMaxBlobs)
	case create && blobs != nil:
		return errors.New(`missing "to" in blob transaction`)
	case create && len(args.Payload()) == 0:
		return errors.New("contract creation without any data provided")
	case create && args.AuthorizationList != nil:
		return errors.New(`authorizationList provided for contract creation, but "to" field is missing`)
	}
	return nil
}

// suggestFees completes the fees for a transaction in the block of env or soon after.
func (a *API) suggestFees(ctx context.Context, args *call.Args, env *chain.Env) error {
	if args.MaxFeePerBlobGas != nil && args.MaxFeePerBlobGas.ToInt().Sign() == 0 {
		return errors.New("maxFeePerBlobGas, if specified, must be non-zero")
	}
	a.suggestBlobFee(args, env)
	london := env.BaseFee != nil
	switch {
	case args.GasPrice != nil && (args.MaxFeePerGas != nil || args.MaxPriorityFeePerGas != nil):
		return call.ErrMixedFees
	case args.GasPrice != nil && args.AuthorizationList != nil:
		return errors.New("both gasPrice and authorizationList specified")
	case args.GasPrice != nil && args.GasPrice.ToInt().Sign() == 0 && london:
		return errors.New("gasPrice must be non-zero after london fork")
	case args.GasPrice != nil:
		return nil
	case args.MaxFeePerGas != nil && args.MaxPriorityFeePerGas != nil:
		if args.MaxFeePerGas.ToInt().Sign() == 0 {
			return errors.New("maxFeePerGas must be non-zero")
		}
		return checkFeeOrder(args)
	case !london && (args.MaxFeePerGas != nil || args.MaxPriorityFeePerGas != nil):
		return call.ErrFeesTooEarly
	}
	tip, err := a.TipCap(ctx)
	if err != nil {
		return err
	}
	if !london {
		args.GasPrice = tip
		return nil
	}
	if args.MaxPriorityFeePerGas == nil {
		args.MaxPriorityFeePerGas = tip
	}
	if args.MaxFeePerGas == nil {
		args.MaxFeePerGas = (*hexutil.Big)(twice(env.BaseFee, args.MaxPriorityFeePerGas.ToInt()))
	}
	return checkFeeOrder(args)
}

// suggestBlobFee completes the blob fee cap of a transaction with blobs.
func (a *API) suggestBlobFee(args *call.Args, env *chain.Env) {
	if args.BlobVersionedHashes == nil || args.MaxFeePerBlobGas != nil || env.ExcessBlobGas == nil {
		return
	}
	if fee := fees.BlobBaseFee(a.Backend.ChainConfig(), env.Timestamp, *env.ExcessBlobGas); fee != nil {
		args.MaxFeePerBlobGas = (*hexutil.Big)(twice(fee, new(big.Int)))
	}
}

// twice is two times the fee, so that it may rise before the transaction executes,
// and plus.
func twice(fee *uint256.Int, plus *big.Int) *big.Int {
	sum := fee.ToBig()
	return sum.Add(sum.Lsh(sum, 1), plus)
}

func checkFeeOrder(args *call.Args) error {
	if args.MaxFeePerGas.ToInt().Cmp(args.MaxPriorityFeePerGas.ToInt()) < 0 {
		return fmt.Errorf("maxFeePerGas (%v) < maxPriorityFeePerGas (%v)", args.MaxFeePerGas, args.MaxPriorityFeePerGas)
	}
	return nil
}
