package gethdev

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/catalyst"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/eth/tracers"
	_ "github.com/ethereum/go-ethereum/eth/tracers/native" // callTracer and the like
	"github.com/ethereum/go-ethereum/miner"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/rpc"
)

// Config says what a node is like. Only Genesis is needed.
type Config struct {
	// Genesis is block 0 and its rules, which must have merged by then. Its gas limit
	// is that of all blocks, its coinbase gets the fees. It is not changed.
	Genesis *core.Genesis
	// Auto seals a block as soon as a transaction waits, and an empty one at the start:
	// without any, polling for a receipt is an error. Commit and Import refuse.
	Auto bool
	// DataDir is where the chain is. Empty: in memory, nothing outlives Close.
	DataDir string
	// PoolSlots is how many transactions may wait, for one sender and in all. 0:
	// go-ethereum's own bounds, 16 that can execute for one sender among them, which
	// turn a load generator away.
	PoolSlots uint64
	// Index maintains the search index of logs, as geth does; it lags behind the
	// head. Without it eth_getLogs goes by the blooms, with the same answers.
	Index bool
}

// ErrAuto is the answer of Commit and Import when blocks come by themselves.
var ErrAuto = errors.New("gethdev: the node seals blocks by itself")

// A Node is a running node. All methods may be called concurrently.
type Node struct {
	stack *node.Node
	eth   *eth.Ethereum
	auto  bool

	sealing sync.Mutex // one block at a time
}

// indexTimeout is for a busy machine: the indexer needs microseconds.
const indexTimeout = time.Minute

// namespaces are those that are served: everything except the engine API, whose door
// wants a token.
var namespaces = []string{"admin", "debug", "dev", "eth", "miner", "net", "testing", "txpool", "web3"}

// Start runs a node until Close.
func Start(c Config) (*Node, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("gethdev: %w", err)
	}
	stack, err := node.New(c.node())
	if err != nil {
		return nil, fmt.Errorf("gethdev: %w", err)
	}
	n := &Node{stack: stack, auto: c.Auto}
	if err := n.start(c); err != nil {
		return nil, errors.Join(fmt.Errorf("gethdev: %w", err), stack.Close())
	}
	return n, nil
}

func (n *Node) start(c Config) (err error) {
	if n.eth, err = eth.New(n.stack, c.eth()); err != nil {
		return err
	}
	n.stack.RegisterAPIs([]rpc.API{{
		Namespace: "eth",
		Service:   filters.NewFilterAPI(filters.NewFilterSystem(n.eth.APIBackend, filters.Config{})),
	}})
	n.stack.RegisterAPIs(tracers.APIs(n.eth.APIBackend))
	n.eth.SetSynced()
	if !c.Auto {
		return n.stack.Start()
	}
	beacon, err := catalyst.NewSimulatedBeacon(0, c.Genesis.Coinbase, n.eth)
	if err != nil {
		return err
	}
	catalyst.RegisterSimulatedBeaconAPIs(n.stack, beacon)
	n.stack.RegisterLifecycle(beacon)
	if err := n.stack.Start(); err != nil {
		return err
	}
	beacon.Commit()
	return n.awaitIndex()
}

func (c *Config) check() error {
	switch g := c.Genesis; {
	case g == nil || g.Config == nil:
		return errors.New("no genesis, or one without rules")
	case g.Config.TerminalTotalDifficulty == nil || g.Config.TerminalTotalDifficulty.Sign() != 0,
		!g.Config.IsShanghai(common.Big0, g.Timestamp):
		return errors.New("the genesis is older than Shanghai")
	case g.Difficulty != nil && g.Difficulty.Sign() != 0:
		return fmt.Errorf("the genesis has difficulty %v, want none after the merge", g.Difficulty)
	case g.GasLimit == 0:
		return errors.New("the genesis has no gas limit")
	}
	return nil
}

// node is the shell: no peers, no keys, one port.
func (c *Config) node() *node.Config {
	config := node.DefaultConfig
	config.Name = "geth"
	config.DataDir = c.DataDir
	config.P2P = p2p.Config{NoDiscovery: true, NoDial: true}
	config.HTTPHost, config.HTTPPort, config.HTTPModules = "127.0.0.1", 0, namespaces
	// Equal numbers, here 0 for any, make the two share one listener.
	config.WSHost, config.WSPort, config.WSModules = "127.0.0.1", 0, namespaces
	config.WSOrigins = []string{"*"}
	return &config
}

func (c *Config) eth() *ethconfig.Config {
	config := ethconfig.Defaults
	config.Genesis = c.Genesis
	config.SyncMode = ethconfig.FullSync
	config.EnablePreimageRecording = true // as --dev does
	config.LogNoHistory = !c.Index
	config.Miner.GasCeil = c.Genesis.GasLimit
	config.Miner.GasPrice = big.NewInt(1) // as --dev does; a tip that the pool takes is one that the miner takes
	config.Miner.PendingFeeRecipient = c.Genesis.Coinbase
	config.TxPool.NoLocals = true
	if c.PoolSlots > 0 {
		config.TxPool.AccountSlots, config.TxPool.GlobalSlots = c.PoolSlots, c.PoolSlots
		config.TxPool.AccountQueue, config.TxPool.GlobalQueue = c.PoolSlots, c.PoolSlots
	}
	return &config
}

// URL is where the node answers JSON-RPC by HTTP.
func (n *Node) URL() string { return n.stack.HTTPEndpoint() }

// WSURL is where the node answers JSON-RPC by WebSocket: URL's port.
func (n *Node) WSURL() string { return strings.Replace(n.URL(), "http:", "ws:", 1) }

// Ethereum is what is inside, for a test that wants to look or meddle.
func (n *Node) Ethereum() *eth.Ethereum { return n.eth }

// Commit seals a block of exactly these transactions in this order, and fails if one
// of them cannot be in it; without transactions, of what waits in the pool, by price.
// It becomes the head.
func (n *Node) Commit(txs ...*types.Transaction) (*types.Block, error) {
	if n.auto {
		return nil, ErrAuto
	}
	n.sealing.Lock()
	defer n.sealing.Unlock()
	// The pool takes up new heads and transactions in the background.
	if err := n.eth.TxPool().Sync(); err != nil {
		return nil, fmt.Errorf("gethdev: pool: %w", err)
	}
	head := n.eth.BlockChain().CurrentBlock()
	block, _, err := n.eth.Miner().BuildTestingPayload(&miner.BuildPayloadArgs{
		Parent:       head.Hash(),
		Timestamp:    head.Time + 1,
		FeeRecipient: head.Coinbase,
		Withdrawals:  types.Withdrawals{},
		BeaconRoot:   new(common.Hash),
	}, txs, false, nil)
	if err != nil {
		return nil, fmt.Errorf("gethdev: block %d: %w", head.Number.Uint64()+1, err)
	}
	return block, n.insert(block)
}

// Import executes blocks that follow the head one after the other, and makes the last
// one the head. It fails at the first block that is not valid by Ethereum's rules,
// its roots included; those before it stay.
func (n *Node) Import(blocks ...*types.Block) error {
	if n.auto {
		return ErrAuto
	}
	n.sealing.Lock()
	defer n.sealing.Unlock()
	return n.insert(blocks...)
}

func (n *Node) insert(blocks ...*types.Block) error {
	if i, err := n.eth.BlockChain().InsertChain(blocks); err != nil {
		return fmt.Errorf("gethdev: import: block %d: %w", blocks[i].NumberU64(), err)
	}
	if err := n.eth.TxPool().Sync(); err != nil {
		return fmt.Errorf("gethdev: pool: %w", err)
	}
	return n.awaitIndex()
}

// awaitIndex returns once a transaction that is nowhere is "not found". Until the
// indexer has run for the first time, after block 1, go-ethereum answers an error.
func (n *Node) awaitIndex() error {
	for deadline := time.Now().Add(indexTimeout); !n.eth.BlockChain().TxIndexDone(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("gethdev: transactions are not indexed after %v", indexTimeout)
		}
	}
	return nil
}

// Close stops the node, its connections first. It must be called once.
func (n *Node) Close() error { return n.stack.Close() }
