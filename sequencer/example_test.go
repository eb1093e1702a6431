package sequencer_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A sequencer in this process, and a transaction that it acknowledges.
func Example() {
	dir, err := os.MkdirTemp("", "sequencer")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	load, _ := datagen.New(datagen.Config{Seed: 1, Accounts: 2, Mix: datagen.Mix{1, 0, 0}, ChainID: genesis.DevChainID})
	spec, _ := genesis.Dev(genesis.DevOptions{State: load.State()})
	links := link.NewBus(1 << 20) // any transport of bytes

	s, err := sequencer.New(context.Background(), sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: dir,
		DA: inprocess.New(), Publisher: links, Subscriber: links,
	})
	if err != nil {
		log.Fatal(err)
	}
	stop := running(s.Run)
	receipt, err := s.Submit(context.Background(), load.Lanes(1)[0].Next().Raw)
	fmt.Println("status", receipt.Status, "in block", receipt.BlockNumber, "gas", receipt.GasUsed, err)
	fmt.Println(stop(), s.Close())
	// Output:
	// status 1 in block 1 gas 21000 <nil>
	// <nil> <nil>
}
