package tracers

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// FuzzTraceConfig asks for traces of a call in whatever way. Seeds are the wishes of
// the other tests, and what once crashed a tracer: the server answers for that, and
// goes on.
func FuzzTraceConfig(f *testing.F) {
	for _, wish := range wishes {
		f.Add(wish)
	}
	n := rpctest.Dev(f, rpctest.Options{})
	api := New(n, n.Engine(), Config{Timeout: 5 * time.Second, TimeoutMax: 10 * time.Second, ResultMax: 1 << 20})
	c := client(f, api)
	call := map[string]any{"data": hexutil.Encode(jugglerCode(true)), "gas": "0x30d40"}
	f.Fuzz(func(t *testing.T, wish string) {
		if !json.Valid([]byte(wish)) {
			t.Skip()
		}
		a := ask(t, c, "traceCall", call, "latest", json.RawMessage(wish))
		require.NotEqual(t, a.Error == "", a.Result == "")
		require.LessOrEqual(t, len(a.Result), 1<<20)
		require.Empty(t, api.slots)
		require.Empty(t, ask(t, c, "traceCall", call, "latest").Error, "after %s", wish)
	})
}

// FuzzTraceBlock traces whatever somebody says is a block.
func FuzzTraceBlock(f *testing.F) {
	n := rpctest.Dev(f, rpctest.Options{})
	n.Seal(n.Transfer(0, addressOf(0), 1))
	api := New(n, n.Engine(), Config{TimeoutMax: time.Second, ResultMax: 1 << 20})
	c := client(f, api)
	f.Fuzz(func(t *testing.T, blob []byte) {
		a := ask(t, c, "traceBlock", hexutil.Encode(blob), map[string]any{"tracer": "callTracer"})
		require.NotEqual(t, -32603, a.Code, a.Error)
		require.Empty(t, api.slots)
	})
}
