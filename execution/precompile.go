package execution

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
)

// A Precompile is a contract whose code is Go: see Config.Precompiles. What it does
// is part of the chain's protocol: the same input gives the same gas, output and
// failure everywhere and always. It sees its input only, no state, no caller. It may
// be called concurrently.
type Precompile interface {
	// Name is for traces.
	Name() string
	// RequiredGas is what a run on input costs. A call that offers less fails,
	// without a run.
	RequiredGas(input []byte) uint64
	// Run computes the output, which the caller may keep; input is read only and
	// valid until Run returns. ErrReverted makes the call revert, with the output as
	// its data; any other error makes it fail, and takes all the gas that it was
	// given. A run cannot be interrupted: what it costs in time must be in proportion
	// to its gas.
	Run(input []byte) ([]byte, error)
}

// reserved are addresses that a Precompile cannot have: those of Ethereum's own, of
// any fork, of its system contracts, and the one that stands for nobody.
var reserved = slices.Concat(
	vm.PrecompiledAddressesOsaka, vm.PrecompiledAddressesPrague, vm.PrecompiledAddressesCancun,
	[]common.Address{
		{}, params.SystemAddress, params.BeaconRootsAddress, chain.HistoryStorageAddress,
		params.WithdrawalQueueAddress, params.ConsolidationQueueAddress,
	})

func validatePrecompiles(custom map[common.Address]Precompile) error {
	for addr, p := range custom {
		switch {
		case p == nil:
			return fmt.Errorf("execution: Config.Precompiles: nil at %s", addr)
		case slices.Contains(reserved, addr):
			return fmt.Errorf("execution: Config.Precompiles: %s is Ethereum's own", addr)
		}
	}
	return nil
}

// warm are the addresses that are warm in every transaction (EIP-2929).
func (f *fork) warm() []common.Address {
	addrs := vm.ActivePrecompiles(f.rules)
	if len(f.custom) == 0 {
		return addrs
	}
	return append(slices.Clip(addrs), slices.SortedFunc(maps.Keys(f.custom), common.Address.Cmp)...)
}

// precompiles are all that can be called.
func (f *fork) precompiles() vm.PrecompiledContracts {
	all := vm.ActivePrecompiledContracts(f.rules)
	for addr, p := range f.custom {
		all[addr] = p
	}
	return all
}

// movedPrecompiles is precompiles after moves: see ScratchConfig.Moved. Which
// addresses are warm does not change, because EIP-2929 knows nothing of such.
func (f *fork) movedPrecompiles(moved map[common.Address]common.Address) vm.PrecompiledContracts {
	before, after := f.precompiles(), f.precompiles()
	for _, from := range moved {
		delete(after, from)
	}
	for to, from := range moved {
		if p, ok := before[from]; ok {
			after[to] = p
		} else {
			delete(after, to)
		}
	}
	return after
}

// Precompiles are the addresses of all precompiles in env, of the chain's own too,
// ascending but for those. An env that lacks what its fork demands is
// chain.ErrInvalidBlock. It may be called concurrently; the slice is read only.
func (e *Sequential) Precompiles(env *chain.Env) ([]common.Address, error) {
	f, err := e.fork(env)
	if err != nil {
		return nil, err
	}
	return f.warm(), nil
}
