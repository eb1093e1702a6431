package calls

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/internal/call"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// Codes of eth_simulateV1 for calls.
const (
	codeCallFailed    = -32015 // the outermost call failed, and did not revert
	codeBlockGasLimit = -38015
)

// A simulatedBody is what a simulated block holds so far.
type simulatedBody struct {
	*simulator
	env     *chain.Env
	scratch *execution.Scratch
	logs    *logTracer
	gasUsed uint64
	txs     []*chain.Tx
	kinds   []uint8 // of txs (EIP-2718)
	calls   []CallResult
}

// call executes the next call, as an unsigned transaction of the block.
func (b *simulatedBody) call(ctx context.Context, args *call.Args) error {
	capped, err := b.complete(args)
	if err != nil {
		return err
	}
	tx := args.Transaction()
	raw, err := tx.MarshalBinary()
	if err != nil {
		return err
	}
	b.logs.reset()
	result, err := b.scratch.Call(ctx, args.CompleteMessage())
	if err != nil {
		return refusal(supplied(err, uint64(*args.Gas)))
	}
	if result.GasUsed > b.gas {
		return fmt.Errorf("RPC gas cap exhausted: need %d, remaining %d", result.GasUsed, b.gas)
	}
	b.gas -= result.GasUsed
	b.gasUsed += result.GasUsed
	b.add(chain.NewTx(raw), args.Sender(), tx.Type())
	b.calls = append(b.calls, newCallResult(result, b.logs.found(), capped))
	return nil
}

// complete fills in what is missing, and reports whether the gas that is left to the
// whole request is less than what the call wants. Such a call gets what is left. A
// nonce that has its largest value is no obstacle where none is asked for, and begins
// anew: so the execution API's suite has it, against EIP-2681 and go-ethereum 1.17.10.
func (b *simulatedBody) complete(args *call.Args) (capped bool, err error) {
	sender, _, err := b.scratch.Account(args.Sender())
	if err != nil {
		return false, err
	}
	if args.Nonce == nil {
		args.Nonce = (*hexutil.Uint64)(&sender.Nonce)
	}
	left := b.env.GasLimit - b.gasUsed
	if args.Gas == nil {
		args.Gas = (*hexutil.Uint64)(&left)
	}
	wanted := uint64(*args.Gas)
	if wanted > left {
		return false, wire.Errorf(codeBlockGasLimit, "block gas limit reached: remaining: %d, required: %d", left, wanted)
	}
	gas := min(wanted, b.gas)
	args.Gas = (*hexutil.Uint64)(&gas)
	if err := args.Complete(b.env, b.config.ChainID, 0); err != nil {
		return false, err
	}
	return gas < wanted, nil
}

// Codes of eth_simulateV1 for a call that cannot be executed.
var refusals = []struct {
	err  error
	code int
}{
	{execution.ErrNonceTooLow, -38010},
	{execution.ErrNonceTooHigh, -38011},
	{execution.ErrFeeCapTooLow, -38012},
	{execution.ErrIntrinsicGas, -38013},
	{execution.ErrInsufficientFunds, -38014},
	{execution.ErrSenderNoEOA, -38024},
	{execution.ErrInitCodeTooLarge, -38025},
	{execution.ErrTipAboveFeeCap, wire.CodeInvalidParams},
}

// refusal is the error of a call that cannot be executed.
func refusal(err error) error {
	if !errors.Is(err, chain.ErrInvalidTx) && !errors.Is(err, chain.ErrBlockFull) {
		return err
	}
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return &wire.Error{Code: r.code, Message: err.Error(), Err: err}
		}
	}
	return &wire.Error{Code: wire.CodeInternal, Message: err.Error(), Err: err}
}

// add puts an unsigned transaction into the block.
func (b *simulatedBody) add(tx *chain.Tx, sender common.Address, kind uint8) {
	tx.SetSender(sender)
	b.txs = append(b.txs, tx)
	b.kinds = append(b.kinds, kind)
}

// settle makes what the block did agree with its transactions. One with a gas price
// is a legacy transaction even if the call had blobs or authorizations.
func (b *simulatedBody) settle(result *chain.Result) {
	result.BlobGasUsed = 0
	for i, r := range result.Receipts {
		r.TxHash, r.Type = b.txs[i].Hash(), b.kinds[i]
		if r.Type != types.BlobTxType {
			r.BlobGasUsed, r.BlobGasPrice = 0, nil
		}
		result.BlobGasUsed += r.BlobGasUsed
	}
}

// A CallResult is what one call of a simulation did.
type CallResult struct {
	result *execution.CallResult
	traced []tracedLog
	capped bool
	logs   wire.Logs
}

func newCallResult(r *execution.CallResult, logs []tracedLog, capped bool) CallResult {
	return CallResult{result: r, traced: logs, capped: capped}
}

// placed gives the call its place in the block, which its logs tell.
func (r *CallResult) placed(env *chain.Env, block, tx common.Hash, index uint32) {
	for i := range r.traced {
		l := &r.traced[i]
		r.logs = append(r.logs, wire.NewLog(&l.Log, env.Number, env.Timestamp, &block, tx, index, l.index))
	}
}

// callFailure is the error inside a CallResult.
type callFailure struct {
	Message string `json:"message"`
	Code    int    `json:"code"`
	Data    any    `json:"data,omitempty"`
}

func (r *CallResult) json() ([]byte, error) {
	out := struct {
		ReturnData hexutil.Bytes  `json:"returnData"`
		Logs       wire.Logs      `json:"logs"`
		GasUsed    hexutil.Uint64 `json:"gasUsed"`
		MaxUsedGas hexutil.Uint64 `json:"maxUsedGas"`
		Status     hexutil.Uint64 `json:"status"`
		Error      *callFailure   `json:"error,omitempty"`
	}{
		Logs: r.logs, GasUsed: hexutil.Uint64(r.result.GasUsed), MaxUsedGas: hexutil.Uint64(r.result.GasPeak),
		Error: r.failure(),
	}
	if out.Error == nil {
		out.Status, out.ReturnData = 1, r.result.Output
	}
	return json.Marshal(out)
}

func (r *CallResult) failure() *callFailure {
	if r.result.Err == nil {
		return nil
	}
	var reverted *wire.Error
	if errors.As(callError(r.result), &reverted) {
		return &callFailure{reverted.Message, reverted.Code, reverted.Data}
	}
	text := r.result.Err.Error()
	if r.capped {
		text += " (gas limit was capped by the RPC server's global gas cap)"
	}
	return &callFailure{Message: text, Code: codeCallFailed}
}
