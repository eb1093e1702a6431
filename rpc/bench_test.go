package rpc_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	gethrpc "github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/ethapi"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// BenchmarkRequest is what the door adds to go-ethereum's server, for the smallest
// request there is: limits, counting, timing.
func BenchmarkRequest(b *testing.B) {
	node := rpctest.Dev(b, rpctest.Options{})
	door, err := rpc.New(rpc.Config{Backend: node, Engine: node.Engine()})
	if err != nil {
		b.Fatal(err)
	}
	defer door.Close()
	bare := gethrpc.NewServer()
	if err := bare.RegisterName("eth", ethapi.New(node, ethapi.Options{})); err != nil {
		b.Fatal(err)
	}
	for _, impl := range []struct {
		name    string
		handler http.Handler
	}{{"vivace", door.Handler()}, {"geth", bare}} {
		b.Run("impl="+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(chainID))
				request.Host = "localhost"
				request.Header.Set("Content-Type", "application/json")
				recorder := httptest.NewRecorder()
				impl.handler.ServeHTTP(recorder, request)
				if recorder.Code != http.StatusOK {
					b.Fatal(recorder.Body)
				}
			}
		})
	}
}
