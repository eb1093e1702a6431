package calls_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/calls"
	"github.com/vivace-chain/vivace/rpc/internal/call"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// Contracts of these tests.
var (
	keeper  = common.Address{0xd0, 1} // keeps its input in slot 0; without input, returns it
	looper  = common.Address{0xd0, 2} // never ends
	scolder = common.Address{0xd0, 3} // reverts with Error("oh!")
	glutton = common.Address{0xd0, 4} // needs much gas left, and uses little
)

var code = map[common.Address][]byte{
	keeper:  common.FromHex("3615600a575f355f55005b5f545f5260205ff3"),
	looper:  common.FromHex("5b5f56"),
	scolder: revertWith(0x08c379a0, common.Hash{31: 32}, common.Hash{31: 3}, common.Hash{'o', 'h', '!'}),
	glutton: common.FromHex("5a62030d4010600c575f5ffd5b00"), // GAS, PUSH3 200000, LT, or revert
}

func newDoor(tb testing.TB, options calls.Options, node rpctest.Options) *door {
	tb.Helper()
	return serve(tb, rpctest.New(tb, rpctest.DevSpec(tb, func(state *chain.Changes) {
		for addr, code := range code {
			rpctest.Fund(state, addr, new(uint256.Int), code)
		}
	}), node), options)
}

func to(addr common.Address, more string) string { return fmt.Sprintf(`{"to":"%s"%s}`, addr, more) }

const word = "0x000000000000000000000000000000000000000000000000000000000000000"

// latest and pending are the newest mini-block; sealed blocks stay what they were.
func TestCallSeesMiniBlocks(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	d.node.Seal()
	five := common.Hash{31: 5}
	d.node.Mini(d.node.Call(0, &keeper, 0, five[:]))
	for _, at := range []string{`"latest"`, `"pending"`} {
		require.Equal(t, `"`+word+`5"`, d.result(t, "eth_call", to(keeper, "")+","+at), at)
	}
	require.Equal(t, `"`+word+`5"`, d.result(t, "eth_call", to(keeper, "")), "latest, if nothing is said")
	require.Equal(t, `"`+word+`0"`, d.result(t, "eth_call", to(keeper, "")+`,"0x1"`))
	hash := d.node.Head().Hash()
	require.Equal(t, `"`+word+`0"`, d.result(t, "eth_call", to(keeper, "")+`,"`+hash.Hex()+`"`))
	d.refuse(t, "eth_call", to(keeper, "")+`,"0x2"`, -32000, "header not found")
	d.node.Seal()
	require.Equal(t, `"`+word+`5"`, d.result(t, "eth_call", to(keeper, "")+`,"0x2"`))
}

func TestCallFailures(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	a := d.call(t, "eth_call", to(scolder, ""))
	data := fmt.Sprintf("0x08c379a0%064x%064x%x", 32, 3, "oh!")
	require.Equal(t, answerError{3, "execution reverted: oh!", data + strings.Repeat("0", 202-len(data))}, errorOf(a))
	a = d.call(t, "eth_call", to(glutton, `,"gas":"0x7530"`))
	require.Equal(t, answerError{3, "execution reverted", "0x"}, errorOf(a))
	d.refuse(t, "eth_call", to(looper, `,"gas":"0x7530"`), -32000, "out of gas")
	d.refuse(t, "eth_call", to(keeper, `,"gas":"0x1"`), -32000, "err: intrinsic gas too low: have 1, want 21000 (supplied gas 1)")
	d.refuse(t, "eth_call", to(keeper, `,"value":"0x1"`), -32000,
		"err: insufficient funds for gas * price + value: address 0x0000000000000000000000000000000000000000 have 0 want 1 (supplied gas 50000000)")
	d.refuse(t, "eth_call", to(keeper, `,"maxFeePerBlobGas":"0x1"`), -32000, "maxFeePerBlobGas specified without blobVersionedHashes")
	a = d.call(t, "eth_call", to(keeper, `,"gas":"7"`))
	require.Equal(t, -32602, a.Error.Code)
}

type answerError struct {
	code int
	text string
	data any
}

func errorOf(a answer) answerError { return answerError{a.Error.Code, a.Error.Message, a.Error.Data} }

// A call ends with its time, waiting for its turn included.
func TestTimeout(t *testing.T) {
	d := newDoor(t, calls.Options{Timeout: 50 * time.Millisecond, Concurrency: 1, GasCap: 1 << 60}, rpctest.Options{})
	start := time.Now()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			d.refuse(t, "eth_call", to(looper, ""), -32000, "execution aborted (timeout = 50ms)")
		})
	}
	all.Wait()
	require.Less(t, time.Since(start), 5*time.Second)
	// The gas of a transaction would be used up within milliseconds.
	short := newDoor(t, calls.Options{Timeout: time.Microsecond}, rpctest.Options{})
	short.refuse(t, "eth_estimateGas", to(looper, ""), -32000, "execution aborted (timeout = 1µs)")
	require.Equal(t, `"`+word+`0"`, d.result(t, "eth_call", to(keeper, "")), "the turn came back")
}

// Whoever hangs up stops the call.
func TestCancelled(t *testing.T) {
	d := newDoor(t, calls.Options{Timeout: time.Hour, GasCap: 1 << 60}, rpctest.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := d.api.Call(ctx, call.Args{To: &looper}, nil, nil, nil)
	require.Error(t, err)
	_, err = d.api.Call(ctx, call.Args{To: &keeper}, nil, nil, nil)
	require.Error(t, err)
}

// A block whose state is gone is named.
func TestStateGone(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{Retain: 2})
	for range 6 {
		d.node.Seal()
	}
	for _, method := range []string{"eth_call", "eth_estimateGas", "eth_createAccessList"} {
		a := d.call(t, method, to(keeper, "")+`,"0x1"`)
		require.NotNil(t, a.Error, method)
		require.Contains(t, a.Error.Message, "state of block 1 is not available")
	}
	a := d.call(t, "eth_simulateV1", `{"blockStateCalls":[{}]},"0x1"`)
	require.Contains(t, a.Error.Message, "state of block 1 is not available")
}

// In a block with another number BLOCKHASH knows the chain as it is, and nothing of
// what would be in between.
func TestBlockNumberOverride(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	first := d.node.Seal()
	d.node.Seal()
	for number, want := range map[int]string{1: first.Hash().Hex(), 2: word + "0", 3: word + "0"} {
		code := fmt.Sprintf(`{"%s":{"code":"0x60%02x405f5260205ff3"}}`, keeper, number)
		require.Equal(t, `"`+want+`"`, d.result(t, "eth_call", to(keeper, "")+`,"0x2",`+code+`,{"number":"0x5"}`))
	}
}

// BASEFEE and BLOBBASEFEE are zero for who does not pay, in calls; simulated blocks
// show their own.
func TestFeesShown(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	head := d.node.Seal()
	code := `{"` + keeper.Hex() + `":{"code":"0x485f5260205ff3"}}` // BASEFEE
	require.Equal(t, `"`+word+`0"`, d.result(t, "eth_call", to(keeper, "")+`,"latest",`+code))
	paying := fmt.Sprintf(`,"from":"%s","maxFeePerGas":"0x%x"`, rpctest.AccountAt(0).Address, 2*head.BaseFee.Uint64())
	require.Equal(t, fmt.Sprintf(`"0x%064x"`, head.BaseFee.Uint64()), d.result(t, "eth_call", to(keeper, paying)+`,"latest",`+code))
	blocks := d.simulate(t, `{"blockStateCalls":[{"blockOverrides":{"baseFeePerGas":"0x9"},"stateOverrides":`+code+`,"calls":[`+to(keeper, "")+`]}]}`)
	require.Equal(t, word+"9", blocks[0].Calls[0].ReturnData)
}

func TestEstimate(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	from := fmt.Sprintf(`,"from":"%s"`, rpctest.AccountAt(0).Address)
	require.Equal(t, `"0x5208"`, d.result(t, "eth_estimateGas", to(common.Address{1, 2}, from+`,"value":"0x1"`)))
	a := d.call(t, "eth_estimateGas", to(scolder, ""))
	require.Equal(t, "execution reverted: oh!", a.Error.Message)
	require.Equal(t, 3, a.Error.Code)
	d.refuse(t, "eth_estimateGas", to(looper, ""), -32000, "gas required exceeds allowance (16777216)")
	d.refuse(t, "eth_estimateGas", to(looper, `,"gas":"0x7530"`), -32000, "gas required exceeds allowance (30000)")
	d.refuse(t, "eth_estimateGas", to(keeper, `,"gasPrice":"0x3b9aca00","value":"0x1"`), -32000, "insufficient funds for transfer")

	// What it answers is enough, and not much more than enough.
	var gas hexutil.Uint64
	require.NoError(t, gas.UnmarshalJSON([]byte(d.result(t, "eth_estimateGas", to(glutton, "")))))
	require.Greater(t, uint64(gas), uint64(200_000+21_000))
	require.Less(t, uint64(gas), uint64(200_000+21_000)*102/100)
	d.result(t, "eth_call", to(glutton, fmt.Sprintf(`,"gas":"%s"`, gas)))
}

// Where no list is the right one, the search ends all the same: the gas suffices to
// come to where the contract reads a slot only if the list does not name it.
func TestUnsettledList(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	power := append(push(bytes.Repeat([]byte{0xff}, 32)...), 0x60, 2, 0x0a, 0x50) // PUSH1 2, EXP, POP: 1,620 gas
	reader := append(bytes.Repeat(power, 4), 0x60, 1, 0x54, 0x50)                 // PUSH1 1, SLOAD, POP
	override := fmt.Sprintf(`,"latest",{"%s":{"code":"%#x"}}`, keeper, reader)

	answer := d.result(t, "eth_createAccessList", to(keeper, "")+override)
	require.JSONEq(t, fmt.Sprintf(`{"accessList":[{"address":"%s","storageKeys":["%s1"]}],"gasUsed":"0x7c85"}`, strings.ToLower(keeper.Hex()), word), answer)
	answer = d.result(t, "eth_createAccessList", to(keeper, `,"gas":"0x7530"`)+override)
	require.Contains(t, answer, `"error":"out of gas"`)
	require.Contains(t, answer, `"gasUsed":"0x7530"`)
}

// The reasons of reverts are those that go-ethereum finds.
func FuzzRevertReason(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := calls.RevertReason(data)
		want, err := abi.UnpackRevert(data)
		require.Equal(t, err == nil, ok, "%v", err)
		require.Equal(t, want, got)
	})
}
