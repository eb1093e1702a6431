package role

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
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

type sequencerOptions struct {
	network   cli.Network
	serve     serve.Options
	dir       string
	provers   string
	threshold int
	kept      cli.Kept
	daBytes   int64
	cfg       sequencer.Config
	baseFee   uint64
}

// Sequencer is the program sequencer: it returns the exit code.
func Sequencer(args []string) int {
	var o sequencerOptions
	c := cli.New("sequencer", "Runs the sequencer of a Vivace chain.")
	c.Group("Chain", o.network.Flags)
	c.Group("Sequencer", func(f *flag.FlagSet) {
		f.StringVar(&o.dir, "datadir", cli.Place("sequencer"), "`directory` of the log, the snapshots and the history")
		f.TextVar(&o.cfg.Durability, "durability", o.cfg.Durability, "`what` an acknowledgement survives: fsync (power loss) or none (kill -9)")
		f.DurationVar(&o.cfg.MiniBlockInterval, "mini-block-interval", 10*time.Millisecond, "how long a mini-block is open")
		f.DurationVar(&o.cfg.BlockInterval, "block-interval", time.Second, "how long a block is open")
		f.Uint64Var(&o.baseFee, "base-fee", 0, "constant base fee in `wei`; 0 computes it by EIP-1559")
		// The streams keep about a minute: who joins later needs a younger snapshot.
		f.IntVar(&o.cfg.SnapshotBlocks, "snapshot-blocks", 32, "`blocks` from one snapshot to the next")
	})
	c.Group("Kept", func(f *flag.FlagSet) {
		o.kept.Flags(f, 0)
		f.Int64Var(&o.daBytes, "da-bytes", 0, "`bytes` of the data-availability layer that are kept, beside those of the last ten minutes; 0 keeps all")
	})
	c.Group("Door", func(f *flag.FlagSet) { o.serve.Flags(f, 8545) })
	c.Group("Proofs", func(f *flag.FlagSet) {
		f.StringVar(&o.provers, "provers", "", "comma-separated `addresses` of provers whose attestations count")
		f.IntVar(&o.threshold, "prover-threshold", 1, "how `many` provers must agree on a block")
	})
	return c.Run(args, func(ctx context.Context) error { return o.run(ctx, c) })
}

func (o *sequencerOptions) run(ctx context.Context, c *cli.Command) error {
	cfg, err := o.config(c)
	if err != nil {
		return err
	}
	spec, err := o.network.Spec()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(o.dir, "log")); errors.Is(err, fs.ErrNotExist) {
		if err := o.network.CheckUnused(); err != nil {
			return err
		}
	}
	door, err := o.serve.Open(o.dir)
	if err != nil {
		return err
	}
	defer door.Close()
	if err := cli.DataDir(o.dir); err != nil {
		return err
	}
	links, layer, err := o.network.Open(true)
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
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	if err != nil {
		return err
	}
	cfg.Genesis, cfg.ChainConfig, cfg.Executor = spec.Genesis, spec.Config, engine
	cfg.DA, cfg.Publisher, cfg.Subscriber, cfg.History = layer, links, links, store
	if cfg.Store, cfg.Committer, err = o.kept.Open(); err != nil {
		return err
	}

	s, err := sequencer.New(ctx, *cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	service := &serve.Service{
		Door: door, Backend: node.OfSequencer(s, store), Engine: engine,
		Metrics: []prometheus.Collector{serve.OfSequencer(s), serve.OfHistory(store)},
		Ready:   serve.SequencerReady(s), Drain: drain, Log: c.Log, LogLevel: &c.LogLevel,
	}
	go cli.PruneDA(ctx, o.network.DA(), o.daBytes, c.Log)
	page := watch(s, cfg, service, door.Addr())
	defer page.Close()
	service.Page = page
	heads := s.Heads()
	fmt.Printf("sequencer of chain %d at http://%s, block %d sealed, %d proven\n",
		spec.Genesis.ChainID, door.Addr(), heads.RootChecked.Number, heads.Proven.Number)
	if o.network.Genesis == "" {
		cli.PrintDevAccounts(os.Stdout)
	}
	return serve.Together(ctx, s.Run, service.Run)
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

func (o *sequencerOptions) config(c *cli.Command) (*sequencer.Config, error) {
	cfg := o.cfg
	cfg.Dir, cfg.Logger, cfg.ProverThreshold = o.dir, c.Log, o.threshold
	if err := cli.CheckIntervals("mini-block-interval", cfg.MiniBlockInterval, "block-interval", cfg.BlockInterval); err != nil {
		return nil, err
	}
	if err := o.kept.Check(); err != nil {
		return nil, err
	}
	if o.daBytes < 0 {
		return nil, fmt.Errorf("%w: -da-bytes must not be negative", cli.ErrUsage)
	}
	if cfg.SnapshotBlocks < 1 {
		return nil, fmt.Errorf("%w: -snapshot-blocks must be at least 1", cli.ErrUsage)
	}
	if o.baseFee > 0 {
		cfg.BaseFee = uint256.NewInt(o.baseFee)
	}
	for a := range strings.SplitSeq(o.provers, ",") {
		if a = strings.TrimSpace(a); a == "" {
			continue
		}
		if !common.IsHexAddress(a) {
			return nil, fmt.Errorf("%w: -provers: %q is not an address", cli.ErrUsage, a)
		}
		cfg.Provers = append(cfg.Provers, common.HexToAddress(a))
	}
	if n := len(cfg.Provers); n > 0 && (o.threshold < 1 || o.threshold > n) {
		return nil, fmt.Errorf("%w: -prover-threshold must be from 1 to the %d of -provers", cli.ErrUsage, n)
	}
	return &cfg, nil
}
