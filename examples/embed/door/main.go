// Command door runs a sequencer in this process and serves it: go-ethereum's client sends
// a transaction, and reads what it did.
package main

import (
	"context"
	"fmt"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	dir := must(os.MkdirTemp("", "embed"))
	defer os.RemoveAll(dir)
	spec := must(genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil)}))
	engine := must(execution.New(execution.Config{Chain: spec.Config}))
	store := must(history.Open(history.Config{Dir: filepath.Join(dir, "history"), Genesis: spec.Genesis.Header}))
	s := must(sequencer.New(ctx, sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Executor: engine, Dir: dir, DA: inprocess.New(), History: store,
	}))
	door := must(rpc.New(rpc.Config{Backend: node.OfSequencer(s, store), Engine: engine}))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))

	ended, served := make(chan error), make(chan error)
	go func() { ended <- s.Run(ctx) }()
	doorCtx, closeDoor := context.WithCancel(ctx)
	go func() { served <- door.Serve(doorCtx, listener) }()

	pay(ctx, "http://"+listener.Addr().String()+rpc.PathRealtime)

	closeDoor() // first: the sequencer still answers what is on its way
	fmt.Println("closed:", <-served)
	stop()
	fmt.Println("stopped:", <-ended, s.Close(), store.Close())
}

// pay sends one ether to the second account, as any client would. The receipt comes as
// soon as the transaction is acknowledged, before its block is sealed.
func pay(ctx context.Context, url string) {
	client := must(ethclient.DialContext(ctx, url))
	defer client.Close()
	alice, bob := genesis.DevAccounts()[0], genesis.DevAccounts()[1]
	tx := types.MustSignNewTx(must(crypto.ToECDSA(alice.Key[:])), types.LatestSignerForChainID(must(client.ChainID(ctx))), &types.LegacyTx{
		Nonce: must(client.PendingNonceAt(ctx, alice.Address)), To: &bob.Address, Value: big.NewInt(params.Ether),
		Gas: 21_000, GasPrice: must(client.SuggestGasPrice(ctx)),
	})
	receipt := must(client.SendTransactionSync(ctx, tx, nil))
	fmt.Printf("receipt: status %d, block %d\n", receipt.Status, receipt.BlockNumber)
	fmt.Println("balance:", must(client.BalanceAt(ctx, bob.Address, nil)), "wei")
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
