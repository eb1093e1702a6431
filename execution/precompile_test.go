package execution_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
)

var native = common.HexToAddress("0xabcdef")

// strange does what its input says.
type strange struct{}

func (strange) Name() string { return "STRANGE" }

func (strange) RequiredGas([]byte) uint64 { return 5000 }

func (strange) Run(input []byte) ([]byte, error) {
	switch string(input) {
	case "revert":
		return []byte("because"), execution.ErrReverted
	case "fail":
		return nil, errors.New("strange input")
	}
	return []byte("fine"), nil
}

func withNative(t testing.TB, fork string) *execution.Sequential {
	return engine(t, execution.Config{Chain: at(fork), TxRoot: noRoot, Precompiles: map[common.Address]execution.Precompile{native: strange{}}})
}

func TestPrecompiles(t *testing.T) {
	for _, fork := range forks {
		t.Run(fork, func(t *testing.T) {
			s, err := withNative(t, fork).Scratch(envAt(fork), nil, accounts{}, likeCall)
			require.NoError(t, err)
			defer s.Discard()
			for _, test := range []struct {
				input  string
				gas    uint64 // left after the intrinsic
				output string
				text   string
				used   uint64
			}{
				{"", 5000, "fine", "", 5000},
				{"", 4999, "", "out of gas", 4999},
				{"revert", 9000, "because", "execution reverted", 5000},
				{"fail", 9000, "", "strange input", 9000},
			} {
				intrinsic := 21000 + 68*uint64(len(test.input))
				if since(fork, "Istanbul") {
					intrinsic = 21000 + 16*uint64(len(test.input))
				}
				r, err := s.Call(t.Context(), &execution.Call{To: &native, Gas: intrinsic + test.gas, Data: []byte(test.input)})
				require.NoError(t, err)
				require.Equal(t, test.output, string(r.Output))
				require.Equal(t, intrinsic+test.used, r.GasUsed, test)
				if test.text == "" {
					require.NoError(t, r.Err)
				} else {
					require.EqualError(t, r.Err, test.text)
				}
			}
		})
	}
}

// A precompile of the chain's own is warm (EIP-2929): in a block it costs a contract
// what Ethereum's cost.
func TestPrecompileIsWarm(t *testing.T) {
	caller := func(addr common.Address) []byte {
		code := []byte{byte(vm.PUSH0), byte(vm.PUSH0), byte(vm.PUSH0), byte(vm.PUSH0), byte(vm.PUSH20)}
		code = append(code, addr[:]...)
		return append(code, byte(vm.PUSH3), 1, 0, 0, byte(vm.STATICCALL), byte(vm.POP))
	}
	used := func(e *execution.Sequential, addr common.Address) uint64 {
		state := rich()
		state[contract] = account{code: caller(addr)}
		fillSystem(state)
		r, err := e.Execute(context.Background(), block(envAt("Osaka"), call(t, 0, contract, 0, 100_000)), nil, state)
		require.NoError(t, err)
		return r.GasUsed
	}
	const identity, cold, warm = 15, 2600, 100
	e := withNative(t, "Osaka")
	require.Equal(t, used(e, common.Address{19: 4})-identity, used(e, native)-5000)
	require.Equal(t, used(e, common.Address{19: 99})-cold, used(e, native)-5000-warm, "another address is not cold")
	addrs, err := e.Precompiles(envAt("Osaka"))
	require.NoError(t, err)
	require.Len(t, addrs, len(vm.PrecompiledAddressesOsaka)+1)
	require.Contains(t, addrs, native)
}

func TestPrecompilesAreValidated(t *testing.T) {
	for _, addr := range append([]common.Address{
		{}, params.SystemAddress, params.BeaconRootsAddress, chain.HistoryStorageAddress, params.WithdrawalQueueAddress, params.ConsolidationQueueAddress,
	}, vm.PrecompiledAddressesOsaka...) {
		_, err := execution.New(execution.Config{Chain: at("Frontier"), Precompiles: map[common.Address]execution.Precompile{addr: strange{}}})
		require.ErrorContains(t, err, addr.Hex())
	}
	_, err := execution.New(execution.Config{Chain: at("Frontier"), Precompiles: map[common.Address]execution.Precompile{native: nil}})
	require.ErrorContains(t, err, "nil at "+native.Hex())
}

func TestMovedPrecompiles(t *testing.T) {
	identity, hasher := common.Address{19: 4}, common.Address{19: 2}
	config := likeCall
	config.Moved = map[common.Address]common.Address{contract: identity, hasher: {}}
	s := scratch(t, envAt("Osaka"), accounts{contract: {code: []byte{byte(vm.INVALID)}}}, config)
	for to, want := range map[common.Address][]byte{contract: {1, 2, 3}, identity: nil, hasher: nil} {
		r, err := s.Call(t.Context(), &execution.Call{To: &to, Gas: 100_000, Data: []byte{1, 2, 3}})
		require.NoError(t, err)
		require.NoError(t, r.Err)
		require.Equal(t, want, r.Output, to)
	}
}

// Where precompiles move, the chain's own move with them.
func TestMovedNative(t *testing.T) {
	config := likeCall
	config.Moved = map[common.Address]common.Address{contract: native}
	s, err := withNative(t, "Osaka").Scratch(envAt("Osaka"), nil, accounts{}, config)
	require.NoError(t, err)
	defer s.Discard()
	for addr, want := range map[common.Address]string{contract: "fine", native: ""} {
		r, err := s.Call(t.Context(), &execution.Call{To: &addr, Gas: 100_000})
		require.NoError(t, err)
		require.Equal(t, want, string(r.Output))
	}
}
