package rpc_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// A chain in memory behind a door, and a client in front of it.
func Example() {
	tb := new(exampleTB)
	defer tb.end()
	node := rpctest.Dev(tb, rpctest.Options{})

	door, err := rpc.New(rpc.Config{Backend: node, Engine: node.Engine()})
	check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- door.Serve(ctx, listener) }()

	client, err := ethclient.Dial("http://" + listener.Addr().String())
	check(err)
	balance, err := client.BalanceAt(ctx, rpctest.AccountAt(0).Address, nil)
	fmt.Println(balance, err)
	client.Close()
	cancel()
	fmt.Println(<-served)
	// Output:
	// 10000000000000000000000 <nil>
	// <nil>
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// exampleTB is what the node in memory needs of a test.
type exampleTB struct {
	testing.TB
	cleanups []func()
}

func (*exampleTB) Helper()                        {}
func (*exampleTB) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }
func (*exampleTB) Errorf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }
func (e *exampleTB) Cleanup(f func())             { e.cleanups = append(e.cleanups, f) }

func (e *exampleTB) TempDir() string {
	dir, err := os.MkdirTemp("", "example")
	check(err)
	e.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (e *exampleTB) end() {
	for _, f := range slices.Backward(e.cleanups) {
		f()
	}
}
