// Command gossip runs a full node that follows a chain over p2p and prints what each
// mini-block changes. The sequencer that gives it something to print is another member of
// the network, at an address of its own.
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
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

var recipient = common.HexToAddress("0x00000000000000000000000000000000000000b0")

func main() {
	ctx, stop := context.WithCancel(context.Background())
	spec := must(genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil)}))
	key := must(attest.NewKey(common.FromHex("0x0101010101010101010101010101010101010101010101010101010101010101")))
	network := gossip.Config{
		ChainID: spec.Genesis.ChainID, Genesis: spec.Genesis.Header.Hash(),
		Signers: map[common.Address]gossip.Grant{key.Address(): {}}, // who is believed, whoever brings his word
	}
	ended := make(chan error)
	network.Boot = feed(ctx, spec, network, key, ended)

	peer := must(gossip.New(network))
	go func() { ended <- peer.Run(ctx) }()
	follower := must(fullnode.New(ctx, fullnode.Config{
		Genesis: spec.Genesis, Subscriber: peer,
		OnFrame: func(f *chain.Frame, c *chain.Changes) {
			if a := c.Account(recipient); a != nil {
				fmt.Printf("block %d: %s: %s -> %s wei\n", f.Number, a.Address, a.Before.Balance.Dec(), a.After.Balance.Dec())
				stop()
			}
		},
	}))
	defer follower.Close()
	fmt.Println("followed:", follower.Run(ctx))
	fmt.Println("stopped:", <-ended, <-ended)
}

// feed runs a sequencer that publishes over p2p until ctx ends, and sends one ether. It
// returns the addresses at which the sequencer meets peers.
func feed(ctx context.Context, spec *genesis.Spec, network gossip.Config, key gossip.Signer, ended chan<- error) []string {
	network.Signer, network.Listen = key, []string{"/ip4/127.0.0.1/tcp/0"}
	peer := must(gossip.New(network))
	dir := must(os.MkdirTemp("", "embed"))
	s := must(sequencer.New(ctx, sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: dir, DA: inprocess.New(), Publisher: peer, Backfill: peer.Backfill,
	}))
	alice := genesis.DevAccounts()[0].Key
	tx := types.MustSignNewTx(must(crypto.ToECDSA(alice[:])), types.LatestSigner(spec.Config), &types.LegacyTx{
		To: &recipient, Value: big.NewInt(params.Ether), Gas: 21_000, GasPrice: big.NewInt(2 * params.GWei),
	})
	_ = must(s.Send(must(tx.MarshalBinary())))
	speaking := make(chan error)
	go func() { speaking <- peer.Run(ctx) }()
	go func() { ended <- errors.Join(s.Run(ctx), s.Close(), <-speaking, os.RemoveAll(dir)) }()
	return peer.Addrs()
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
