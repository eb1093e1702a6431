package fullnode_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A follower that prints what each mini-block changed.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	spec, err := genesis.Dev(genesis.DevOptions{})
	if err != nil {
		log.Fatal(err)
	}
	follower, err := fullnode.New(ctx, fullnode.Config{
		Genesis:    spec.Genesis,
		Subscriber: feedOf(ctx, spec), // of a sequencer, over whatever transport
		OnFrame: func(f *chain.Frame, c *chain.Changes) {
			fmt.Printf("mini-block %d/%d changes %d accounts\n", f.Number, f.Index, len(c.Accounts))
			cancel()
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(follower.Run(ctx), follower.Close())
	// Output:
	// mini-block 1/0 changes 1 accounts
	// <nil> <nil>
}

var _ fullnode.Subscriber = (*link.Bus)(nil)

// feedOf runs a sequencer until ctx ends and returns where its feed is.
func feedOf(ctx context.Context, spec *genesis.Spec) *link.Bus {
	links := link.NewBus(1 << 20)
	dir, err := os.MkdirTemp("", "feed")
	if err != nil {
		log.Fatal(err)
	}
	s, err := sequencer.New(ctx, sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: dir, BlockInterval: 10 * time.Millisecond,
		DA: inprocess.New(), Publisher: links, Subscriber: links,
	})
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	context.AfterFunc(ctx, func() {
		<-done
		s.Close()
		os.RemoveAll(dir)
	})
	return links
}
