package calls_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc/calls"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// A simulated is what these tests look at in a simulated block.
type simulated struct {
	Number, Hash, ParentHash, BaseFeePerGas, Timestamp string
	Calls                                              []struct {
		ReturnData, GasUsed, Status string
		Error                       *struct {
			Code    int
			Message string
		}
		Logs []struct{ LogIndex, Address, Data string }
	}
}

func (d *door) simulate(tb testing.TB, params string) (blocks []simulated) {
	tb.Helper()
	require.NoError(tb, json.Unmarshal([]byte(d.result(tb, "eth_simulateV1", params)), &blocks))
	return blocks
}

// A simulation begins at a sealed block, with its hash and state, whatever the open
// block holds.
func TestSimulateBeginsSealed(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	head := d.node.Seal()
	five := common.Hash{31: 5}
	d.node.Mini(d.node.Call(0, &keeper, 0, five[:]))
	read := `{"blockStateCalls":[{"calls":[` + to(keeper, "") + `]}]}`
	for _, at := range []string{"", `,"latest"`, `,"pending"`, `,"0x1"`, `,{"blockHash":"` + head.Hash().Hex() + `"}`} {
		blocks := d.simulate(t, read+at)
		require.Len(t, blocks, 1)
		require.Equal(t, head.Hash().Hex(), blocks[0].ParentHash)
		require.Equal(t, "0x2", blocks[0].Number)
		require.Equal(t, word+"0", blocks[0].Calls[0].ReturnData, at)
	}
	d.refuse(t, "eth_simulateV1", read+`,"0x2"`, -32000, "header not found")
	d.node.Seal()
	require.Equal(t, word+"5", d.simulate(t, read)[0].Calls[0].ReturnData)
}

// Blocks follow each other: what one writes the next reads, BLOCKHASH is the hash
// that is shown, gaps are filled.
func TestSimulateChain(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	hashOfParent := `{"` + looper.Hex() + `":{"code":"0x60014303405f5260205ff3"}}`
	blocks := d.simulate(t, `{"blockStateCalls":[
		{"calls":[`+to(keeper, `,"input":"`+word+`7"`)+`]},
		{"blockOverrides":{"number":"0x4"},"stateOverrides":`+hashOfParent+`,"calls":[`+to(keeper, "")+`,`+to(looper, "")+`]}]}`)
	require.Len(t, blocks, 4)
	for i, b := range blocks {
		require.Equal(t, fmt.Sprintf("%#x", i+1), b.Number)
		if i > 0 {
			require.Equal(t, blocks[i-1].Hash, b.ParentHash)
		}
		require.Equal(t, "0x0", b.BaseFeePerGas)
		require.Equal(t, fmt.Sprintf("%#x", 1_700_000_000+12*(i+1)), b.Timestamp)
	}
	require.Equal(t, word+"7", blocks[3].Calls[0].ReturnData)
	require.Equal(t, blocks[2].Hash, blocks[3].Calls[1].ReturnData)
}

// Nothing stays of a simulation.
func TestSimulateLeavesNothing(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	d.node.Seal()
	request := `{"blockStateCalls":[{"stateOverrides":{"` + keeper.Hex() + `":{"stateDiff":{"` + word + `0":"` + word + `9"}}},"calls":[` + to(keeper, "") + `]}]}`
	first := d.simulate(t, request)
	require.Equal(t, word+"9", first[0].Calls[0].ReturnData)
	require.Equal(t, first, d.simulate(t, request))
	require.Equal(t, `"`+word+`0"`, d.result(t, "eth_call", to(keeper, "")))
	five := common.Hash{31: 5}
	d.node.Seal(d.node.Call(0, &keeper, 0, five[:])) // the trie goes on too
}

// All calls together have the gas of the cap. One that gets less than it wants says so
// when it fails.
func TestSimulateGasCap(t *testing.T) {
	d := newDoor(t, calls.Options{GasCap: 100_000}, rpctest.Options{})
	blocks := d.simulate(t, `{"blockStateCalls":[{"calls":[`+to(keeper, "")+`,`+to(looper, "")+`]}]}`)
	require.Equal(t, -32015, blocks[0].Calls[1].Error.Code)
	require.Equal(t, "out of gas (gas limit was capped by the RPC server's global gas cap)", blocks[0].Calls[1].Error.Message)
	d.refuse(t, "eth_simulateV1", `{"blockStateCalls":[{"calls":[`+to(looper, "")+`]},{"calls":[`+to(keeper, "")+`]}]}`,
		-38013, "err: intrinsic gas too low: have 0, want 21000 (supplied gas 0)")
	d.refuse(t, "eth_simulateV1", `{"blockStateCalls":[{"blockOverrides":{"gasLimit":"0x7530"},"calls":[`+to(keeper, `,"gas":"0x7531"`)+`]}]}`,
		-38015, "block gas limit reached: remaining: 30000, required: 30001")
}

// Payments show as logs in their place among the others; those of what was reverted
// do not.
func TestSimulateTransfers(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	// bob logs; alice pays bob 1 wei and calls scolder with 1 wei, which reverts; then logs.
	const alice, bob = "0xee00000000000000000000000000000000000001", "0xee00000000000000000000000000000000000002"
	pay := func(to string) string { return "5f5f5f5f600173" + to[2:] + "5af150" }
	request := `{"traceTransfers":%t,"blockStateCalls":[{"stateOverrides":{
		"` + bob + `":{"code":"0x5f5fa0"},
		"` + alice + `":{"balance":"0x9","code":"0x` + pay(bob) + pay(strings.ToLower(scolder.Hex())) + `5f5fa0"}},
		"calls":[{"to":"` + alice + `"}]}]}`
	const ether = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
	for transfers, want := range map[bool][]string{true: {ether, bob, alice}, false: {bob, alice}} {
		var got []string
		for _, log := range d.simulate(t, fmt.Sprintf(request, transfers))[0].Calls[0].Logs {
			got = append(got, log.Address)
		}
		require.Equal(t, want, got)
	}
}

func TestSimulateLimits(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	many := func(n int, of string) string { return "[" + strings.TrimSuffix(strings.Repeat(of+",", n), ",") + "]" }
	blocks := func(list string) string { return `{"blockStateCalls":` + list + `}` }
	callsOf := func(n int) string { return `{"calls":` + many(n, "{}") + `}` }
	for _, test := range []struct {
		request string
		code    int
		want    string
	}{
		{`{}`, -32602, "empty input"},
		{blocks(`[]`), -32602, "empty input"},
		{blocks(many(257, "{}")), -38026, "too many blocks"},
		{blocks(`[{"blockOverrides":{"number":"0x101"}}]`), -38026, "too many blocks"},
		{blocks(`[{"blockOverrides":{"number":"0x10000000000000000"}}]`), -38026, "too many blocks"},
		{blocks(`[` + callsOf(5_001) + `]`), -38026, "too many calls in block: 5001 > 5000"},
		{blocks(`[` + callsOf(5_000) + `,` + callsOf(5_000) + `,` + callsOf(2) + `]`), -38026, "too many calls: 10002 > 10000"},
		{blocks(`[{"blockOverrides":{"time":"0xffffffffffffffff"}},{}]`), -38021, "block timestamps must be in order: 0 <= 18446744073709551615"},
		{blocks(`[{"blockOverrides":{"difficulty":"0x1"}}]`), -32602, "block 1: difficulty override is not allowed after the merge"},
		{blocks(`[{"blockOverrides":{"withdrawals":[null]}}]`), -32602, "block 1: withdrawal 0 is null"},
		{blocks(`[{"blockOverrides":{"coinbase":"0x"}}]`), -32602, `invalid argument 0: unknown field "coinbase" in block override`},
		{blocks(`{}`), -32602, "invalid argument 0: json: cannot unmarshal object into Go value of type []json.RawMessage"},
	} {
		d.refuse(t, "eth_simulateV1", test.request, test.code, test.want)
	}
	require.Len(t, d.simulate(t, blocks(many(256, "{}"))), 256)
}

// A list takes memory for no more elements than there may be.
func TestSimulationMemory(t *testing.T) {
	text := []byte(`{"blockStateCalls":[{"calls":[` + strings.TrimSuffix(strings.Repeat("{},", 1_700_000), ",") + `]}]}`) // 5 MiB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var s calls.Simulation
	require.NoError(t, json.Unmarshal(text, &s))
	runtime.ReadMemStats(&after)
	require.Len(t, s.Blocks[0].Calls, 5_000)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8*len(text)+32<<20))
}

// Whatever the bytes: what is decoded is within the limits, and the blocks have their
// overrides.
func FuzzSimulation(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		var s calls.Simulation
		if json.Unmarshal(text, &s) != nil {
			require.Equal(t, calls.Simulation{}, s)
			return
		}
		require.LessOrEqual(t, len(s.Blocks), 256)
		for _, b := range s.Blocks {
			require.NotNil(t, b.Block)
			require.LessOrEqual(t, len(b.Calls), 5_000)
		}
	})
}
