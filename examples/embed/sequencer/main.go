// Command sequencer runs a sequencer in this process, in memory but for its log, and
// sends a transaction to it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	dir := must(os.MkdirTemp("", "embed"))
	defer os.RemoveAll(dir)
	spec := must(genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil)}))
	s := must(sequencer.New(ctx, sequencer.Config{Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: dir, DA: inprocess.New()}))
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	alice, bob := genesis.DevAccounts()[0], genesis.DevAccounts()[1]
	key := must(crypto.ToECDSA(alice.Key[:]))
	tx := types.MustSignNewTx(key, types.LatestSigner(spec.Config), &types.LegacyTx{To: &bob.Address, Gas: 21_000, GasPrice: spec.Genesis.Header.BaseFee.ToBig()})
	receipt := must(s.Submit(ctx, must(tx.MarshalBinary())))
	fmt.Printf("acknowledged: status %d, block %d, gas %d\n", receipt.Status, receipt.BlockNumber, receipt.GasUsed)

	stop()
	fmt.Println("stopped:", <-ended, s.Close())
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
