// Command follower prints what each mini-block changes, next to a sequencer that gives
// it something to print.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/big"
	"os"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

var recipient = common.HexToAddress("0x00000000000000000000000000000000000000b0")

func main() {
	ctx, stop := context.WithCancel(context.Background())
	spec := must(genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil)}))
	bus := sequencer.NewBus(1 << 20)
	follower := must(fullnode.New(ctx, fullnode.Config{
		Genesis: spec.Genesis, Subscriber: bus,
		OnFrame: func(f *chain.Frame, c *chain.Changes) {
			if a := c.Account(recipient); a != nil {
				fmt.Printf("block %d: %s: %s -> %s wei\n", f.Number, a.Address, a.Before.Balance.Dec(), a.After.Balance.Dec())
				stop()
			}
		},
	}))
	defer follower.Close()
	ended := make(chan error)
	go func() { ended <- feed(ctx, spec, bus) }()
	fmt.Println("followed:", follower.Run(ctx))
	fmt.Println("stopped:", <-ended)
}

// feed runs a sequencer until ctx ends, and sends one ether.
func feed(ctx context.Context, spec *genesis.Spec, bus *sequencer.Bus) error {
	dir := must(os.MkdirTemp("", "embed"))
	defer os.RemoveAll(dir)
	s := must(sequencer.New(ctx, sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: dir, DA: inprocess.New(), Publisher: bus,
	}))
	key := genesis.DevAccounts()[0].Key
	tx := types.MustSignNewTx(must(crypto.ToECDSA(key[:])), types.LatestSigner(spec.Config), &types.LegacyTx{
		To: &recipient, Value: big.NewInt(params.Ether), Gas: 21_000, GasPrice: big.NewInt(2 * params.GWei),
	})
	_ = must(s.Send(must(tx.MarshalBinary())))
	return errors.Join(s.Run(ctx), s.Close())
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
