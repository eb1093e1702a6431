package tracers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/program"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/call"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// What scenes show is only worth something if it happens there.
func TestSceneHasEverything(t *testing.T) {
	s := newScene(t, "Osaka", rpctest.Options{}, Config{})
	var seen strings.Builder
	for _, b := range s.blocks {
		a := ask(t, s.ours, "traceBlockByHash", b.Hash(), json.RawMessage(`{"tracer":"callTracer","tracerConfig":{"withLog":true}}`))
		require.Empty(t, a.Error)
		seen.WriteString(a.Result)
	}
	for _, want := range []string{
		`"CALL"`, `"CALLCODE"`, `"DELEGATECALL"`, `"STATICCALL"`, `"CREATE"`, `"CREATE2"`, `"SELFDESTRUCT"`,
		`"execution reverted"`, `"revertReason":"no"`, `"out of gas"`, `write protection"`, `"invalid opcode: INVALID"`,
		`"to":"0x0000000000000000000000000000000000000004"`, `"index":"0x7"`,
		strings.ToLower(addressOf(2).Hex()),
	} {
		require.True(t, strings.Contains(seen.String(), want), want)
	}
}

func TestUnsealed(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	api := client(t, New(n, n.Engine(), Config{}))
	first, contract := n.Deploy(0, recorderCode())
	n.Mini(first)
	second := n.Call(1, &contract, 0, common.LeftPadBytes([]byte{1}, 64))
	n.Push(second)

	wishes := []string{`{"tracer":"callTracer","tracerConfig":{"withLog":true}}`, `{"tracer":"prestateTracer"}`, `{}`}
	before := make(map[string]answer)
	for _, tx := range []*chain.Tx{first, second} {
		for _, wish := range wishes {
			a := ask(t, api, "traceTransaction", tx.Hash(), json.RawMessage(wish))
			require.Empty(t, a.Error)
			before[tx.Hash().Hex()+wish] = a
		}
	}
	require.Contains(t, before[second.Hash().Hex()+wishes[0]].Result, `"logs"`)
	var flat []struct{ BlockHash *common.Hash }
	trace(t, api, &flat, "traceTransaction", second.Hash(), json.RawMessage(`{"tracer":"flatCallTracer"}`))
	require.Nil(t, flat[0].BlockHash)

	header := n.Seal()
	for key, a := range before {
		hash, wish := key[:66], key[66:]
		require.Equal(t, a, ask(t, api, "traceTransaction", hash, json.RawMessage(wish)))
	}
	trace(t, api, &flat, "traceTransaction", second.Hash(), json.RawMessage(`{"tracer":"flatCallTracer"}`))
	require.Equal(t, header.Hash(), *flat[0].BlockHash)
}

func trace(t *testing.T, c *rpc.Client, result any, method string, args ...any) {
	t.Helper()
	a := ask(t, c, method, args...)
	require.Empty(t, a.Error)
	require.NoError(t, json.Unmarshal([]byte(a.Result), result))
}

// A call at latest sees what is acknowledged, and the next one what was acknowledged
// in between.
func TestCallAtLatest(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	api := client(t, New(n, n.Engine(), Config{}))
	to := common.Address{0xaa}
	for i := range 3 {
		n.Push(n.Transfer(0, to, 7))
		for _, at := range []string{"latest", "pending"} {
			var pre map[common.Address]struct{ Balance hexutil.Big }
			trace(t, api, &pre, "traceCall", map[string]any{"to": to}, at, json.RawMessage(`{"tracer":"prestateTracer"}`))
			balance := pre[to].Balance
			require.EqualValues(t, 7*(i+1), balance.ToInt().Int64())
		}
	}
}

func TestStateIsGone(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{Retain: 2})
	api := client(t, New(n, n.Engine(), Config{}))
	tx := n.Transfer(0, common.Address{1}, 1)
	old := n.Seal(tx)
	require.Empty(t, ask(t, api, "traceTransaction", tx.Hash()).Error)
	for range 5 {
		n.Seal()
	}
	for _, a := range []answer{
		ask(t, api, "traceTransaction", tx.Hash()),
		ask(t, api, "traceBlockByHash", old.Hash()),
		ask(t, api, "traceCall", map[string]any{}, "0x1"),
		ask(t, api, "traceCall", map[string]any{}, "0x1", map[string]any{"txIndex": "0x0"}),
	} {
		require.Contains(t, a.Error, "required historical state unavailable")
		require.Equal(t, -32000, a.Code)
	}
}

func TestPruned(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{History: func(c *history.Config) { c.KeepBlocks = 2 }})
	api := client(t, New(n, n.Engine(), Config{}))
	for range 8 {
		n.Seal(n.Transfer(0, common.Address{1}, 1))
		require.NoError(t, n.History().Persist(t.Context(), n.Head().Number))
	}
	want := answer{Error: "pruned history unavailable", Code: 4444}
	require.Equal(t, want, ask(t, api, "traceTransaction", common.Hash{1}), "it may have been in a block that is gone")
	require.Equal(t, want, ask(t, api, "traceBlockByNumber", "0x1"))
	require.Empty(t, ask(t, api, "traceBlockByNumber", "latest").Error)
}

// Traces at the same time share views, pools and the directory of tracers, and
// nothing else.
func TestConcurrently(t *testing.T) {
	s := newScene(t, "Osaka", rpctest.Options{}, Config{Concurrency: 4})
	var group errgroup.Group
	for _, wish := range wishes {
		for _, b := range s.blocks[:3] {
			want := ask(t, s.ours, "traceBlockByHash", b.Hash(), json.RawMessage(wish))
			for range 2 {
				group.Go(func() error {
					if got := ask(t, s.ours, "traceBlockByHash", b.Hash(), json.RawMessage(wish)); got != want {
						return fmt.Errorf("%s: block %d: another answer than alone", wish, b.NumberU64())
					}
					return nil
				})
			}
		}
	}
	require.NoError(t, group.Wait())
}

func TestUnknownTracers(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	api := client(t, New(n, n.Engine(), Config{}))
	wide := `{"callTracer":{},"prestateTracer":{},"4byteTracer":{},"noopTracer":{},"flatCallTracer":{},"erc7562Tracer":{}`
	deep := strings.Repeat(`{"muxTracer":`, muxMax) + `{}` + strings.Repeat(`}`, muxMax)
	for config, want := range map[string]string{
		`{"tracer":"callTraecr"}`: `tracer "callTraecr" is not known: only native tracers are supported, no JavaScript`,
		`{"tracer":""}`:           `tracer "" is not known`,
		`{"tracer":"{data: [], fault: function(log) {}, result: function() { return 1 }}"}`:                       `no JavaScript`,
		`{"tracer":"muxTracer","tracerConfig":{"callTracer":{},"nobodyTracer":{}}}`:                               `tracer "nobodyTracer" is not known`,
		`{"tracer":"muxTracer","tracerConfig":{"muxTracer":{"{step: function() {}}":null}}}`:                      `no JavaScript`,
		`{"tracer":"muxTracer","tracerConfig":` + deep + `}`:                                                      `more than 16 tracers`,
		`{"tracer":"muxTracer","tracerConfig":` + wide + `,"muxTracer":` + wide + `,"muxTracer":` + wide + `}}}}`: `more than 16 tracers`,
		`{"tracer":"muxTracer","tracerConfig":[]}`:                                                                `tracerConfig of muxTracer`,
	} {
		require.Contains(t, ask(t, api, "traceCall", map[string]any{}, "latest", json.RawMessage(config)).Error, want)
	}
	require.Equal(t, -32602, ask(t, api, "traceCall", map[string]any{}, "latest", map[string]any{"tracer": 7}).Code)
	two := `{"tracer":"muxTracer","tracerConfig":` + wide + `,"muxTracer":` + wide + `}}}`
	require.Empty(t, ask(t, api, "traceCall", map[string]any{}, "latest", json.RawMessage(two)).Error)
}

// heavy is a call of code, which needs no account.
func heavy(code []byte) map[string]any {
	return map[string]any{"data": hexutil.Encode(code), "gas": "0x1000000"}
}

func TestTimeout(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	for _, config := range []Config{
		{Timeout: 30 * time.Millisecond},
		{TimeoutMax: 30 * time.Millisecond},
	} {
		config.GasCap = math.MaxUint64 / 2
		api := New(n, n.Engine(), config)
		endless := heavy(looperCode())
		endless["gas"] = hexutil.Uint64(1 << 60)
		for _, config := range []string{
			`{"tracer":"callTracer"}`, `{"tracer":"noopTracer"}`, `{"tracer":"muxTracer","tracerConfig":{"keccak256PreimageTracer":{}}}`,
		} {
			require.Equal(t, "execution timeout", ask(t, client(t, api), "traceCall", endless, "latest", json.RawMessage(config)).Error)
		}
		require.Empty(t, api.slots)
	}
	api := client(t, New(n, n.Engine(), Config{GasCap: math.MaxUint64 / 2}))
	endless := heavy(looperCode())
	endless["gas"] = hexutil.Uint64(1 << 60)
	require.Equal(t, "execution timeout", ask(t, api, "traceCall", endless, "latest", map[string]any{"timeout": "20ms", "limit": 1}).Error)
}

// A client that is gone keeps nobody busy, and one that waits for its place can go.
func TestCancel(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	tx := n.Transfer(0, common.Address{1}, 1)
	n.Seal(tx)
	api := New(n, n.Engine(), Config{GasCap: math.MaxUint64 / 2, Concurrency: 1, Timeout: time.Hour, TimeoutMax: time.Hour})
	endless := call.Args{Data: ptr(hexutil.Bytes(looperCode()))}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := api.TraceCall(ctx, endless, nil, &TraceCallConfig{TraceConfig: TraceConfig{Tracer: ptr("noopTracer")}})
		done <- err
	}()
	require.Eventually(t, func() bool { return len(api.slots) == 1 }, 10*time.Second, time.Millisecond)

	waiting, enough := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer enough()
	_, err := api.TraceTransaction(waiting, tx.Hash(), nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	_, err = api.TraceTransaction(t.Context(), tx.Hash(), nil)
	require.NoError(t, err)
	_, err = api.TraceTransaction(t.Context(), common.Hash{}, nil)
	require.ErrorIs(t, err, errTxNotFound)
}

func TestMeter(t *testing.T) {
	exceeded := 0
	m := meter{left: 100, factor: 3, exceeded: func() { exceeded++ }}
	require.True(t, m.take(30))
	require.True(t, m.take(3))
	require.True(t, m.take(0))
	require.Zero(t, exceeded)
	require.False(t, m.take(1))
	require.False(t, m.take(0), "after the end")
	require.Equal(t, 1, exceeded)
}

// codes that gather megabytes for little gas, and what gathers them.
func TestResultMax(t *testing.T) {
	const large = 1 << 16
	copier := func(body func(*program.Program)) []byte {
		p := program.New().Push(1).Push(large - 1).Op(vm.MSTORE8).Push(8) // a counter
		p, top := p.Jumpdest()
		body(p)
		return p.Push(1).Op(vm.SWAP1, vm.SUB, vm.DUP1).Push(top).Op(vm.JUMPI).Bytes()
	}
	identity := copier(func(p *program.Program) {
		p.StaticCall(nil, common.Address{19: 4}, 0, large, 0, 0).Op(vm.POP)
	})
	hasher := copier(func(p *program.Program) {
		p.Op(vm.DUP1).Push(0).Op(vm.MSTORE).Push(large).Push(0).Op(vm.KECCAK256, vm.POP)
	})
	logger := copier(func(p *program.Program) {
		p.Push(large).Push(0).Op(vm.LOG0)
	})
	n := rpctest.Dev(t, rpctest.Options{})
	api := New(n, n.Engine(), Config{ResultMax: 2 * large})
	big := client(t, New(n, n.Engine(), Config{ResultMax: 1 << 30}))
	for _, c := range []struct {
		code   []byte
		config string
	}{
		{identity, `{"tracer":"callTracer"}`},
		{identity, `{"tracer":"flatCallTracer","tracerConfig":{"includePrecompiles":true}}`},
		{identity, `{"tracer":"muxTracer","tracerConfig":{"noopTracer":{},"callTracer":{}}}`},
		{identity, `{"tracer":"erc7562Tracer"}`},
		{hasher, `{"tracer":"keccak256PreimageTracer"}`},
		{hasher, `{"tracer":"muxTracer","tracerConfig":{"keccak256PreimageTracer":{}}}`},
		{logger, `{"tracer":"callTracer","tracerConfig":{"withLog":true}}`},
		{identity, `{"enableMemory":true}`},
	} {
		a := ask(t, client(t, api), "traceCall", heavy(c.code), "latest", json.RawMessage(c.config))
		require.Equal(t, "trace result: too large: above 131072 bytes", a.Error, c.config)
		require.Empty(t, api.slots)
		a = ask(t, big, "traceCall", heavy(c.code), "latest", json.RawMessage(c.config))
		require.Empty(t, a.Error)
		require.Greater(t, len(a.Result), 2*large, "%s asks for nothing large", c.config)
	}
	// The caller's own limit is not ours.
	require.Empty(t, ask(t, client(t, api), "traceCall", heavy(logger), "latest", map[string]any{"limit": 1000}).Error)
}

// An answer has the code of every account, however often it is the same.
func TestResultMaxOfCodes(t *testing.T) {
	s := newScene(t, "Osaka", rpctest.Options{}, Config{})
	p := program.New()
	for range 20 { // how often it is read does not matter
		p.Call(nil, twins[0], 0, 0, 0, 0, 0).Op(vm.POP).Push(twins[1]).Op(vm.EXTCODESIZE, vm.POP)
	}
	readers := p.Bytes()
	wish := json.RawMessage(`{"tracer":"prestateTracer"}`)
	whole := s.compare(t, "traceCall", heavy(readers), "latest", wish)
	for _, c := range []struct {
		max int
		ok  bool
	}{{len(whole.Result) + 8*accountBytes, true}, {len(whole.Result) / 2, false}} {
		a := ask(t, client(t, New(s.node, s.node.Engine(), Config{ResultMax: c.max})), "traceCall", heavy(readers), "latest", wish)
		require.Equal(t, c.ok, a.Error == "", a.Error)
	}
}

// The bound is for a block, not for each of its transactions.
func TestResultMaxOfBlock(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	var txs []*chain.Tx
	for range 20 {
		txs = append(txs, n.Transfer(0, common.Address{1}, 1))
	}
	header := n.Seal(txs...)
	api := client(t, New(n, n.Engine(), Config{ResultMax: 2000}))
	wish := json.RawMessage(`{"tracer":"callTracer"}`)
	require.Empty(t, ask(t, api, "traceTransaction", txs[19].Hash(), wish).Error)
	require.Contains(t, ask(t, api, "traceBlockByHash", header.Hash(), wish).Error, "trace result: too large")
}

func TestForeignBlocks(t *testing.T) {
	s := newScene(t, "Osaka", rpctest.Options{}, Config{})
	encode := func(b *types.Block) string {
		raw, err := rlp.EncodeToBytes(b)
		require.NoError(t, err)
		return hexutil.Encode(raw)
	}
	alter := func(b *types.Block, change func(*types.Header)) string {
		h := b.Header()
		change(h)
		return encode(b.WithSeal(h))
	}
	block := s.blocks[1]
	for raw, want := range map[string]string{
		"0x":     "could not decode block",
		"0x1234": "could not decode block",
		alter(block, func(h *types.Header) { h.ParentHash = common.Hash{1} }):          fmt.Sprintf("block %s not found", common.Hash{1}),
		alter(block, func(h *types.Header) { h.ParentHash = s.blocks[2].Hash() }):      "block 2 does not follow its parent, block 3",
		alter(s.blocks[0], func(h *types.Header) { h.BaseFee.Lsh(h.BaseFee, 100) }):    "tracing failed: max fee per gas less than block base fee",
		encode(types.NewBlockWithHeader(block.Header()).WithBody(*s.blocks[2].Body())): "tracing failed: nonce too high",
		encode(s.spec.ToBlock()): "genesis is not traceable",
		alter(block, func(h *types.Header) { h.Extra = bytes.Repeat([]byte{1}, 100_000) }): "",
	} {
		a := ask(t, s.ours, "traceBlock", raw, json.RawMessage(`{"tracer":"callTracer"}`))
		if want == "" {
			require.Empty(t, a.Error)
		} else {
			require.Contains(t, a.Error, want)
		}
	}
}
