package execution

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/fees"
)

// fork is what a block environment means on a chain: the rules in force, and what
// follows from them once per block.
type fork struct {
	chain       *params.ChainConfig
	env         *chain.Env
	number      *big.Int
	rules       params.Rules
	chainID     uint256.Int
	blobs       blobSchedule // zero before Cancun
	blobBaseFee uint256.Int  // wei
	custom      map[common.Address]Precompile
	lenient     leniency // of a Scratch; none in a block
}

// leniency is what messages are not held to.
type leniency struct {
	nonce      bool
	senderCode bool
	gas        bool // caps and the block's room
	fees       bool // if the caps are zero
}

// free tells that m pays nothing for its gas, whatever the base fee.
func (f *fork) free(m *message) bool {
	return f.lenient.fees && m.feeCap.IsZero() && m.tipCap.IsZero()
}

// blobsFree tells the same of the gas of its blobs.
func (f *fork) blobsFree(m *message) bool { return f.lenient.fees && m.blobFeeCap.IsZero() }

// rulesAt finds the rules for env.
func (e *Sequential) rulesAt(env *chain.Env) *fork {
	var (
		c      = e.config.Chain
		number = new(big.Int).SetUint64(env.Number)
		merged = env.Difficulty.IsZero()
		f      = &fork{chain: c, env: env, number: number, rules: c.Rules(number, merged, env.Timestamp), custom: e.config.Precompiles}
	)
	f.chainID.SetFromBig(c.ChainID)
	return f
}

// fork is rulesAt, and verifies that env has the fields that the rules speak of.
func (e *Sequential) fork(env *chain.Env) (*fork, error) {
	f := e.rulesAt(env)
	switch {
	case f.rules.IsAmsterdam || f.rules.IsUBT:
		return nil, f.invalid("its fork is not supported")
	case f.rules.IsLondon && env.BaseFee == nil:
		return nil, f.invalid("no base fee")
	case f.rules.IsCancun && env.ExcessBlobGas == nil:
		return nil, f.invalid("no excess blob gas")
	}
	if f.rules.IsCancun {
		var ok bool
		if f.blobs, ok = blobScheduleAt(f.chain, env.Timestamp); !ok {
			return nil, f.invalid("the chain has no blob schedule")
		}
		f.blobBaseFee = f.blobs.baseFee(*env.ExcessBlobGas)
	}
	return f, nil
}

// invalid is an error about the block itself.
func (f *fork) invalid(format string, args ...any) error {
	return invalidBlock(f.env.Number, format, args...)
}

func invalidBlock(number uint64, format string, args ...any) error {
	return fmt.Errorf("%w %d: %w", chain.ErrInvalidBlock, number, fmt.Errorf(format, args...))
}

// checkBlock verifies what a whole block needs beyond what transactions do.
func (f *fork) checkBlock() error {
	env := f.env
	switch {
	case env.Number == 0:
		return f.invalid("genesis is not executed")
	case f.rules.IsCancun != (env.ParentBeaconBlockRoot != nil):
		return f.invalid("parent beacon block root present is %t", env.ParentBeaconBlockRoot != nil)
	case !f.rules.IsShanghai && len(env.Withdrawals) > 0:
		return f.invalid("withdrawals before Shanghai")
	case f.rules.IsMerge && len(env.Ommers) > 0:
		return f.invalid("ommers after the Merge")
	}
	return nil
}

// blockContext is what the interpreter may know of the block.
func (f *fork) blockContext(getHash vm.GetHashFunc) vm.BlockContext {
	env := f.env
	context := vm.BlockContext{
		CanTransfer: canTransfer,
		Transfer:    transfer,
		GetHash:     getHash,
		Coinbase:    env.Coinbase,
		GasLimit:    env.GasLimit,
		BlockNumber: f.number,
		Time:        env.Timestamp,
		Difficulty:  env.Difficulty.ToBig(),
	}
	if env.BaseFee != nil {
		context.BaseFee = env.BaseFee.ToBig()
	}
	if env.Difficulty.IsZero() {
		random := env.PrevRandao
		context.Random = &random
	}
	if f.rules.IsCancun {
		context.BlobBaseFee = f.blobBaseFee.ToBig()
	}
	return context
}

// A blobSchedule is how many blobs a block has, and how their price moves
// (EIP-4844, EIP-7691, EIP-7892).
type blobSchedule struct {
	max            int // blobs per block
	updateFraction uint64
}

// blobScheduleAt returns the newest schedule in force at time; false if the chain
// has none.
func blobScheduleAt(c *params.ChainConfig, time uint64) (blobSchedule, bool) {
	s := c.BlobScheduleConfig
	if s == nil {
		return blobSchedule{}, false
	}
	for _, fork := range []struct {
		start  *uint64
		config *params.BlobConfig
	}{
		{c.BPO5Time, s.BPO5}, {c.BPO4Time, s.BPO4}, {c.BPO3Time, s.BPO3}, {c.BPO2Time, s.BPO2}, {c.BPO1Time, s.BPO1},
		{c.PragueTime, s.Prague}, {c.CancunTime, s.Cancun},
	} {
		if fork.config != nil && fork.start != nil && *fork.start <= time {
			if fork.config.UpdateFraction == 0 {
				return blobSchedule{}, false
			}
			return blobSchedule{fork.config.Max, fork.config.UpdateFraction}, true
		}
	}
	return blobSchedule{}, false
}

func (s blobSchedule) maxGas() uint64 { return uint64(s.max) * params.BlobTxBlobGasPerBlob }

// baseFee is the price of a unit of blob gas in wei.
func (s blobSchedule) baseFee(excess uint64) uint256.Int {
	return *fees.BlobPrice(excess, s.updateFraction)
}
