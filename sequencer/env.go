package sequencer

import (
	"encoding/binary"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// What a block tells the one after it, before it has a hash.
type parentFacts struct {
	number        uint64
	timestamp     uint64
	gasLimit      uint64
	gasUsed       uint64
	baseFee       uint256.Int
	blobGasUsed   uint64
	excessBlobGas uint64
}

// factsOf are the facts of a block that used so much gas.
func factsOf(env *chain.Env, gasUsed, blobGasUsed uint64) *parentFacts {
	f := &parentFacts{
		number: env.Number, timestamp: env.Timestamp, gasLimit: env.GasLimit,
		gasUsed: gasUsed, blobGasUsed: blobGasUsed,
	}
	if env.BaseFee != nil {
		f.baseFee = *env.BaseFee
	}
	if env.ExcessBlobGas != nil {
		f.excessBlobGas = *env.ExcessBlobGas
	}
	return f
}

// factsOfHeader are the facts of a sealed block.
func factsOfHeader(h *chain.Header) *parentFacts {
	var blobGasUsed uint64
	if h.BlobGasUsed != nil {
		blobGasUsed = *h.BlobGasUsed
	}
	return factsOf((&chain.Block{Header: h}).Env(), h.GasUsed, blobGasUsed)
}

// nextEnv fixes the environment of the block after parent. Nothing in it needs
// the parent's hash.
func (c *Config) nextEnv(parent *parentFacts, now time.Time) *chain.Env {
	env := &chain.Env{
		Number:     parent.number + 1,
		Timestamp:  max(uint64(now.Unix()), parent.timestamp+1),
		GasLimit:   c.GasLimit,
		Coinbase:   c.Coinbase,
		PrevRandao: c.PrevRandao(parent.number + 1),
		ExtraData:  append(binary.BigEndian.AppendUint64(nil, c.Term), c.ExtraData...),
	}
	number := new(big.Int).SetUint64(env.Number)
	env.BaseFee = c.BaseFee
	if env.BaseFee == nil {
		env.BaseFee = nextBaseFee(c.ChainConfig, parent)
	}
	if c.ChainConfig.IsShanghai(number, env.Timestamp) {
		env.Withdrawals = []chain.Withdrawal{}
	}
	if c.ChainConfig.IsCancun(number, env.Timestamp) {
		excess := nextExcessBlobGas(c.ChainConfig, parent, env)
		env.ExcessBlobGas = &excess
		root := c.ParentBeaconBlockRoot(env.Number)
		env.ParentBeaconBlockRoot = &root
	}
	return env
}

// nextBaseFee is the base fee after parent, in wei (EIP-1559).
func nextBaseFee(config *params.ChainConfig, parent *parentFacts) *uint256.Int {
	if parent.baseFee.IsZero() {
		return uint256.NewInt(params.InitialBaseFee)
	}
	target := parent.gasLimit / config.ElasticityMultiplier()
	var delta uint64
	if parent.gasUsed > target {
		delta = parent.gasUsed - target
	} else {
		delta = target - parent.gasUsed
	}
	change := uint256.NewInt(delta)
	change.Mul(change, &parent.baseFee)
	change.Div(change, uint256.NewInt(target))
	change.Div(change, uint256.NewInt(config.BaseFeeChangeDenominator()))
	switch fee := new(uint256.Int); {
	case parent.gasUsed == target:
		return fee.Set(&parent.baseFee)
	case parent.gasUsed > target:
		if change.IsZero() {
			change.SetOne()
		}
		return fee.Add(&parent.baseFee, change)
	default:
		return fee.Sub(&parent.baseFee, change) // change is at most an eighth
	}
}

// nextExcessBlobGas is the running excess over the target (EIP-4844), with the
// reserve price of EIP-7918 from Osaka on.
func nextExcessBlobGas(config *params.ChainConfig, parent *parentFacts, env *chain.Env) uint64 {
	blobs := config.BlobConfig(config.LatestFork(env.Timestamp))
	if blobs == nil {
		return 0
	}
	target := uint64(blobs.Target) * params.BlobTxBlobGasPerBlob
	sum := parent.excessBlobGas + parent.blobGasUsed
	if sum < target {
		return 0
	}
	if config.IsOsaka(new(big.Int).SetUint64(env.Number), env.Timestamp) {
		reserve := new(uint256.Int).Mul(&parent.baseFee, uint256.NewInt(params.BlobBaseCost))
		price := blobBaseFee(parent.excessBlobGas, blobs.UpdateFraction)
		price.Mul(price, uint256.NewInt(params.BlobTxBlobGasPerBlob))
		if reserve.Gt(price) {
			share := parent.blobGasUsed * uint64(blobs.Max-blobs.Target) / uint64(blobs.Max)
			return parent.excessBlobGas + share
		}
	}
	return sum - target
}

// blobBaseFee is fake_exponential(1, excess, fraction) of EIP-4844.
func blobBaseFee(excess, fraction uint64) *uint256.Int {
	var (
		numerator   = uint256.NewInt(excess)
		denominator = uint256.NewInt(fraction)
		sum         = new(uint256.Int)
		term        = uint256.NewInt(fraction)
	)
	for i := uint64(1); !term.IsZero(); i++ {
		sum.Add(sum, term)
		term.Mul(term, numerator)
		term.Div(term, denominator)
		term.Div(term, uint256.NewInt(i))
	}
	return sum.Div(sum, denominator)
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
