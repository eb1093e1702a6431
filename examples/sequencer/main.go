// Command sequencer runs a chain's sequencer as a process of its own. Clients talk to
// it by JSON-RPC; full nodes and provers on the same machine follow it through a
// directory that they share.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/dashboard"
	"github.com/vivace-chain/vivace/examples/internal/serve"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer"
)

type options struct {
	network   cli.Network
	serve     serve.Options
	dir       string
	provers   string
	threshold int
	kept      uint64
	cfg       sequencer.Config
	baseFee   uint64
}

func main() {
	var o options
	c := cli.New("sequencer", "Runs the sequencer of a Vivace chain.")
	c.Group("Chain", o.network.Flags)
	c.Group("Sequencer", func(f *flag.FlagSet) {
		f.StringVar(&o.dir, "datadir", filepath.Join(os.TempDir(), "vivace-sequencer"), "`directory` of the log, the snapshots and the history")
		f.TextVar(&o.cfg.Durability, "durability", o.cfg.Durability, "`what` an acknowledgement survives: fsync (power loss) or none (kill -9)")
		f.DurationVar(&o.cfg.MiniBlockInterval, "mini-block-interval", 10*time.Millisecond, "how long a mini-block is open")
		f.DurationVar(&o.cfg.BlockInterval, "block-interval", time.Second, "how long a block is open")
		f.Uint64Var(&o.baseFee, "base-fee", 0, "constant base fee in `wei`; 0 computes it by EIP-1559")
		// The streams keep about a minute: who joins later needs a younger snapshot.
		f.IntVar(&o.cfg.SnapshotBlocks, "snapshot-blocks", 32, "`blocks` from one snapshot to the next")
		f.Uint64Var(&o.kept, "history-blocks", 0, "`blocks` whose transactions and receipts are kept; 0 keeps all")
	})
	c.Group("Door", func(f *flag.FlagSet) { o.serve.Flags(f, 8545) })
	c.Group("Proofs", func(f *flag.FlagSet) {
		f.StringVar(&o.provers, "provers", "", "comma-separated `addresses` of provers whose attestations count")
		f.IntVar(&o.threshold, "prover-threshold", 1, "how `many` provers must agree on a block")
	})
	os.Exit(c.Run(os.Args[1:], func(ctx context.Context) error { return run(ctx, c, &o) }))
}

func run(ctx context.Context, c *cli.Command, o *options) error {
	cfg, err := o.config(c)
	if err != nil {
		return err
	}
	spec, err := o.network.Spec()
	if err != nil {
		return err
	}
	links, layer, err := o.network.Open(true)
	if err != nil {
		return err
	}
	defer layer.Close()
	store, err := history.Open(history.Config{
		Dir: filepath.Join(o.dir, "history"), Genesis: spec.Genesis.Header, KeepBlocks: o.kept, Logger: c.Log,
	})
	if err != nil {
		return err
	}
	defer store.Close()
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	if err != nil {
		return err
	}
	cfg.Genesis, cfg.ChainConfig, cfg.Executor = spec.Genesis, spec.Config, engine
	cfg.DA, cfg.Publisher, cfg.Subscriber, cfg.History = layer, links, links, store

	s, err := sequencer.New(ctx, *cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	listener, err := o.serve.Listen()
	if err != nil {
		return err
	}
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	service := &serve.Service{
		Options: &o.serve, Dir: o.dir, Backend: node.OfSequencer(s, store), Engine: engine,
		Metrics: []prometheus.Collector{serve.OfSequencer(s), serve.OfHistory(store)},
		Ready:   serve.SequencerReady(s), Drain: drain, Log: c.Log, LogLevel: &c.LogLevel,
	}
	page := watch(s, cfg, service, listener.Addr())
	defer page.Close()
	service.Page = page
	heads := s.Heads()
	fmt.Printf("sequencer of chain %d at http://%s, block %d sealed, %d proven\n",
		spec.Genesis.ChainID, listener.Addr(), heads.RootChecked.Number, heads.Proven.Number)
	if o.network.Genesis == "" {
		cli.PrintDevAccounts(os.Stdout)
	}
	return serve.Together(ctx, s.Run, func(ctx context.Context) error { return service.Run(ctx, listener) })
}

// watch makes the page that service shows at an address.
func watch(s *sequencer.Sequencer, cfg *sequencer.Config, service *serve.Service, at net.Addr) *dashboard.Dashboard {
	began := time.Now()
	return dashboard.New(func() dashboard.Snapshot {
		p := serve.PageOfSequencer(s, len(cfg.Provers))
		p.Name, p.ChainID, p.Started = "sequencer", cfg.Genesis.ChainID, began
		p.Durability, p.MiniBlockInterval, p.BlockInterval = cfg.Durability.String(), cfg.MiniBlockInterval, cfg.BlockInterval
		p.Latency, p.Addresses = serve.PageOfDoor(service.Stats()), []dashboard.Address{serve.Address("sequencer", at)}
		return p
	})
}

func (o *options) config(c *cli.Command) (*sequencer.Config, error) {
	cfg := o.cfg
	cfg.Dir, cfg.Logger, cfg.ProverThreshold = o.dir, c.Log, o.threshold
	if o.baseFee > 0 {
		cfg.BaseFee = uint256.NewInt(o.baseFee)
	}
	for a := range strings.SplitSeq(o.provers, ",") {
		if a == "" {
			continue
		}
		if !common.IsHexAddress(a) {
			return nil, fmt.Errorf("%w: -provers: %q is not an address", cli.ErrUsage, a)
		}
		cfg.Provers = append(cfg.Provers, common.HexToAddress(a))
	}
	return &cfg, nil
}
