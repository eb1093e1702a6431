package role

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/p2p"
	"github.com/vivace-chain/vivace/examples/internal/serve"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

type fullnodeOptions struct {
	chain     cli.Chain
	serve     serve.Options
	p2p       p2p.Options
	dir       string
	sequencer string
	signer    string
	layer     string
	snapshot  bool
	mode      string
	verify    bool
	proofs    proofs
	kept      cli.Kept
	every     time.Duration
}

// The modes of a full node.
const (
	modeArchive = "archive"
	modeState   = "state"
)

// Fullnode is the program fullnode: it returns the exit code.
func Fullnode(args []string) int {
	var o fullnodeOptions
	c := cli.New("fullnode", "Runs a full node of a Vivace chain: it applies diffs and checks roots.")
	c.Group("Chain", o.chain.Flags)
	c.Group("Full node", func(f *flag.FlagSet) {
		f.StringVar(&o.dir, "datadir", cli.Place("fullnode"), "`directory` of the history, the key, and the snapshots that are kept for peers")
		f.BoolVar(&o.snapshot, "from-snapshot", true, "begin at the newest snapshot on offer, if there is one, instead of genesis")
		f.StringVar(&o.sequencer, "sequencer", "http://127.0.0.1:8545", "`address` of the sequencer's door: for transactions, and to find its network")
		f.StringVar(&o.signer, "signer", "", "`address` of the key whose word counts; of a sequencer on this machine, it may say so itself")
		f.StringVar(&o.layer, "da.layer", "", layersUsage+"; by default what the sequencer names")
		f.StringVar(&o.mode, "mode", modeArchive, "`what` to keep beside the state: archive (blocks, receipts and logs) or state (headers); what a node does not keep it asks the sequencer for")
		f.BoolVar(&o.verify, "verify", false, "execute each block again, and end if the sequencer's changes or receipts are others")
		f.DurationVar(&o.every, "print-interval", time.Second, "how often to print the heads; 0 is never")
	})
	c.Group("Proofs", func(f *flag.FlagSet) {
		o.proofs.Flags(f, "comma-separated `addresses` of provers who are believed; of a sequencer on this machine, those that it names")
	})
	c.Group("Network", func(f *flag.FlagSet) { o.p2p.Flags(f, 9546) })
	c.Group("Kept", func(f *flag.FlagSet) { o.kept.Flags(f, 0) })
	c.Group("Door", func(f *flag.FlagSet) { o.serve.Flags(f, 8547) })
	return c.Run(args, func(ctx context.Context) error { return o.run(ctx, c) })
}

func (o *fullnodeOptions) run(ctx context.Context, c *cli.Command) error {
	if err := o.check(); err != nil {
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
	invitation, layer, err := accept(ctx, o.sequencer, o.layer, spec.Genesis, c.Log)
	if invitation == nil {
		return err
	}
	signer, err := invitation.Signer(o.sequencer, common.HexToAddress(o.signer))
	if err != nil {
		return fmt.Errorf("%w: -signer: %w", cli.ErrUsage, err)
	}
	believed, err := o.proofs.read(false)
	if err != nil {
		return err
	}
	if p2p.OnThisMachine(o.sequencer) {
		believed = believed.completed(invitation)
	}
	peers, err := o.p2p.Open(gossip.Config{
		ChainID: spec.Genesis.ChainID, Genesis: spec.Genesis.Header.Hash(),
		Signers: map[common.Address]gossip.Grant{signer: {}}, WithoutBodies: o.mode == modeState, Logger: c.Log,
	}, o.dir, invitation.Peers)
	if err != nil {
		return err
	}
	defer peers.Close()
	return serve.Under(func(ctx context.Context) error { return o.follow(ctx, c, spec, door, peers, layer, believed) }, peers.Run)(ctx)
}

// follow runs the node when there are peers.
func (o *fullnodeOptions) follow(ctx context.Context, c *cli.Command, spec *genesis.Spec, door *serve.Door, peers *gossip.Node, layer chain.DAClient, believed allowed) error {
	if err := peers.Await(ctx); err != nil {
		return nil // asked to end
	}
	store, err := history.Open(history.Config{
		Dir: filepath.Join(o.dir, "history"), Genesis: spec.Genesis.Header, KeepBlocks: o.kept.Blocks, HeadersOnly: o.mode == modeState, Logger: c.Log,
	})
	if err != nil {
		return err
	}
	defer store.Close()
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	if err != nil {
		return err
	}
	cfg := o.config(spec.Genesis, engine)
	cfg.Subscriber, cfg.DA, cfg.History, cfg.Logger = peers, p2p.Behind(layer, peers), store, c.Log
	cfg.Provers, cfg.Programs, cfg.ProverThreshold = believed.provers, believed.programs, believed.threshold
	f, err := join(ctx, cfg)
	if f == nil {
		return err
	}
	defer f.Close()
	upstream, err := node.Dial(ctx, o.sequencer)
	if err != nil {
		return fmt.Errorf("-sequencer: %w", err)
	}
	defer upstream.Close()
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	service := &serve.Service{
		Door: door, Name: "full node", Backend: node.OfFullnode(f, store, spec.Config, node.FullnodeOptions{Sequencer: upstream, Logger: c.Log}), Engine: engine,
		Metrics: []prometheus.Collector{serve.OfFullnode(f), serve.OfHistory(store), serve.OfPeers(peers)},
		Ready:   serve.Both(serve.FullnodeReady(f, store), serve.PeersReady(peers)), Drain: drain, Log: c.Log, LogLevel: &c.LogLevel, Chain: spec,
	}
	fmt.Printf("full node of chain %d at http://%s begins at block %s\n", spec.Genesis.ChainID, door.Addr(), f.Heads().RootChecked)
	fmt.Printf("meets peers at %s\n", strings.Join(peers.Addrs(), " "))
	if o.every > 0 {
		defer printHeads(f, o.every)()
	}
	return serve.Together(ctx, f.Run, service.Run)
}

// config is how the node works, whatever it follows. One that is further behind than the
// network keeps the feed begins anew at a snapshot. An archive's history has a gap then, in
// which it answers that blocks are not kept: from the layer it would not have their receipts
// either, and be behind for longer. With -verify it makes them from there, and a node of
// state needs none, so these take the blocks first, and a snapshot if there are none.
func (o *fullnodeOptions) config(genesis *chain.Genesis, engine chain.Executor) fullnode.Config {
	cfg := fullnode.Config{
		Genesis: genesis, FromSnapshot: o.snapshot, FromDA: true, Recoverer: p2p.Recover,
		Open: func() (chain.StateStore, chain.Committer, error) { return o.kept.Open() },
	}
	if o.verify {
		cfg.Reexecute = prover.Reexecute(engine)
	}
	return cfg
}

// check finds flags that make no sense.
func (o *fullnodeOptions) check() error {
	u, err := url.Parse(o.sequencer)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) {
		return fmt.Errorf("%w: -sequencer: %q is no address of a door, such as http://127.0.0.1:8545", cli.ErrUsage, o.sequencer)
	}
	if o.signer != "" && !common.IsHexAddress(o.signer) {
		return fmt.Errorf("%w: -signer: %q is not an address", cli.ErrUsage, o.signer)
	}
	switch {
	case o.mode != modeArchive && o.mode != modeState:
		return fmt.Errorf("%w: -mode: %q is neither archive nor state", cli.ErrUsage, o.mode)
	case o.mode == modeState && o.verify:
		return fmt.Errorf("%w: -verify needs the blocks of -mode archive", cli.ErrUsage)
	}
	if _, err := o.proofs.read(false); err != nil {
		return err
	}
	return errors.Join(o.kept.Check(), o.p2p.Check(), checkLayers(o.layer))
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
				fmt.Printf("mini-block %d/%d, root checked %s, %d transactions, %d bytes of diffs, %d of bodies, %d of receipts\n",
					heads.Preconfirmed.Number, heads.Preconfirmed.Index, heads.RootChecked, stats.Transactions, stats.DiffBytes, stats.BodyBytes, stats.ReceiptBytes)
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
