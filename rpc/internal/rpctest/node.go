package rpctest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
	"github.com/vivace-chain/vivace/trie"
)

// Options vary a Node. The zero value is useful.
type Options struct {
	// Hold keeps what Send and Submit take in the pool until the next Mini or Seal.
	Hold bool
	// BlockTime is how many seconds are between blocks that are sealed here.
	// Default 1.
	BlockTime uint64
	// Retain is how many blocks before the newest have their state. Default 1024;
	// negative: none.
	Retain int
	// PoolTxs is how many transactions may wait. Default 4096.
	PoolTxs int
	// History alters the configuration of the history, if set.
	History func(*history.Config)
}

// A Node is a chain in memory that a test makes blocks of. Its methods may be called
// concurrently; those that make blocks take turns, and end the test when something
// is wrong.
type Node struct {
	tb      testing.TB
	opts    Options
	spec    *genesis.Spec
	engine  *execution.Sequential
	store   *state.Store
	trie    *trie.StateTrie
	history *history.Store

	// trieMu is held around Begin and Commit, which are for one goroutine at a time.
	trieMu sync.Mutex

	// making is held while blocks are made.
	making sync.Mutex
	head   *chain.Header
	frame  common.Hash // digest of the newest frame
	open   *openBlock  // or nil
	// running takes the changes of single transactions of a block that is imported,
	// for receipts before Byzantium.
	running chain.Commitment

	// mu guards what follows. It is never held while something executes.
	mu     sync.Mutex
	view   chain.StateView
	env    *chain.Env // of view
	pool   pool
	heads  *backend.Heads // pinned, or nil
	refuse error
	nonces map[common.Address]uint64 // of accounts that sign for the test
}

var _ backend.Backend = (*Node)(nil)

// New makes a node that stands at the genesis of spec, and closes it with the test.
func New(tb testing.TB, spec *genesis.Spec, opts Options) *Node {
	tb.Helper()
	n, err := open(tb, spec, opts)
	if err != nil {
		tb.Fatalf("rpctest: %v", err)
	}
	return n
}

func open(tb testing.TB, spec *genesis.Spec, opts Options) (*Node, error) {
	if opts.BlockTime == 0 {
		opts.BlockTime = 1
	}
	if opts.Retain == 0 {
		opts.Retain = 1024
	}
	if opts.PoolTxs == 0 {
		opts.PoolTxs = 4096
	}
	n := &Node{
		tb: tb, opts: opts, spec: spec, head: spec.Genesis.Header, frame: spec.Genesis.Header.Hash(),
		trie:   trie.New(trie.Config{Retain: opts.Retain}),
		pool:   newPool(opts.PoolTxs),
		nonces: make(map[common.Address]uint64),
	}
	var err error
	if n.engine, err = execution.New(execution.Config{Chain: spec.Config, TxRoot: n.txRoot}); err != nil {
		return nil, err
	}
	if n.store, err = state.Open(state.Config{Retain: opts.Retain}); err != nil {
		return nil, err
	}
	cfg := history.Config{Dir: tb.TempDir(), Genesis: n.head}
	if opts.History != nil {
		opts.History(&cfg)
	}
	if n.history, err = history.Open(cfg); err != nil {
		return nil, err
	}
	tb.Cleanup(func() {
		if err := n.history.Close(); err != nil {
			tb.Errorf("rpctest: close history: %v", err)
		}
	})
	return n, n.begin(context.Background(), spec.Genesis)
}

// begin commits the genesis.
func (n *Node) begin(ctx context.Context, g *chain.Genesis) error {
	staged, err := n.store.Stage(ctx, g.State)
	if err != nil {
		return err
	}
	if err := staged.Commit(ctx, g.Header.ID()); err != nil {
		return err
	}
	root, err := n.commit(ctx, chain.EmptyRoot, g.State)
	if err != nil {
		return err
	}
	if root != g.Header.StateRoot {
		return fmt.Errorf("genesis has root %s, its header %s", root, g.Header.StateRoot)
	}
	return n.show()
}

// commit puts changes on a root of the trie, and returns the root after.
func (n *Node) commit(ctx context.Context, parent common.Hash, c *chain.Changes) (common.Hash, error) {
	commitment, err := n.beginTrie(ctx, parent)
	if err != nil {
		return common.Hash{}, err
	}
	defer commitment.Discard()
	if err := commitment.Apply(c); err != nil {
		return common.Hash{}, err
	}
	root, err := commitment.Root(ctx)
	if err != nil {
		return common.Hash{}, err
	}
	n.trieMu.Lock()
	defer n.trieMu.Unlock()
	return root, commitment.Commit(ctx)
}

func (n *Node) beginTrie(ctx context.Context, root common.Hash) (chain.Commitment, error) {
	n.trieMu.Lock()
	defer n.trieMu.Unlock()
	return n.trie.Begin(ctx, root)
}

// show makes the newest state the one that Latest returns.
func (n *Node) show() error {
	var (
		view chain.StateView
		env  *chain.Env
		err  error
	)
	if n.open != nil && n.open.tip != nil {
		view, env = n.open.tip.View(), n.open.env
	} else {
		env = (&chain.Block{Header: n.head}).Env()
		if view, err = n.store.View(n.head.ID()); err != nil {
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.view, n.env = view, env
	return nil
}

// Engine executes the node's blocks.
func (n *Node) Engine() *execution.Sequential { return n.engine }

// Head is the header of the newest sealed block.
func (n *Node) Head() *chain.Header {
	n.making.Lock()
	defer n.making.Unlock()
	return n.head
}

// Pin makes Heads return heads, whatever is sealed; nil follows what is sealed again.
func (n *Node) Pin(heads *backend.Heads) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.heads = heads
}

// Refuse makes Send and Submit fail with err until it is called with nil.
func (n *Node) Refuse(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuse = err
}

// ChainConfig implements backend.Backend.
func (n *Node) ChainConfig() *params.ChainConfig { return n.spec.Config }

// History implements backend.Backend.
func (n *Node) History() *history.Store { return n.history }

// Heads implements backend.Backend: what is sealed counts as published and proven,
// unless Pin said otherwise.
func (n *Node) Heads() backend.Heads {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.heads != nil {
		return *n.heads
	}
	id := n.history.Head()
	return backend.Heads{Sealed: id, Published: id, Proven: id}
}

// Latest implements backend.Backend: with everything that is acknowledged.
func (n *Node) Latest() (chain.StateView, *chain.Env) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.view, n.env
}

// OpenEnv implements backend.Backend: nil unless there is something in the block after
// the newest sealed one.
func (n *Node) OpenEnv() *chain.Env {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.env.Number > n.history.Head().Number {
		return n.env
	}
	return nil
}

// StateAt implements backend.Backend.
func (n *Node) StateAt(id chain.BlockID) (chain.StateView, error) { return n.store.View(id) }

// Begin implements backend.Backend.
func (n *Node) Begin(ctx context.Context, root common.Hash) (chain.Commitment, error) {
	commitment, err := n.beginTrie(ctx, root)
	if err != nil {
		return nil, err
	}
	return borrowed{commitment}, nil
}

// borrowed is a Commitment of the door's, beside those of blocks.
type borrowed struct{ chain.Commitment }

func (borrowed) Commit(context.Context) error {
	return fmt.Errorf("%w: a commitment that the door began is never committed", chain.ErrClosed)
}
