package execution_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest/exectest"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/invariants"
)

// likeCall is what eth_call asks for.
var likeCall = execution.ScratchConfig{SkipNonce: true, SkipSenderCode: true, SkipGasCap: true, NoBaseFee: true}

var contract = common.HexToAddress("0xc0ffee")

func scratch(t testing.TB, env *chain.Env, state chain.StateView, config execution.ScratchConfig) *execution.Scratch {
	t.Helper()
	s, err := engineAt(t, "Osaka").Scratch(env, nil, state, config)
	require.NoError(t, err)
	t.Cleanup(s.Discard)
	return s
}

// answer is code that returns the word that ops leave on the stack.
func answer(ops ...byte) []byte {
	return append(ops, byte(vm.PUSH0), byte(vm.MSTORE), byte(vm.PUSH1), 32, byte(vm.PUSH0), byte(vm.RETURN))
}

func word(n uint64) []byte {
	w := uint256.NewInt(n).Bytes32()
	return w[:]
}

// scratchExecutor executes blocks in a Scratch, message by message.
type scratchExecutor struct {
	*execution.Sequential
	hooks *tracing.Hooks
}

// Execute implements chain.Executor.
func (e scratchExecutor) Execute(ctx context.Context, b *chain.Block, ancestors chain.Ancestors, prior chain.StateView) (*chain.Result, error) {
	s, err := e.Scratch(b.Env(), ancestors, prior, execution.ScratchConfig{Hooks: e.hooks})
	if err != nil {
		return nil, err
	}
	defer s.Discard()
	if err := s.Begin(ctx); err != nil {
		return nil, err
	}
	for _, tx := range b.Txs {
		if _, err := s.Push(ctx, tx); errors.Is(err, chain.ErrInvalidTx) || errors.Is(err, chain.ErrBlockFull) {
			return nil, fmt.Errorf("%w: %w", chain.ErrInvalidBlock, err)
		} else if err != nil {
			return nil, err
		}
	}
	return s.End(ctx)
}

// What a Scratch does with a block's transactions is what the block does, whether
// anybody watches or not.
func TestScratchConformance(t *testing.T) {
	for name, hooks := range map[string]*tracing.Hooks{"alone": nil, "watched": {OnOpcode: func(uint64, byte, uint64, uint64, tracing.OpContext, []byte, int, error) {}}} {
		t.Run(name, func(t *testing.T) {
			exectest.TestExecutor(t, func(t testing.TB, config *params.ChainConfig) chain.Executor {
				return scratchExecutor{newSequential(t, config).(*execution.Sequential), hooks}
			})
		})
	}
}

func TestCallFees(t *testing.T) {
	env := envAt("Osaka")
	keep := likeCall
	keep.KeepBaseFee = true
	blobs := likeCall
	blobs.BlobBaseFee = uint256.NewInt(5)
	state := rich()
	state[contract] = account{code: answer(byte(vm.BASEFEE))}
	for _, test := range []struct {
		name   string
		config execution.ScratchConfig
		op     vm.OpCode
		call   execution.Call
		want   uint64
		err    error
	}{
		{"free", likeCall, vm.BASEFEE, execution.Call{}, 0, nil},
		{"free, but for what it reads", keep, vm.BASEFEE, execution.Call{}, 7, nil},
		{"strict", execution.ScratchConfig{}, vm.BASEFEE, execution.Call{From: alice}, 0, execution.ErrFeeCapTooLow},
		{"price below the base fee", likeCall, vm.BASEFEE, execution.Call{From: alice, FeeCap: *uint256.NewInt(6)}, 0, execution.ErrFeeCapTooLow},
		{"price", likeCall, vm.BASEFEE, execution.Call{From: alice, FeeCap: *uint256.NewInt(8)}, 7, nil},
		{"price nobody paid", likeCall, vm.GASPRICE, execution.Call{From: alice}, 0, nil},
		{"price with a tip", likeCall, vm.GASPRICE, execution.Call{From: alice, FeeCap: *uint256.NewInt(20), TipCap: *uint256.NewInt(2)}, 9, nil},
		{"tip above the cap", likeCall, vm.GASPRICE, execution.Call{From: alice, FeeCap: *uint256.NewInt(8), TipCap: *uint256.NewInt(9)}, 0, execution.ErrTipAboveFeeCap},
		{"a tip is a fee", likeCall, vm.GASPRICE, execution.Call{From: alice, TipCap: *uint256.NewInt(9)}, 0, execution.ErrTipAboveFeeCap},
		{"price without funds", likeCall, vm.BASEFEE, execution.Call{From: bob, FeeCap: *uint256.NewInt(8)}, 0, execution.ErrInsufficientFunds},
		{"blob price", likeCall, vm.BLOBBASEFEE, execution.Call{}, 1, nil},
		{"other blob price", blobs, vm.BLOBBASEFEE, execution.Call{}, 5, nil},
		{"free blobs", blobs, vm.BLOBBASEFEE, execution.Call{BlobHashes: []common.Hash{{1}}}, 0, nil},
		{"blobs", blobs, vm.BLOBBASEFEE, execution.Call{From: alice, BlobHashes: []common.Hash{{1}}, BlobFeeCap: *uint256.NewInt(4)}, 0, execution.ErrBlobFeeCapTooLow},
	} {
		t.Run(test.name, func(t *testing.T) {
			state := rich()
			state[contract] = account{code: answer(byte(test.op))}
			s := scratch(t, env, state, test.config)
			test.call.To, test.call.Gas = &contract, 100_000
			r, err := s.Call(t.Context(), &test.call)
			if test.err != nil {
				require.ErrorIs(t, err, test.err)
				require.ErrorIs(t, err, chain.ErrInvalidTx)
				return
			}
			require.NoError(t, err)
			require.NoError(t, r.Err)
			require.Equal(t, word(test.want), r.Output)
			again, err := s.Call(t.Context(), &execution.Call{To: &contract, Gas: 100_000, From: alice, FeeCap: *uint256.NewInt(100)})
			require.NoError(t, err) // what a message read must not last
			if test.op == vm.BASEFEE {
				require.Equal(t, word(7), again.Output)
			}
		})
	}
}

func TestCallLeniency(t *testing.T) {
	env := envAt("Osaka")
	state := accounts{contract: {code: answer(byte(vm.CALLER)), balance: ether, nonce: 1}, alice: {balance: ether, nonce: 3}}
	full := chain.ErrBlockFull
	for _, test := range []struct {
		name    string
		call    execution.Call
		strict  error
		lenient error
	}{
		{"nonce too high", execution.Call{From: alice, Nonce: 4, Gas: 50_000}, execution.ErrNonceTooHigh, nil},
		{"nonce too low", execution.Call{From: alice, Nonce: 2, Gas: 50_000}, execution.ErrNonceTooLow, nil},
		{"contract", execution.Call{From: contract, Nonce: 1, Gas: 50_000}, execution.ErrSenderNoEOA, nil},
		{"cap", execution.Call{From: alice, Nonce: 3, Gas: params.MaxTxGas + 1}, execution.ErrGasLimitTooHigh, nil},
		{"intrinsic gas", execution.Call{From: alice, Nonce: 3, Gas: 20_999}, execution.ErrIntrinsicGas, execution.ErrIntrinsicGas},
		{"blobs create", execution.Call{From: alice, Nonce: 3, Gas: 90_000, BlobHashes: []common.Hash{}}, execution.ErrBlobCreate, execution.ErrBlobCreate},
		{"delegations create", execution.Call{From: alice, Nonce: 3, Gas: 90_000, Authorizations: []types.SetCodeAuthorization{}}, execution.ErrSetCodeCreate, execution.ErrSetCodeCreate},
		{"no room", execution.Call{From: alice, Nonce: 3, Gas: env.GasLimit/2 + 1}, full, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := *env
			if test.strict == full { // below the cap
				env.GasLimit /= 2
			}
			test.call.FeeCap.SetUint64(10)
			if !errors.Is(test.strict, execution.ErrBlobCreate) && !errors.Is(test.strict, execution.ErrSetCodeCreate) {
				test.call.To = &contract
			}
			strict := scratch(t, &env, state, execution.ScratchConfig{})
			_, err := strict.Call(t.Context(), &test.call)
			require.ErrorIs(t, err, test.strict)
			_, err = strict.Call(t.Context(), &execution.Call{From: alice, To: &contract, Nonce: 3, Gas: 50_000, FeeCap: test.call.FeeCap})
			require.NoError(t, err, "a refused message ended the Scratch")

			test.call.FeeCap.Clear()
			r, err := scratch(t, &env, state, likeCall).Call(t.Context(), &test.call)
			if test.lenient != nil {
				require.ErrorIs(t, err, test.lenient)
				return
			}
			require.NoError(t, err)
			require.Equal(t, common.LeftPadBytes(test.call.From[:], 32), r.Output)
			require.Equal(t, state[test.call.From].nonce+1, r.Changes.Account(test.call.From).After.Nonce)
		})
	}
}

func TestCallErrors(t *testing.T) {
	for _, test := range []struct {
		code []byte
		text string
		is   error
	}{
		{[]byte{byte(vm.PUSH0), byte(vm.PUSH0), byte(vm.REVERT)}, "execution reverted", execution.ErrReverted},
		{[]byte{byte(vm.JUMPDEST), byte(vm.PUSH0), byte(vm.JUMP)}, "out of gas", execution.ErrOutOfGas},
		{[]byte{byte(vm.PUSH1), 7, byte(vm.JUMP)}, "invalid jump destination", nil},
		{[]byte{byte(vm.INVALID)}, "invalid opcode: INVALID", nil},
		{[]byte{byte(vm.POP)}, "stack underflow (0 <=> 1)", nil},
	} {
		state := accounts{contract: {code: test.code}}
		r, err := scratch(t, envAt("Osaka"), state, likeCall).Call(t.Context(), &execution.Call{To: &contract, Gas: 100_000})
		require.NoError(t, err)
		require.EqualError(t, r.Err, test.text)
		require.Zero(t, r.Receipt.Status)
		for _, e := range []error{execution.ErrReverted, execution.ErrOutOfGas} {
			require.Equal(t, e == test.is, errors.Is(r.Err, e), test.text)
		}
	}
}

// The contract of a creation is where the interpreter puts it, whatever the nonce of
// the Call.
func TestCallCreates(t *testing.T) {
	state := accounts{alice: {nonce: 5}}
	s := scratch(t, envAt("Osaka"), state, likeCall)
	init := []byte{byte(vm.PUSH1), 1, byte(vm.PUSH0), byte(vm.RETURN)} // one zero byte
	r, err := s.Call(t.Context(), &execution.Call{From: alice, Gas: 100_000, Data: init})
	require.NoError(t, err)
	require.Equal(t, crypto.CreateAddress(alice, 5), *r.Receipt.ContractAddress)
	a, ok, err := s.Account(*r.Receipt.ContractAddress)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, chain.Keccak256([]byte{0}), a.CodeHash)
}

func TestScratchStopsWithItsContext(t *testing.T) {
	state := accounts{contract: {code: []byte{byte(vm.JUMPDEST), byte(vm.PUSH0), byte(vm.JUMP)}}}
	s := scratch(t, envAt("Osaka"), state, likeCall)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := s.Call(ctx, &execution.Call{To: &contract, Gas: 1 << 50})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), 10*time.Second, "1<<50 gas take days")
	require.NotErrorIs(t, err, chain.ErrInvalidTx)
	_, err = s.Call(t.Context(), &execution.Call{To: &contract, Gas: 30_000})
	require.ErrorIs(t, err, context.DeadlineExceeded, "a broken Scratch went on")

	ended, end := context.WithCancelCause(t.Context())
	gone := errors.New("the client is gone")
	end(gone)
	_, err = scratch(t, envAt("Osaka"), state, likeCall).Call(ended, &execution.Call{To: &contract, Gas: 1 << 50})
	require.ErrorIs(t, err, gone)
}

// broken is a view that cannot tell.
type broken struct{ chain.StateView }

func (b broken) Slot(common.Address, common.Hash) (uint256.Int, error) {
	return uint256.Int{}, &chain.MissingError{What: "slot"}
}

func TestScratchBreaksWithItsView(t *testing.T) {
	state := accounts{contract: {code: answer(byte(vm.PUSH0), byte(vm.SLOAD))}}
	s := scratch(t, envAt("Osaka"), broken{state}, likeCall)
	for range 2 {
		_, err := s.Call(t.Context(), &execution.Call{To: &contract, Gas: 100_000})
		require.ErrorIs(t, err, chain.ErrUnknown)
	}
	_, _, err := s.Account(alice)
	require.ErrorIs(t, err, chain.ErrUnknown)

	// A tracer's look is enough.
	state[contract] = account{code: []byte{byte(vm.STOP)}}
	for _, look := range []bool{false, true} {
		s := scratch(t, envAt("Osaka"), broken{state}, likeCall)
		s.Watch(&tracing.Hooks{OnTxStart: func(vm *tracing.VMContext, _ *types.Transaction, _ common.Address) {
			if look {
				vm.StateDB.GetState(contract, common.Hash{})
			}
		}})
		_, err := s.Call(t.Context(), &execution.Call{To: &contract, Gas: 100_000})
		require.Equal(t, look, errors.Is(err, chain.ErrUnknown), err)
	}
}

func TestScratchIsClosed(t *testing.T) {
	s := scratch(t, envAt("Osaka"), accounts{}, likeCall)
	s.Discard()
	s.Discard()
	_, err := s.Call(t.Context(), &execution.Call{To: &contract, Gas: 100_000})
	require.ErrorIs(t, err, chain.ErrClosed)
	require.ErrorIs(t, s.Begin(t.Context()), chain.ErrClosed)
	_, err = s.End(t.Context())
	require.ErrorIs(t, err, chain.ErrClosed)
	_, _, err = s.Account(alice)
	require.ErrorIs(t, err, chain.ErrClosed)
	require.Empty(t, s.Accesses().Accounts)
	s.Watch(&tracing.Hooks{})
}

// Accesses may be asked for at any time, and reading by a tracer is none.
func TestScratchAccesses(t *testing.T) {
	state := rich()
	state[contract] = account{code: []byte{
		byte(vm.PUSH1), 1, byte(vm.SLOAD), byte(vm.PUSH1), 2, byte(vm.SLOAD), byte(vm.PUSH0), byte(vm.PUSH0), byte(vm.REVERT),
	}}
	s := scratch(t, envAt("Osaka"), state, likeCall)
	s.Watch(&tracing.Hooks{OnTxStart: func(vm *tracing.VMContext, _ *types.Transaction, _ common.Address) {
		vm.StateDB.GetState(contract, common.Hash{31: 9})
		vm.StateDB.GetCode(bob)
	}})
	require.Empty(t, s.Accesses().Accounts)
	r, err := s.Call(t.Context(), &execution.Call{From: alice, To: &contract, Gas: 100_000})
	require.NoError(t, err)
	require.ErrorIs(t, r.Err, execution.ErrReverted)
	want := &chain.AccessSet{Accounts: []chain.AccountAccess{
		{Address: alice}, {Address: miner}, {Address: contract, Code: true, Slots: []common.Hash{{31: 1}, {31: 2}}},
	}}
	want.Normalize()
	for range 3 {
		require.Empty(t, s.Accesses().Diff(want))
	}
}

// Many requests share one view.
func TestScratchesAreConcurrent(t *testing.T) {
	state := rich()
	state[contract] = account{code: answer(byte(vm.PUSH0), byte(vm.CALLDATALOAD), byte(vm.PUSH1), 1, byte(vm.SLOAD), byte(vm.ADD),
		byte(vm.DUP1), byte(vm.PUSH1), 1, byte(vm.SSTORE)), slots: map[common.Hash]uint64{{31: 1}: 100}}
	var (
		e     = engineAt(t, "Osaka")
		env   = envAt("Osaka")
		tx    = call(t, 0, contract, 0, 100_000, word(7)...)
		group sync.WaitGroup
	)
	for i := range uint64(8) {
		group.Go(func() {
			for range 50 {
				s, err := e.Scratch(env, nil, state, likeCall)
				if err != nil {
					t.Error(err)
					return
				}
				for _, want := range []uint64{100 + i, 100 + 2*i} {
					r, err := s.Call(t.Context(), &execution.Call{From: bob, To: &contract, Gas: 100_000, Data: word(i)})
					if err != nil || string(r.Output) != string(word(want)) {
						t.Errorf("%x, %v", r.Output, err)
					}
				}
				if r, err := s.Push(t.Context(), tx); err != nil || string(r.Output) != string(word(107+2*i)) {
					t.Errorf("%v", err)
				}
				s.Discard()
			}
		})
	}
	group.Wait()
}

// A call is to cost what it does, not what surrounds it: eth_call is asked thousands
// of times a second.
func TestCallAllocations(t *testing.T) {
	if testing.Short() || invariants.Enabled {
		t.Skip("counts are those of a plain build")
	}
	state := accounts{contract: {code: answer(byte(vm.PUSH0), byte(vm.CALLDATALOAD))}}
	var (
		e       = engineAt(t, "Osaka")
		env     = envAt("Osaka")
		message = &execution.Call{To: &contract, Gas: 100_000, Data: word(7)}
	)
	allocs := testing.AllocsPerRun(200, func() {
		s, err := e.Scratch(env, nil, state, likeCall)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Call(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		s.Discard()
	})
	t.Log(allocs)
	require.LessOrEqual(t, allocs, 50.0)
}

func BenchmarkCall(b *testing.B) {
	state := accounts{contract: {code: answer(byte(vm.PUSH0), byte(vm.CALLDATALOAD))}}
	e, env := engineAt(b, "Osaka"), envAt("Osaka")
	message := &execution.Call{To: &contract, Gas: 100_000, Data: word(7)}
	b.ReportAllocs()
	for b.Loop() {
		s, err := e.Scratch(env, nil, state, likeCall)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Call(b.Context(), message); err != nil {
			b.Fatal(err)
		}
		s.Discard()
	}
}
