package sequencer

import (
	"encoding/binary"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/fees"
)

// factsOf is what a block that used so much gas tells the one after it, before it has
// a hash: a header with the fields that fees depend on.
func factsOf(env *chain.Env, gasUsed, blobGasUsed uint64) *chain.Header {
	h := &chain.Header{
		Number: env.Number, Timestamp: env.Timestamp, GasLimit: env.GasLimit, GasUsed: gasUsed,
		BaseFee: env.BaseFee, ExcessBlobGas: env.ExcessBlobGas,
	}
	if env.ExcessBlobGas != nil {
		h.BlobGasUsed = &blobGasUsed
	}
	return h
}

// nextEnv fixes the environment of the block after parent. Nothing in it needs
// the parent's hash.
func (c *Config) nextEnv(parent *chain.Header, now time.Time) *chain.Env {
	env := &chain.Env{
		Number:     parent.Number + 1,
		Timestamp:  max(uint64(now.Unix()), parent.Timestamp+1),
		GasLimit:   c.GasLimit,
		Coinbase:   c.Coinbase,
		PrevRandao: c.PrevRandao(parent.Number + 1),
		ExtraData:  append(binary.BigEndian.AppendUint64(nil, c.Term), c.ExtraData...),
	}
	number := new(big.Int).SetUint64(env.Number)
	env.BaseFee = c.BaseFee
	if env.BaseFee == nil {
		env.BaseFee = fees.NextBaseFee(c.ChainConfig, parent)
	}
	if c.ChainConfig.IsShanghai(number, env.Timestamp) {
		env.Withdrawals = []chain.Withdrawal{}
	}
	if c.ChainConfig.IsCancun(number, env.Timestamp) {
		excess := fees.NextExcessBlobGas(c.ChainConfig, parent, env.Timestamp)
		env.ExcessBlobGas = &excess
		root := c.ParentBeaconBlockRoot(env.Number)
		env.ParentBeaconBlockRoot = &root
	}
	return env
}

// sealHeader puts the sealed block's header together.
func sealHeader(env *chain.Env, parent common.Hash, r *chain.Result, transactionsRoot, receiptsRoot, stateRoot common.Hash, withdrawalsRoot common.Hash) *chain.Header {
	h := &chain.Header{
		ParentHash: parent, OmmersHash: chain.EmptyOmmersHash, Coinbase: env.Coinbase,
		StateRoot: stateRoot, TransactionsRoot: transactionsRoot, ReceiptsRoot: receiptsRoot,
		LogsBloom: r.LogsBloom, Number: env.Number, GasLimit: env.GasLimit, GasUsed: r.GasUsed,
		Timestamp: env.Timestamp, ExtraData: env.ExtraData, PrevRandao: env.PrevRandao, BaseFee: env.BaseFee,
	}
	if env.Withdrawals != nil {
		h.WithdrawalsRoot = &withdrawalsRoot
	}
	if env.ExcessBlobGas != nil {
		used := r.BlobGasUsed
		h.BlobGasUsed, h.ExcessBlobGas, h.ParentBeaconBlockRoot = &used, env.ExcessBlobGas, env.ParentBeaconBlockRoot
	}
	if r.Requests != nil {
		hash := chain.RequestsHash(r.Requests)
		h.RequestsHash = &hash
	}
	return h
}
