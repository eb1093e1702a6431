package oracle

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// Block is b as go-ethereum has it, by way of its RLP.
func Block(b *chain.Block) (*types.Block, error) {
	raw, _ := b.AppendBinary(nil)
	block := new(types.Block)
	if err := rlp.DecodeBytes(raw, block); err != nil {
		return nil, fmt.Errorf("%w: %w", chain.ErrInvalidBlock, err)
	}
	return block, nil
}

// transaction is tx as go-ethereum has it.
func transaction(tx *chain.Tx) (*types.Transaction, error) {
	out := new(types.Transaction)
	if err := out.UnmarshalBinary(tx.Raw()); err != nil {
		return nil, fmt.Errorf("%w: %w", chain.ErrInvalidTx, err)
	}
	return out, nil
}

// header is the environment as a header, without what execution determines.
func header(env *chain.Env) *types.Header {
	h := &types.Header{
		Number: new(big.Int).SetUint64(env.Number), Time: env.Timestamp, GasLimit: env.GasLimit,
		Coinbase: env.Coinbase, Difficulty: env.Difficulty.ToBig(), MixDigest: env.PrevRandao,
		Extra: env.ExtraData, ExcessBlobGas: env.ExcessBlobGas, ParentBeaconRoot: env.ParentBeaconBlockRoot,
	}
	if env.BaseFee != nil {
		h.BaseFee = env.BaseFee.ToBig()
	}
	return h
}

// receipt is go-ethereum's receipt as chain has it. It has a status, never a state
// root: the Referee has no tries.
func receipt(r *types.Receipt, tx *types.Transaction, price *uint256.Int, firstLog uint32) *chain.Receipt {
	out := &chain.Receipt{
		Type: r.Type, Status: r.Status,
		CumulativeGasUsed: r.CumulativeGasUsed, LogsBloom: chain.Bloom(r.Bloom),
		TxHash: r.TxHash, BlockNumber: r.BlockNumber.Uint64(), TransactionIndex: uint32(r.TransactionIndex),
		FirstLogIndex: firstLog, GasUsed: r.GasUsed, EffectiveGasPrice: *price, BlobGasUsed: r.BlobGasUsed,
	}
	for _, l := range r.Logs {
		out.Logs = append(out.Logs, chain.Log{Address: l.Address, Topics: l.Topics, Data: l.Data})
	}
	if tx.To() == nil {
		created := r.ContractAddress
		out.ContractAddress = &created
	}
	if r.BlobGasPrice != nil {
		out.BlobGasPrice = uint256.MustFromBig(r.BlobGasPrice)
	}
	return out
}

// chainContext is what core wants to know of a chain: its rules, and headers by
// number, from whose parent hashes it reads BLOCKHASH.
type chainContext struct {
	noHeaders
	*engine
	hash func(number uint64) common.Hash // nil: no headers
}

// GetHeader returns a header that knows its parent's hash and nothing else.
func (c chainContext) GetHeader(_ common.Hash, number uint64) *types.Header {
	if c.hash == nil || number == 0 {
		return nil
	}
	return &types.Header{Number: new(big.Int).SetUint64(number), ParentHash: c.hash(number - 1), Difficulty: new(big.Int)}
}

// noHeaders is a chain without headers.
type noHeaders struct{}

func (noHeaders) CurrentHeader() *types.Header                { return nil }
func (noHeaders) GetHeader(common.Hash, uint64) *types.Header { return nil }
func (noHeaders) GetHeaderByNumber(uint64) *types.Header      { return nil }
func (noHeaders) GetHeaderByHash(common.Hash) *types.Header   { return nil }
