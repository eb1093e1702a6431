package rpc_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// A chain in memory behind a door, and a client in front of it.
func Example() {
	node := rpctest.Dev(new(testing.T), rpctest.Options{})
	door, err := rpc.New(rpc.Config{Backend: node, Engine: node.Engine()})
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go door.Serve(context.Background(), listener)

	client, err := ethclient.Dial("http://" + listener.Addr().String())
	if err != nil {
		panic(err)
	}
	balance, err := client.BalanceAt(context.Background(), rpctest.AccountAt(0).Address, nil)
	fmt.Println(balance, err)
	// Output: 10000000000000000000000 <nil>
}
