package role

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/dashboard"
	"github.com/vivace-chain/vivace/examples/internal/p2p"
	"github.com/vivace-chain/vivace/examples/internal/serve"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/rpc/work"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

type sequencerOptions struct {
	chain   cli.Chain
	serve   serve.Options
	p2p     p2p.Options
	layer   layerOptions
	dir     string
	proofs  proofs
	kept    cli.Kept
	cfg     sequencer.Config
	baseFee uint64
}

// Sequencer is the program sequencer: it returns the exit code.
func Sequencer(args []string) int {
	var o sequencerOptions
	c := cli.New("sequencer", "Runs the sequencer of a Vivace chain.")
	c.Group("Chain", o.chain.Flags)
	c.Group("Sequencer", func(f *flag.FlagSet) {
		f.StringVar(&o.dir, "datadir", cli.Place("sequencer"), "`directory` of the log, the snapshots, the history, the keys, and of the data-availability layer if it is our own")
		f.TextVar(&o.cfg.Durability, "durability", o.cfg.Durability, "`what` an acknowledgement survives: fsync (power loss) or none (kill -9)")
		f.DurationVar(&o.cfg.MiniBlockInterval, "mini-block-interval", 10*time.Millisecond, "how long a mini-block is open")
		f.DurationVar(&o.cfg.BlockInterval, "block-interval", time.Second, "how long a block is open")
		f.Uint64Var(&o.cfg.Term, "term", 1, "`number` of this sequencer among those that the chain has had, from 1; it never falls")
		f.Uint64Var(&o.baseFee, "base-fee", 0, "constant base fee in `wei`; 0 computes it by EIP-1559")
		// The network keeps about a minute: who joins later needs a younger snapshot.
		f.IntVar(&o.cfg.SnapshotBlocks, "snapshot-blocks", 32, "`blocks` from one snapshot to the next")
	})
	c.Group("Network", func(f *flag.FlagSet) { o.p2p.Flags(f, 9545) })
	c.Group("Data availability", func(f *flag.FlagSet) {
		o.layer.Flags(f)
		f.DurationVar(&o.cfg.ReadBackTime, "da.read-back", 20*time.Second, "how long the layer may take to give back what it took, until that is put again; negative reads nothing back")
	})
	c.Group("Kept", func(f *flag.FlagSet) { o.kept.Flags(f, 0) })
	c.Group("Door", func(f *flag.FlagSet) { o.serve.Flags(f, 8545) })
	c.Group("Proofs", func(f *flag.FlagSet) {
		o.proofs.Flags(f, "comma-separated `addresses` of provers whose attestations count; dev is the development chain's, and the default there")
	})
	return c.Run(args, func(ctx context.Context) error { return o.run(ctx, c) })
}

func (o *sequencerOptions) run(ctx context.Context, c *cli.Command) error {
	cfg, err := o.config(c)
	if err != nil {
		return err
	}
	if err := errors.Join(o.p2p.Check(), o.layer.check()); err != nil {
		return err
	}
	spec, err := o.chain.Spec()
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
	layer, err := o.layer.open(ctx, o.ownLayerDir(), c.Log)
	if err != nil {
		return err
	}
	defer layer.close()
	key, err := cli.Key(filepath.Join(o.dir, "sequencer.key"))
	if err != nil {
		return err
	}
	signer, err := attest.NewKey(crypto.FromECDSA(key))
	if err != nil {
		return err
	}
	peers, err := o.p2p.Open(gossip.Config{
		ChainID: spec.Genesis.ChainID, Genesis: spec.Genesis.Header.Hash(),
		Signers: map[common.Address]gossip.Grant{signer.Address(): {}}, Signer: signer, Term: o.cfg.Term, Logger: c.Log,
	}, o.dir, nil)
	if err != nil {
		return err
	}
	defer peers.Close()
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
	cfg.DA, cfg.Publisher, cfg.Subscriber, cfg.History = p2p.Behind(layer.client, peers), peers, peers, store
	cfg.Backfill, cfg.Recoverer = peers.Backfill, p2p.Recover
	o.kept.States = max(o.kept.States, cfg.Retain())
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
	desk := sequencer.NewDesk(s, sequencer.DeskConfig{})
	extra, err := provers(desk, spec.Genesis.ChainID)
	if err != nil {
		return err
	}
	service := &serve.Service{
		Door: door, Extra: extra, Backend: node.OfSequencer(s, store), Engine: engine,
		Metrics: []prometheus.Collector{serve.OfSequencer(s), serve.OfDesk(desk), serve.OfHistory(store), serve.OfPeers(peers), serve.OfLayers(layer.names(), layer.active)},
		Ready:   layer.named(serve.SequencerReady(s, desk)), Drain: drain, Log: c.Log, LogLevel: &c.LogLevel, Chain: spec,
		Invitation: &p2p.Invitation{
			ChainID: spec.Genesis.ChainID, Genesis: spec.Genesis.Header.Hash(), GenesisAt: serve.GenesisPath, Sequencer: signer.Address(),
			Peers: peers.Addrs(), LayerAt: layer.listAt, ActiveAt: layer.activeAt, Provers: cfg.Provers, Threshold: cfg.ProverThreshold, Programs: cfg.Programs,
		},
	}
	if layer.own != nil {
		go cli.PruneDA(ctx, o.ownLayerDir(), o.layer.bytes, c.Log)
	}
	page := watch(s, cfg, service, door.Addr())
	defer page.Close()
	service.Page = page
	heads := s.Heads()
	fmt.Printf("sequencer of chain %d at http://%s, block %d sealed, %d proven\n",
		spec.Genesis.ChainID, door.Addr(), heads.RootChecked.Number, heads.Proven.Number)
	fmt.Printf("signs as %s, meets peers at %s\n", signer.Address(), strings.Join(peers.Addrs(), " "))
	if o.chain.Genesis == "" {
		cli.PrintDevAccounts(os.Stdout)
	}
	run := func(ctx context.Context) error { return runAndDrain(ctx, s, c.Log) }
	return serve.Together(ctx, serve.Under(run, peers.Run), service.Run)
}

// drainTime is how long the end of the program waits for the open block to be sealed and
// published: with a data-availability layer that is away that would never be.
const drainTime = 5 * time.Second

// runAndDrain runs a sequencer until ctx ends, and then leaves no open block.
func runAndDrain(ctx context.Context, s *sequencer.Sequencer, log *slog.Logger) error {
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(running) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	draining, stop := context.WithTimeout(running, drainTime)
	defer stop()
	if err := s.Drain(draining); err != nil {
		log.Warn("the next start will finish what this one did not", "err", err)
	}
	end()
	return <-ended
}

func (o *sequencerOptions) ownLayerDir() string { return filepath.Join(o.dir, "da") }

// provers is the namespace in which provers get work.
func provers(desk work.Desk, chainID uint64) (map[string]any, error) {
	api, err := work.New(work.Config{Desk: desk, ChainID: chainID, Recover: p2p.Recover})
	return map[string]any{"prover": api}, err
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
	cfg.Dir, cfg.Logger = o.dir, c.Log
	if err := cli.CheckIntervals("mini-block-interval", cfg.MiniBlockInterval, "block-interval", cfg.BlockInterval); err != nil {
		return nil, err
	}
	if err := o.kept.Check(); err != nil {
		return nil, err
	}
	if o.cfg.Term == 0 {
		return nil, fmt.Errorf("%w: -term must be at least 1", cli.ErrUsage)
	}
	if cfg.SnapshotBlocks < 1 {
		return nil, fmt.Errorf("%w: -snapshot-blocks must be at least 1", cli.ErrUsage)
	}
	if o.baseFee > 0 {
		cfg.BaseFee = uint256.NewInt(o.baseFee)
	}
	count, err := o.proofs.read(o.chain.Genesis == "")
	if err != nil {
		return nil, err
	}
	cfg.Provers, cfg.Programs, cfg.ProverThreshold = count.provers, count.programs, count.threshold
	return &cfg, nil
}
