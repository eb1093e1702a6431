package rpc_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A sequencer behind a door, and a client in front of it. examples/embed/door sends a
// transaction, too.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	dir := must(os.MkdirTemp("", "rpc"))
	defer os.RemoveAll(dir)
	spec := must(genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil)}))
	engine := must(execution.New(execution.Config{Chain: spec.Config}))
	store := must(history.Open(history.Config{Dir: filepath.Join(dir, "history"), Genesis: spec.Genesis.Header}))
	s := must(sequencer.New(ctx, sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Executor: engine, Dir: dir, DA: inprocess.New(), History: store,
	}))
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	door := must(rpc.New(rpc.Config{Backend: node.OfSequencer(s, store), Engine: engine}))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	served := make(chan error)
	go func() { served <- door.Serve(ctx, listener) }()

	client := must(ethclient.Dial("http://" + listener.Addr().String()))
	fmt.Println(client.BalanceAt(ctx, genesis.DevAccounts()[0].Address, nil))
	client.Close()
	stop()
	fmt.Println(<-served, <-ended, s.Close(), store.Close())
	// Output:
	// 10000000000000000000000 <nil>
	// <nil> <nil> <nil> <nil>
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
