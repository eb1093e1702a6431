// Command fullnode follows a sequencer on the same machine by diffs, through the
// directory that they share, and prints where it stands.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/fullnode"
)

type options struct {
	network  cli.Network
	snapshot bool
	every    time.Duration
}

func main() {
	var o options
	c := cli.New("fullnode", "Runs a full node of a Vivace chain: it applies diffs and checks roots.")
	c.Group("Chain", o.network.Flags)
	c.Group("Full node", func(f *flag.FlagSet) {
		f.BoolVar(&o.snapshot, "from-snapshot", true, "begin at the newest snapshot on offer, if there is one, instead of genesis")
		f.DurationVar(&o.every, "print-interval", time.Second, "how often to print the heads")
	})
	os.Exit(c.Run(os.Args[1:], func(ctx context.Context) error { return run(ctx, &o) }))
}

func run(ctx context.Context, o *options) error {
	spec, err := o.network.Spec()
	if err != nil {
		return err
	}
	links, store, err := o.network.Open(false)
	if err != nil {
		return err
	}
	defer store.Close()
	f, err := fullnode.New(ctx, fullnode.Config{
		Genesis: spec.Genesis, Subscriber: links, DA: store, FromSnapshot: o.snapshot,
	})
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Printf("full node of chain %d begins at block %s\n", spec.Genesis.ChainID, f.Heads().RootChecked)
	printing, stop := context.WithCancel(ctx)
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		printHeads(printing, f, o.every)
	}()
	err = f.Run(ctx)
	stop()
	<-printed
	return err
}

func printHeads(ctx context.Context, f *fullnode.Follower, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			heads, stats := f.Heads(), f.Stats()
			fmt.Printf("mini-block %d/%d, root checked %s, %d transactions, %d bytes of diffs\n",
				heads.Preconfirmed.Number, heads.Preconfirmed.Index, heads.RootChecked, stats.Transactions, stats.DiffBytes)
		case <-ctx.Done():
			return
		}
	}
}
