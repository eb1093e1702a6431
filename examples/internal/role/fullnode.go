package role

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/serve"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/node"
)

type fullnodeOptions struct {
	network   cli.Network
	serve     serve.Options
	dir       string
	sequencer string
	snapshot  bool
	kept      cli.Kept
	every     time.Duration
}

// Fullnode is the program fullnode: it returns the exit code.
func Fullnode(args []string) int {
	var o fullnodeOptions
	c := cli.New("fullnode", "Runs a full node of a Vivace chain: it applies diffs and checks roots.")
	c.Group("Chain", o.network.Flags)
	c.Group("Full node", func(f *flag.FlagSet) {
		f.StringVar(&o.dir, "datadir", cli.Place("fullnode"), "`directory` of the history")
		f.BoolVar(&o.snapshot, "from-snapshot", true, "begin at the newest snapshot on offer, if there is one, instead of genesis")
		f.StringVar(&o.sequencer, "sequencer", "http://127.0.0.1:8545", "`address` of the sequencer's door, for transactions")
		f.DurationVar(&o.every, "print-interval", time.Second, "how often to print the heads; 0 is never")
	})
	c.Group("Kept", func(f *flag.FlagSet) { o.kept.Flags(f, 0) })
	c.Group("Door", func(f *flag.FlagSet) { o.serve.Flags(f, 8547) })
	return c.Run(args, func(ctx context.Context) error { return o.run(ctx, c) })
}

func (o *fullnodeOptions) run(ctx context.Context, c *cli.Command) error {
	if err := o.check(); err != nil {
		return err
	}
	spec, err := o.network.Spec()
	if err != nil {
		return err
	}
	door, err := o.serve.Open(o.dir)
	if err != nil {
		return err
	}
	defer door.Close()
	if err := cli.DataDir(o.dir); err != nil {
		return err
	}
	links, layer, err := o.network.Open(false)
	if err != nil {
		return err
	}
	defer layer.Close()
	store, err := history.Open(history.Config{
		Dir: filepath.Join(o.dir, "history"), Genesis: spec.Genesis.Header, KeepBlocks: o.kept.Blocks, Logger: c.Log,
	})
	if err != nil {
		return err
	}
	defer store.Close()
	states, roots, err := o.kept.Open()
	if err != nil {
		return err
	}
	f, err := fullnode.New(ctx, fullnode.Config{
		Store: states, Committer: roots,
		Genesis: spec.Genesis, Subscriber: links, DA: layer, FromSnapshot: o.snapshot, History: store, Logger: c.Log,
	})
	if err != nil {
		return err
	}
	defer f.Close()
	upstream, err := node.Dial(ctx, o.sequencer)
	if err != nil {
		return fmt.Errorf("-sequencer: %w", err)
	}
	defer upstream.Close()
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	if err != nil {
		return err
	}
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	service := &serve.Service{
		Door: door, Name: "full node", Backend: node.OfFullnode(f, store, spec.Config, node.FullnodeOptions{Sequencer: upstream, Logger: c.Log}), Engine: engine,
		Metrics: []prometheus.Collector{serve.OfFullnode(f), serve.OfHistory(store)},
		Ready:   serve.FullnodeReady(f, store), Drain: drain, Log: c.Log, LogLevel: &c.LogLevel,
	}
	fmt.Printf("full node of chain %d at http://%s begins at block %s\n", spec.Genesis.ChainID, door.Addr(), f.Heads().RootChecked)
	if o.every > 0 {
		defer printHeads(f, o.every)()
	}
	return serve.Together(ctx, f.Run, service.Run)
}

// check finds flags that make no sense.
func (o *fullnodeOptions) check() error {
	u, err := url.Parse(o.sequencer)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) {
		return fmt.Errorf("%w: -sequencer: %q is no address of a door, such as http://127.0.0.1:8545", cli.ErrUsage, o.sequencer)
	}
	return o.kept.Check()
}

// printHeads prints now and then where the node stands, until stop is called.
func printHeads(f *fullnode.Follower, every time.Duration) (stop func()) {
	ticker, end, ended := time.NewTicker(every), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ticker.C:
				heads, stats := f.Heads(), f.Stats()
				fmt.Printf("mini-block %d/%d, root checked %s, %d transactions, %d bytes of diffs\n",
					heads.Preconfirmed.Number, heads.Preconfirmed.Index, heads.RootChecked, stats.Transactions, stats.DiffBytes)
			case <-end:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(end)
		<-ended
	}
}
