// Package fees computes what blocks charge: the base fee of EIP-1559 and the blob
// base fee of EIP-4844, for a block that is there and for the one after it. It is
// pure arithmetic over headers, and equals go-ethereum's consensus/misc, which it
// does not import because that reaches the EVM and the databases.
package fees

import (
	"math/big"

	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// NextBaseFee is the base fee in wei of the block after parent (EIP-1559); nil if
// that block is before London.
func NextBaseFee(config *params.ChainConfig, parent *chain.Header) *uint256.Int {
	if !config.IsLondon(new(big.Int).SetUint64(parent.Number + 1)) {
		return nil
	}
	if parent.BaseFee == nil {
		return uint256.NewInt(params.InitialBaseFee)
	}
	var (
		fee    = new(uint256.Int).Set(parent.BaseFee)
		target = parent.GasLimit / config.ElasticityMultiplier()
	)
	if parent.GasUsed == target || target == 0 {
		return fee
	}
	if parent.GasUsed > target {
		change := feeChange(config, parent, parent.GasUsed-target, target)
		if change.IsZero() {
			change.SetOne()
		}
		return fee.Add(fee, change)
	}
	return fee.Sub(fee, feeChange(config, parent, target-parent.GasUsed, target)) // it is at most an eighth
}

func feeChange(config *params.ChainConfig, parent *chain.Header, delta, target uint64) *uint256.Int {
	change := uint256.NewInt(delta)
	change.Mul(change, parent.BaseFee)
	change.Div(change, uint256.NewInt(target))
	return change.Div(change, uint256.NewInt(config.BaseFeeChangeDenominator()))
}

// BlobSchedule returns how many blobs a block at time has and how their price
// moves (EIP-7892); nil before Cancun, or if the chain has no schedule.
func BlobSchedule(config *params.ChainConfig, time uint64) *params.BlobConfig {
	if config.BlobScheduleConfig == nil || config.LondonBlock == nil || !config.IsCancun(config.LondonBlock, time) {
		return nil
	}
	schedule := config.BlobConfig(config.LatestFork(time))
	if schedule == nil || schedule.UpdateFraction == 0 {
		return nil
	}
	return schedule
}

// BlobBaseFee is the price in wei of a unit of blob gas in a block at time with
// the excess (EIP-4844); nil where there are no blobs. A price above 256 bits
// counts as 2^256-1.
func BlobBaseFee(config *params.ChainConfig, time, excess uint64) *uint256.Int {
	schedule := BlobSchedule(config, time)
	if schedule == nil {
		return nil
	}
	return BlobPrice(excess, schedule.UpdateFraction)
}

// BlobPrice is the price in wei of a unit of blob gas: EIP-4844's fake_exponential,
// the Taylor expansion of e ** (excess / updateFraction). The series has about as many
// terms as its exponent, so it is not summed where the sum is sure to exceed 256 bits
// (ln 2^256 is 177.4); that counts as 2^256-1, which nobody can pay either.
func BlobPrice(excess, updateFraction uint64) *uint256.Int {
	fee := new(uint256.Int)
	switch {
	case excess == 0: // as nearly always on a rollup; who checks transactions asks each time
		return fee.SetUint64(params.BlobTxMinBlobGasprice)
	case excess/updateFraction > 177:
		return fee.SetAllOne()
	}
	var (
		n    = new(big.Int).SetUint64(excess)
		d    = new(big.Int).SetUint64(updateFraction)
		term = new(big.Int).Mul(big.NewInt(params.BlobTxMinBlobGasprice), d)
		sum  = new(big.Int)
	)
	for i := int64(1); term.Sign() > 0; i++ {
		sum.Add(sum, term)
		term.Mul(term, n)
		term.Div(term, d)
		term.Div(term, big.NewInt(i))
	}
	if fee.SetFromBig(sum.Div(sum, d)) {
		fee.SetAllOne()
	}
	return fee
}

// NextExcessBlobGas is the excess blob gas of a block at time that follows parent:
// the running excess over the target (EIP-4844), with the reserve price of
// EIP-7918 from Osaka on; 0 where there are no blobs.
func NextExcessBlobGas(config *params.ChainConfig, parent *chain.Header, time uint64) uint64 {
	schedule := BlobSchedule(config, time)
	if schedule == nil {
		return 0
	}
	var excess, used uint64
	if parent.ExcessBlobGas != nil && parent.BlobGasUsed != nil {
		excess, used = *parent.ExcessBlobGas, *parent.BlobGasUsed
	}
	var (
		target = uint64(schedule.Target) * params.BlobTxBlobGasPerBlob
		sum    = excess + used
	)
	if sum < target {
		return 0
	}
	if config.IsOsaka(config.LondonBlock, time) && reserved(schedule, parent, excess) {
		return excess + used*uint64(schedule.Max-schedule.Target)/uint64(schedule.Max)
	}
	return sum - target
}

// reserved reports whether a blob is cheaper than its share of execution
// (EIP-7918).
func reserved(schedule *params.BlobConfig, parent *chain.Header, excess uint64) bool {
	if parent.BaseFee == nil {
		return false
	}
	reserve := new(uint256.Int).Mul(parent.BaseFee, uint256.NewInt(params.BlobBaseCost))
	price := BlobPrice(excess, schedule.UpdateFraction)
	if _, overflow := price.MulOverflow(price, uint256.NewInt(params.BlobTxBlobGasPerBlob)); overflow {
		return false
	}
	return reserve.Gt(price)
}
