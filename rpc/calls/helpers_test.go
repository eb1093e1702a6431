package calls_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc/calls"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// A door answers requests as a client would send them.
type door struct {
	handler http.Handler
	node    *rpctest.Node
	api     *calls.API
}

func serve(tb testing.TB, node *rpctest.Node, options calls.Options) *door {
	tb.Helper()
	options.Backend, options.Engine = node, node.Engine()
	api, err := calls.New(options)
	require.NoError(tb, err)
	server := rpc.NewServer()
	tb.Cleanup(server.Stop)
	require.NoError(tb, server.RegisterName("eth", api))
	require.NoError(tb, server.RegisterName("testing", calls.NewTesting(api)))
	return &door{server, node, api}
}

// send returns the answer to a request.
func (d *door) send(tb testing.TB, request []byte) []byte {
	tb.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(request))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	require.Equal(tb, http.StatusOK, w.Code, "%s", w.Body)
	return w.Body.Bytes()
}

// An answer is a JSON-RPC response.
type answer struct {
	Result json.RawMessage
	Error  *struct {
		Code    int
		Message string
		Data    any
	}
}

// call sends one request; params are JSON.
func (d *door) call(tb testing.TB, method, params string) (a answer) {
	tb.Helper()
	text := d.send(tb, []byte(`{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":[`+params+`]}`))
	require.NoError(tb, json.Unmarshal(text, &a))
	return a
}

// result is the result of a request that succeeds.
func (d *door) result(tb testing.TB, method, params string) string {
	tb.Helper()
	a := d.call(tb, method, params)
	require.Nil(tb, a.Error, "%s(%s)", method, params)
	return string(a.Result)
}

// refuse requires that a request fails.
func (d *door) refuse(tb testing.TB, method, params string, code int, text string) {
	tb.Helper()
	a := d.call(tb, method, params)
	require.NotNil(tb, a.Error, "%s(%s) is %s", method, params, a.Result)
	require.Equal(tb, text, a.Error.Message)
	require.Equal(tb, code, a.Error.Code)
}

func parse(tb testing.TB, text []byte) (v any) {
	tb.Helper()
	require.NoError(tb, json.Unmarshal(text, &v), "%s", text)
	return v
}
