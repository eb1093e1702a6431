package main

import (
	"context"
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/directory"
	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// How many of each there are.
const (
	fullNodes = 2
	provers   = 2
)

// How much the links keep for those who lag: of each topic so many bytes in memory, or
// messages on disk, for at least as many blocks.
const (
	busBytes   = 32 << 20
	linkBlocks = 96
)

// The chain of a directory offers a snapshot so often that the links reach back to one.
// In memory, everybody is there from the start.
const snapshotBlocks = linkBlocks / 3

// watcherStates is how many states the full nodes keep that nobody asks.
const watcherStates = 8

// A network is the roles, running. They share no memory: what crosses between them
// is bytes, on links or in the directory of the data-availability layer, and each
// reads a genesis of its own.
type network struct {
	sequencer *sequencer.Sequencer
	engine    *execution.Sequential // the sequencer's
	nodes     []*fullnode.Follower
	// histories of the sequencer and of the first full node, who serve.
	history, nodeHistory *history.Store
	provers              []*prover.Prover
	links                links
	saboteur             *saboteur

	serving      bool   // and may be stopped at any time
	attestations uint64 // that came before this run

	dir    string
	passes bool // dir is removed at the end
	cancel context.CancelFunc
	work   sync.WaitGroup
	// Doors close before the roles behind them.
	stopDoors []context.CancelFunc
	doors     sync.WaitGroup
	closes    []func() error

	mu     sync.Mutex
	errs   []error
	failed chan struct{} // closed when the first role has ended by itself
}

// links carry messages between the roles; see package link.
type links interface {
	sequencer.Publisher
	fullnode.Subscriber
}

// startNetwork makes the roles and sets them to work until stop.
func startNetwork(o *options, spec *genesis.Spec, log *slog.Logger) (_ *network, err error) {
	n := &network{serving: o.serving, failed: make(chan struct{}), saboteur: &saboteur{injection: o.inject}}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.stop())
		}
	}()
	if err := n.openLinks(o); err != nil {
		return n, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel

	keys := proverKeys(o.seed)
	if err := n.addSequencer(ctx, o, spec, keys, log); err != nil {
		return n, err
	}
	for i := range fullNodes {
		if err := n.addNode(ctx, o, spec, i, log); err != nil {
			return n, err
		}
	}
	from, err := n.firstUnproven(ctx)
	if err != nil {
		return n, err
	}
	for i, key := range keys {
		if err := n.addProver(spec, key, from, log.With("role", fmt.Sprintf("prover %d", i+1))); err != nil {
			return n, err
		}
	}
	n.start(ctx, "sequencer", n.sequencer.Run)
	for i, f := range n.nodes {
		n.start(ctx, fmt.Sprintf("full node %d", i+1), f.Run)
	}
	for i, p := range n.provers {
		n.start(ctx, fmt.Sprintf("prover %d", i+1), p.Run)
	}
	n.work.Go(func() { cli.PruneDA(ctx, n.daDir(), o.daBytes, log) })
	return n, nil
}

// openLinks makes a chain in memory, with a directory that passes with it, or opens the
// one in o.dir.
func (n *network) openLinks(o *options) (err error) {
	if o.dir == "" {
		n.passes = true
		bus := link.NewBus(busBytes)
		bus.Tap(n.saboteur.tap)
		n.links = bus
		n.dir, err = os.MkdirTemp("", "vivace-devnet-")
		return err
	}
	n.dir = o.dir
	if err := cli.DataDir(n.dir); err != nil {
		return err
	}
	// A frame for each mini-block, and a header.
	n.links, err = link.NewDirectory(filepath.Join(n.dir, "links"), linkBlocks*int(o.block/o.miniBlock+2))
	if err != nil {
		return err
	}
	newest, _, err := n.links.Latest(context.Background(), link.TopicAttestations)
	switch {
	case err == nil:
		n.attestations = newest + 1
	case errors.Is(err, chain.ErrNotFound):
		err = nil
	}
	return err
}

func (n *network) daDir() string { return filepath.Join(n.dir, "da") }

// start runs a role in the background and remembers if it ends by itself.
func (n *network) start(ctx context.Context, name string, run func(context.Context) error) {
	n.work.Go(func() {
		err := run(ctx)
		if ctx.Err() != nil && err == nil {
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		n.fail(name, err)
	})
}

// fail remembers that a part has ended by itself.
func (n *network) fail(name string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.errs) == 0 {
		close(n.failed)
	}
	n.errs = append(n.errs, fmt.Errorf("%s: %w", name, err))
}

// problems are the roles that ended by themselves. An injection that found no
// occasion proves nothing, so it is one too.
func (n *network) problems() (out []string) {
	if s := n.saboteur; s.injection != injectNothing && !s.done.Load() {
		out = append(out, fmt.Sprintf("injection %s found no occasion", s.injection))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, err := range n.errs {
		out = append(out, err.Error())
	}
	return out
}

// stop ends the roles and removes what passes with them. It may be called twice.
func (n *network) stop() error {
	for _, stop := range n.stopDoors {
		stop()
	}
	n.doors.Wait()
	if n.cancel != nil {
		n.cancel()
	}
	n.work.Wait()
	var errs []error
	for i := len(n.closes) - 1; i >= 0; i-- { // who uses before what is used
		errs = append(errs, n.closes[i]())
	}
	n.closes = nil
	if n.passes && n.dir != "" {
		errs = append(errs, os.RemoveAll(n.dir))
	}
	return errors.Join(errs...)
}

func (n *network) addSequencer(ctx context.Context, o *options, spec *genesis.Spec, keys []*ecdsa.PrivateKey, log *slog.Logger) error {
	store, err := directory.Open(directory.Config{Directory: n.daDir()})
	if err != nil {
		return err
	}
	n.closes = append(n.closes, store.Close)
	own, err := ownGenesis(spec.Genesis)
	if err != nil {
		return err
	}
	var signers []common.Address
	for _, key := range keys {
		signers = append(signers, crypto.PubkeyToAddress(key.PublicKey))
	}
	if n.engine, err = execution.New(execution.Config{Chain: spec.Config}); err != nil {
		return err
	}
	if n.history, err = n.openHistory(o, own, "sequencer-history", log); err != nil {
		return err
	}
	states, roots, err := o.kept.Open()
	if err != nil {
		return err
	}
	coinbase := chain.Keccak256([]byte("vivace devnet coinbase"))
	cfg := sequencer.Config{
		Genesis: own, ChainConfig: spec.Config, Executor: n.engine, History: n.history,
		Store: states, Committer: roots,
		Dir: filepath.Join(n.dir, "sequencer"), Durability: o.durability,
		DA: store, Publisher: n.links, Subscriber: n.links,
		Coinbase:          common.BytesToAddress(coinbase[12:]),
		MiniBlockInterval: o.miniBlock, BlockInterval: o.block,
		Provers: signers, ProverThreshold: len(signers),
		Logger: log.With("role", "sequencer"),
	}
	if o.genesis == "" {
		cfg.BaseFee = uint256.NewInt(genesis.DevBaseFee) // what the load pays
	}
	if !n.passes {
		cfg.SnapshotBlocks = snapshotBlocks
	}
	if n.sequencer, err = sequencer.New(ctx, cfg); err != nil {
		return err
	}
	n.closes = append(n.closes, n.sequencer.Close)
	return nil
}

// openHistory opens a store of what blocks held and did.
func (n *network) openHistory(o *options, g *chain.Genesis, name string, log *slog.Logger) (*history.Store, error) {
	store, err := history.Open(history.Config{
		Dir: filepath.Join(n.dir, name), Genesis: g.Header, KeepBlocks: o.kept.Blocks, Logger: log.With("role", name),
	})
	if err == nil {
		n.closes = append(n.closes, store.Close)
	}
	return store, err
}

// addNode adds a full node. The first one keeps a history, to serve from.
func (n *network) addNode(ctx context.Context, o *options, spec *genesis.Spec, i int, log *slog.Logger) error {
	own, err := ownGenesis(spec.Genesis)
	if err != nil {
		return err
	}
	layer, err := directory.Open(directory.Config{Directory: n.daDir(), ReadOnly: true})
	if err != nil {
		return err
	}
	n.closes = append(n.closes, layer.Close)
	cfg := fullnode.Config{
		Genesis: own, Subscriber: n.links, DA: layer, FromSnapshot: !n.passes,
		Logger: log.With("role", fmt.Sprintf("full node %d", i+1)),
	}
	kept := cli.Kept{States: watcherStates}
	if i == 0 {
		kept = o.kept
		if n.nodeHistory, err = n.openHistory(o, own, "fullnode-history", log); err != nil {
			return err
		}
		cfg.History = n.nodeHistory
	}
	if cfg.Store, cfg.Committer, err = kept.Open(); err != nil {
		return err
	}
	f, err := fullnode.New(ctx, cfg)
	if err != nil {
		return err
	}
	n.nodes = append(n.nodes, f)
	n.closes = append(n.closes, f.Close)
	return nil
}

// firstUnproven is the number of the first publication of a block that is not proven.
func (n *network) firstUnproven(ctx context.Context) (uint64, error) {
	newest, _, err := n.links.Latest(ctx, link.TopicPublications)
	if errors.Is(err, chain.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	next, err := n.links.Subscribe(ctx, link.TopicPublications, link.Oldest)
	if err != nil {
		return 0, err
	}
	proven := n.sequencer.Heads().Proven.Number
	for {
		seq, msg, err := next(ctx)
		if err != nil {
			return 0, err
		}
		var p chain.Publication
		if err := p.UnmarshalBinary(msg); err != nil {
			return 0, err
		}
		if p.Block.Number > proven {
			return seq, nil
		}
		if seq >= newest {
			return seq + 1, nil
		}
	}
}

func (n *network) addProver(spec *genesis.Spec, key *ecdsa.PrivateKey, from uint64, log *slog.Logger) error {
	store, err := directory.Open(directory.Config{Directory: n.daDir(), ReadOnly: true})
	if err != nil {
		return err
	}
	n.closes = append(n.closes, store.Close)
	p, err := prover.New(prover.Config{
		ChainConfig: spec.Config, DA: n.saboteur.wrap(store), Key: key,
		Subscriber: n.links, Publisher: n.links, From: from, Logger: log,
	})
	if err != nil {
		return err
	}
	n.provers = append(n.provers, p)
	return nil
}

// header is that of a sealed block, however old, as the sequencer has it.
func (n *network) header(number uint64) (*chain.Header, error) {
	h, err := n.sequencer.Header(number)
	if err != nil {
		return n.history.Header(number)
	}
	return h, nil
}

// ownGenesis is a copy by way of bytes.
func ownGenesis(g *chain.Genesis) (*chain.Genesis, error) {
	header, err := g.Header.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	state, err := g.State.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	own := &chain.Genesis{ChainID: g.ChainID, Header: new(chain.Header), State: new(chain.Changes)}
	return own, errors.Join(own.Header.UnmarshalBinary(header), own.State.UnmarshalBinary(state))
}

// proverKeys are the provers' signing keys, from the seed.
func proverKeys(seed uint64) []*ecdsa.PrivateKey {
	keys := make([]*ecdsa.PrivateKey, provers)
	for i := range keys {
		src := binary.BigEndian.AppendUint64([]byte("vivace devnet prover"), seed)
		secret := chain.Keccak256(src, []byte{byte(i)})
		key, err := crypto.ToECDSA(secret[:])
		if err != nil {
			panic(fmt.Sprintf("devnet: key of prover %d: %v", i, err)) // one seed in 2^128
		}
		keys[i] = key
	}
	return keys
}
