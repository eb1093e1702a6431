package oracle

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/stateless"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/ethereum/go-ethereum/triedb"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/mainnet"
)

// A Replay is go-ethereum's own way with one real block, StateProcessor and
// stateless verification, set up once to be timed as often as one likes. It does
// not record and compares nothing but what it computes anyway: for what is right,
// see Referee. It may be used concurrently.
type Replay struct {
	chain   chainContext
	block   *chain.Block
	prior   chain.StateView
	tries   *triedb.Database // the partial state before, as tries
	codes   *state.CodeDB
	preRoot common.Hash
	witness *stateless.Witness
}

// NewReplay loads the state before b into go-ethereum and makes its witness. It
// needs a block from before Prague: later ones read the parent's hash from a
// header that the archive does not have.
func NewReplay(ctx context.Context, config *params.ChainConfig, b *mainnet.Block) (*Replay, error) {
	if config.IsPrague(new(big.Int).SetUint64(b.Header.Number), b.Header.Timestamp) {
		return nil, fmt.Errorf("replay of block %d: %w", b.Header.Number, errors.ErrUnsupported)
	}
	hash := func(number uint64) common.Hash { return b.Hashes[number] }
	r := &Replay{chain: chainContext{engine: newEngine(config), hash: hash}, block: b.Block, prior: b.Pre}
	if err := r.load(b.Pre.Changes()); err != nil {
		return nil, err
	}
	if !r.byzantium() {
		return r, nil
	}
	return r, r.makeWitness(ctx)
}

func (r *Replay) byzantium() bool {
	return r.chain.config.IsByzantium(new(big.Int).SetUint64(r.block.Header.Number))
}

// Block is the block as go-ethereum has it, decoded anew: its transactions do not
// know their senders.
func (r *Replay) Block() (*types.Block, error) { return Block(r.block) }

// Execute runs the block on plain maps; before Byzantium, when receipts need
// roots, on tries in memory.
func (r *Replay) Execute(ctx context.Context, block *types.Block) (*core.ProcessResult, error) {
	db, err := r.state()
	if err != nil {
		return nil, err
	}
	result, err := r.process(ctx, block, db)
	if err != nil {
		return nil, err
	}
	return result, db.Error()
}

// Verify does what core.ExecuteStateless does, from the block's witness: it
// executes, compares gas and bloom with the header, and computes the roots. It
// cannot be that function, which wants headers that link to the block. Before
// Byzantium go-ethereum has no witnesses: errors.ErrUnsupported.
func (r *Replay) Verify(ctx context.Context, block *types.Block) (root, receiptsRoot common.Hash, err error) {
	if r.witness == nil {
		return common.Hash{}, common.Hash{}, fmt.Errorf("stateless verification of block %d: %w", block.Number(), errors.ErrUnsupported)
	}
	memory := r.witness.MakeHashDB()
	tries := triedb.NewDatabase(memory, triedb.HashDefaults)
	defer tries.Close()
	db, err := state.New(r.preRoot, state.NewDatabase(tries, state.NewCodeDB(memory)))
	if err != nil {
		return common.Hash{}, common.Hash{}, err
	}
	result, err := r.process(ctx, block, db)
	if err != nil {
		return common.Hash{}, common.Hash{}, err
	}
	if err := core.NewBlockValidator(r.chain.config, nil).ValidateState(block, db, result, true); err != nil {
		return common.Hash{}, common.Hash{}, err
	}
	receiptsRoot = types.DeriveSha(result.Receipts, trie.NewStackTrie(nil))
	return db.IntermediateRoot(r.rules(block)), receiptsRoot, db.Error()
}

// WitnessSize is the size of what Verify starts from, in bytes of nodes and codes;
// 0 before Byzantium.
func (r *Replay) WitnessSize() (n int) {
	if r.witness == nil {
		return 0
	}
	for node := range r.witness.State {
		n += len(node)
	}
	for code := range r.witness.Codes {
		n += len(code)
	}
	return n
}

func (r *Replay) process(ctx context.Context, block *types.Block, db *state.StateDB) (*core.ProcessResult, error) {
	return core.NewStateProcessor(r.chain).Process(ctx, block, db, nil, nil, vm.Config{}, nil)
}

// state is the state before, for Execute.
func (r *Replay) state() (*state.StateDB, error) {
	if r.byzantium() {
		return newStateDB(r.prior)
	}
	return r.stateOfTries()
}

func (r *Replay) stateOfTries() (*state.StateDB, error) {
	return state.New(r.preRoot, state.NewDatabase(r.tries, r.codes))
}

// load makes tries of the state before.
func (r *Replay) load(c *chain.Changes) error {
	memory := rawdb.NewMemoryDatabase()
	r.tries = triedb.NewDatabase(memory, triedb.HashDefaults)
	r.codes = state.NewCodeDB(memory)
	db, err := state.New(types.EmptyRootHash, state.NewDatabase(r.tries, r.codes))
	if err != nil {
		return err
	}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		db.SetBalance(a.Address, &a.After.Balance, tracing.BalanceChangeUnspecified)
		db.SetNonce(a.Address, a.After.Nonce, tracing.NonceChangeUnspecified)
		if code := c.Code(a.After.CodeHash); code != nil {
			db.SetCode(a.Address, code, tracing.CodeChangeUnspecified)
		}
		for _, s := range a.Slots {
			db.SetState(a.Address, s.Key, s.After.Bytes32())
		}
	}
	// By no fork's rules: accounts that are empty before the block stay.
	r.preRoot, err = db.Commit(params.Rules{}, 0)
	return err
}

// makeWitness executes the block once, as go-ethereum does when it makes one.
func (r *Replay) makeWitness(ctx context.Context) error {
	block, err := r.Block()
	if err != nil {
		return err
	}
	if r.witness, err = stateless.NewWitness(block.Header(), rootedHeaders{r.chain, r.preRoot}, false); err != nil {
		return err
	}
	db, err := r.stateOfTries()
	if err != nil {
		return err
	}
	db.StartPrefetcher("replay", r.witness)
	defer db.StopPrefetcher()
	if _, err := r.process(ctx, block, db); err != nil {
		return err
	}
	db.IntermediateRoot(r.rules(block))
	return db.Error()
}

func (r *Replay) rules(block *types.Block) params.Rules {
	return r.chain.config.Rules(block.Number(), block.Difficulty().Sign() == 0, block.Time())
}

// rootedHeaders are the chain's headers, with a state root in each: that of the
// parent is where a witness begins.
type rootedHeaders struct {
	chainContext
	root common.Hash
}

// GetHeader implements stateless.HeaderReader.
func (h rootedHeaders) GetHeader(hash common.Hash, number uint64) *types.Header {
	header := h.chainContext.GetHeader(hash, number)
	header.Root = h.root
	return header
}

// Processed is what go-ethereum made of a block, and how long that took. What
// stateless verification tells is zero before Byzantium, where go-ethereum has
// none.
type Processed struct {
	GasUsed   uint64
	Receipts  types.Receipts
	Execution time.Duration // Replay.Execute, with recovery of the senders

	Root         common.Hash // of the partial state after the block
	ReceiptsRoot common.Hash
	WitnessSize  int           // bytes
	Verification time.Duration // Replay.Verify, with recovery of the senders
}

// Process lets go-ethereum execute a real block and verify it statelessly, once
// each.
func Process(ctx context.Context, config *params.ChainConfig, b *mainnet.Block) (*Processed, error) {
	p, err := process(ctx, config, b)
	if err != nil {
		return nil, fmt.Errorf("block %d by go-ethereum: %w", b.Header.Number, err)
	}
	return p, nil
}

func process(ctx context.Context, config *params.ChainConfig, b *mainnet.Block) (*Processed, error) {
	r, err := NewReplay(ctx, config, b)
	if err != nil {
		return nil, err
	}
	p := &Processed{WitnessSize: r.WitnessSize()}
	block, err := r.Block()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	result, err := r.Execute(ctx, block)
	p.Execution = time.Since(start)
	if err != nil {
		return nil, err
	}
	p.GasUsed, p.Receipts = result.GasUsed, result.Receipts

	if !r.byzantium() {
		return p, nil
	}
	if block, err = r.Block(); err != nil {
		return nil, err
	}
	start = time.Now()
	p.Root, p.ReceiptsRoot, err = r.Verify(ctx, block)
	p.Verification = time.Since(start)
	return p, err
}
