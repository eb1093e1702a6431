package calls

import (
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// A Payload is the answer of testing_buildBlockV1: a block as the Engine API has it.
type Payload struct {
	header *chain.Header
	env    *chain.Env
	txs    []*chain.Tx
	result *chain.Result
}

// MarshalJSON implements json.Marshaler.
func (p *Payload) MarshalJSON() ([]byte, error) {
	requests := make([]hexutil.Bytes, len(p.result.Requests))
	for i, r := range p.result.Requests {
		requests[i] = r
	}
	type bundle struct {
		Commitments []hexutil.Bytes `json:"commitments"`
		Proofs      []hexutil.Bytes `json:"proofs"`
		Blobs       []hexutil.Bytes `json:"blobs"`
	}
	none := []hexutil.Bytes{}
	return json.Marshal(struct {
		ExecutionPayload      any             `json:"executionPayload"`
		BlockValue            *hexutil.Big    `json:"blockValue"`
		BlobsBundle           bundle          `json:"blobsBundle"`
		ExecutionRequests     []hexutil.Bytes `json:"executionRequests"`
		ShouldOverrideBuilder bool            `json:"shouldOverrideBuilder"`
	}{p.payload(), p.value(), bundle{none, none, none}, requests, false})
}

// value is what the block pays its fee recipient, in wei.
func (p *Payload) value() *hexutil.Big {
	var sum, part uint256.Int
	for _, r := range p.result.Receipts {
		part.SetUint64(r.GasUsed)
		tip := r.EffectiveGasPrice
		if p.env.BaseFee != nil {
			tip.Sub(&tip, p.env.BaseFee)
		}
		sum.Add(&sum, part.Mul(&part, &tip))
	}
	return (*hexutil.Big)(sum.ToBig())
}

// payload is the ExecutionPayload of the Engine API.
func (p *Payload) payload() any {
	type payload struct {
		ParentHash    common.Hash         `json:"parentHash"`
		FeeRecipient  common.Address      `json:"feeRecipient"`
		StateRoot     common.Hash         `json:"stateRoot"`
		ReceiptsRoot  common.Hash         `json:"receiptsRoot"`
		LogsBloom     hexutil.Bytes       `json:"logsBloom"`
		PrevRandao    common.Hash         `json:"prevRandao"`
		BlockNumber   hexutil.Uint64      `json:"blockNumber"`
		GasLimit      hexutil.Uint64      `json:"gasLimit"`
		GasUsed       hexutil.Uint64      `json:"gasUsed"`
		Timestamp     hexutil.Uint64      `json:"timestamp"`
		ExtraData     hexutil.Bytes       `json:"extraData"`
		BaseFeePerGas *hexutil.Big        `json:"baseFeePerGas"`
		BlockHash     common.Hash         `json:"blockHash"`
		Transactions  []hexutil.Bytes     `json:"transactions"`
		Withdrawals   []*types.Withdrawal `json:"withdrawals"`
		BlobGasUsed   *hexutil.Uint64     `json:"blobGasUsed"`
		ExcessBlobGas *hexutil.Uint64     `json:"excessBlobGas"`
	}
	h := p.header
	out := payload{
		ParentHash: h.ParentHash, FeeRecipient: h.Coinbase, StateRoot: h.StateRoot, ReceiptsRoot: h.ReceiptsRoot,
		LogsBloom: h.LogsBloom[:], PrevRandao: h.PrevRandao, BlockNumber: hexutil.Uint64(h.Number),
		GasLimit: hexutil.Uint64(h.GasLimit), GasUsed: hexutil.Uint64(h.GasUsed), Timestamp: hexutil.Uint64(h.Timestamp),
		ExtraData: h.ExtraData, BlockHash: h.Hash(), Transactions: make([]hexutil.Bytes, len(p.txs)),
		BlobGasUsed: (*hexutil.Uint64)(h.BlobGasUsed), ExcessBlobGas: (*hexutil.Uint64)(h.ExcessBlobGas),
	}
	if h.BaseFee != nil {
		out.BaseFeePerGas = (*hexutil.Big)(h.BaseFee.ToBig())
	}
	for i, tx := range p.txs {
		out.Transactions[i] = tx.Raw()
	}
	if p.env.Withdrawals != nil {
		out.Withdrawals = make([]*types.Withdrawal, len(p.env.Withdrawals))
		for i, w := range p.env.Withdrawals {
			out.Withdrawals[i] = &types.Withdrawal{Index: w.Index, Validator: w.Validator, Address: w.Address, Amount: w.Amount}
		}
	}
	return out
}
