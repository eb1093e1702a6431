package ethapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/ethapi"
)

// A server answers JSON-RPC with this package's namespaces over HTTP.
type server struct{ http *httptest.Server }

func serve(t testing.TB, b backend.Backend) *server { return serveWith(t, b, ethapi.Options{}) }

func serveWith(t testing.TB, b backend.Backend, options ethapi.Options) *server {
	t.Helper()
	handler := rpc.NewServer()
	for name, api := range map[string]any{
		"eth": ethapi.New(b, options), "net": ethapi.NewNet(b),
		"web3": ethapi.NewWeb3("Vivace/test"), "txpool": ethapi.NewTxPool(b),
	} {
		if err := handler.RegisterName(name, api); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{httptest.NewServer(handler)}
	t.Cleanup(func() {
		s.http.Close()
		handler.Stop()
	})
	return s
}

// send posts a request and returns the answer.
func (s *server) send(t testing.TB, request []byte) []byte {
	t.Helper()
	answer, err := http.Post(s.http.URL, "application/json", bytes.NewReader(request))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// An answer is a result or an error.
type answer struct {
	Result json.RawMessage
	Error  *struct {
		Code    int
		Message string
		Data    any
	}
}

// call calls a method; params are JSON.
func (s *server) call(t testing.TB, method, params string) answer {
	t.Helper()
	var a answer
	text := s.send(t, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":%q,"params":[%s]}`, method, params))
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("%s: %v in %s", method, err, text)
	}
	return a
}

// result is the result of a call that must have one.
func (s *server) result(t testing.TB, method, params string) string {
	t.Helper()
	a := s.call(t, method, params)
	if a.Error != nil {
		t.Fatalf("%s(%s): error %d: %s", method, params, a.Error.Code, a.Error.Message)
	}
	return string(a.Result)
}

// refused checks that a call has an error.
func (s *server) refused(t testing.TB, method, params string, code int, message string) {
	t.Helper()
	a := s.call(t, method, params)
	if a.Error == nil || a.Error.Code != code || a.Error.Message != message {
		t.Errorf("%s(%s): got %s %+v, want error %d: %s", method, params, a.Result, a.Error, code, message)
	}
}

// newHasher computes roots as go-ethereum does.
func newHasher() types.ListHasher { return trie.NewStackTrie(nil) }
