package bench

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	gethtrie "github.com/ethereum/go-ethereum/trie"
	"github.com/ethereum/go-ethereum/triedb"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/oracle"
)

// Geth is go-ethereum's core.StateProcessor on a state.StateDB, as its blockchain
// runs them, without the caches that it keeps from block to block (code, jump
// destinations, precompiles) and without prefetching. The StateDB reads the
// workload's view as it would read a flat snapshot. Nothing computes a state root:
// before Byzantium, where the processor asks for one after each transaction, the
// trie it asks is none.
type Geth struct{}

// Prepare implements Engine.
func (Geth) Prepare(w *Workload) (Execution, error) {
	blocks := make([]*gethBlock, len(w.Blocks))
	for i, b := range w.Blocks {
		var err error
		if blocks[i], err = newGethBlock(w.Config, b); err != nil {
			return nil, fmt.Errorf("block %d: %w", b.Header.Number, err)
		}
	}
	return func(ctx context.Context, i int) (func() (*Outcome, error), error) { return blocks[i].run(ctx) }, nil
}

// gethBlock is a block as go-ethereum has it.
type gethBlock struct {
	*Block
	theirs    *types.Block
	processor *core.StateProcessor
}

func newGethBlock(config *params.ChainConfig, b *Block) (*gethBlock, error) {
	theirs, err := oracle.Block(b.Block)
	if err != nil {
		return nil, err
	}
	signer := types.MakeSigner(config, theirs.Number(), theirs.Time())
	for i, tx := range theirs.Transactions() {
		from, err := types.Sender(signer, tx) // which keeps it in tx
		if err != nil || from != b.Senders[i] {
			return nil, fmt.Errorf("sender of transaction %d: %s, %w", i, from, err)
		}
	}
	headers, err := newGethHeaders(config, b, theirs)
	return &gethBlock{b, theirs, core.NewStateProcessor(headers)}, err
}

func (b *gethBlock) run(ctx context.Context) (func() (*Outcome, error), error) {
	db, err := state.New(flatRoot, flatState{b.Prior})
	if err != nil {
		return nil, err
	}
	result, err := b.processor.Process(ctx, b.theirs, db, nil, nil, vm.Config{}, nil)
	if err != nil {
		return nil, err
	}
	return func() (*Outcome, error) {
		changes, err := b.changes(db)
		return &Outcome{
			GasUsed:      result.GasUsed,
			LogsBloom:    chain.Bloom(types.MergeBloom(result.Receipts)),
			ReceiptsRoot: types.DeriveSha(result.Receipts, gethtrie.NewStackTrie(nil)),
			Changes:      changes,
		}, errors.Join(err, db.Error())
	}, nil
}

// changes reads out of db everything that the referee saw the block access. That an
// account was destroyed and made anew in between, which db no longer knows, is taken
// from the referee.
func (b *gethBlock) changes(db *state.StateDB) (*chain.Changes, error) {
	c := new(chain.Changes)
	for i := range b.Want.Accesses.Accounts {
		access := &b.Want.Accesses.Accounts[i]
		before, existed, err := b.Prior.Account(access.Address)
		if err != nil {
			return nil, err
		}
		a := chain.AccountChange{Address: access.Address, Before: before, Existed: existed, Exists: db.Exist(access.Address)}
		if want := b.Want.Changes.Account(a.Address); want != nil {
			a.Cleared = want.Cleared
		}
		if a.Exists {
			a.After = chain.Account{
				Nonce: db.GetNonce(a.Address), Balance: *db.GetBalance(a.Address), CodeHash: db.GetCodeHash(a.Address),
			}
			c.Codes = append(c.Codes, chain.Code{Hash: a.After.CodeHash, Bytes: db.GetCode(a.Address)})
		}
		for _, key := range access.Slots {
			slot := chain.SlotChange{Key: key}
			if existed && !a.Cleared {
				if slot.Before, err = b.Prior.Slot(a.Address, key); err != nil {
					return nil, err
				}
			}
			value := db.GetState(a.Address, key)
			slot.After.SetBytes32(value[:])
			a.Slots = append(a.Slots, slot)
		}
		c.Accounts = append(c.Accounts, a)
	}
	c.Normalize()
	return c, nil
}

// gethHeaders is the chain before a block: what core asks of it.
type gethHeaders struct {
	consensus.ChainHeaderReader
	config   *params.ChainConfig
	engine   consensus.Engine
	byNumber map[uint64]*types.Header
}

// Config implements core.ChainContext.
func (h *gethHeaders) Config() *params.ChainConfig { return h.config }

// Engine implements core.ChainContext.
func (h *gethHeaders) Engine() consensus.Engine { return h.engine }

// GetHeader implements core.ChainContext.
func (h *gethHeaders) GetHeader(_ common.Hash, number uint64) *types.Header {
	return h.byNumber[number]
}

// newGethHeaders makes headers of which only the parent's hash is known, where the
// block has no parent to show. That is enough for BLOCKHASH.
func newGethHeaders(config *params.ChainConfig, b *Block, theirs *types.Block) (*gethHeaders, error) {
	h := &gethHeaders{
		config: config, engine: beacon.New(ethash.NewFaker()), byNumber: make(map[uint64]*types.Header),
	}
	const reach = 256 // of BLOCKHASH
	for number := theirs.NumberU64() - 1; number+reach >= theirs.NumberU64(); number-- {
		header := &types.Header{Number: new(big.Int).SetUint64(number)}
		h.byNumber[number] = header
		if number == 0 {
			break
		}
		hash, err := b.Ancestors.BlockHash(context.Background(), number-1)
		if err != nil && !errors.Is(err, chain.ErrUnknown) {
			return nil, err
		}
		header.ParentHash = hash
	}
	if b.Parent != nil {
		parent, err := oracle.Block(&chain.Block{Header: b.Parent, Withdrawals: noWithdrawals(b.Parent)})
		if err != nil {
			return nil, err
		}
		h.byNumber[b.Parent.Number] = parent.Header()
	}
	return h, nil
}

func noWithdrawals(h *chain.Header) []chain.Withdrawal {
	if h.WithdrawalsRoot == nil {
		return nil
	}
	return []chain.Withdrawal{}
}

// flatState is a state.Database, and its only Reader, over a view.
type flatState struct{ chain.StateView }

// flatRoot stands where go-ethereum wants a root. It is not the empty root, which
// would say of an account that it has no storage.
var flatRoot = common.Hash{1}

var errNoTrie = errors.New("flat state has no trie")

func (flatState) Type() state.DatabaseType                     { return state.TypeMPT }
func (f flatState) Reader(common.Hash) (state.Reader, error)   { return f, nil }
func (flatState) Iteratee(common.Hash) (state.Iteratee, error) { return nil, errNoTrie }
func (flatState) OpenTrie(common.Hash) (state.Trie, error)     { return noTrie{}, nil }
func (flatState) TrieDB() *triedb.Database                     { return nil }
func (flatState) Commit(*state.StateUpdate) error              { return errNoTrie }
func (flatState) OpenStorageTrie(common.Hash, common.Address, common.Hash, state.Trie) (state.Trie, error) {
	return noTrie{}, nil
}

// Account implements state.StateReader.
func (f flatState) Account(addr common.Address) (*types.StateAccount, error) {
	a, ok, err := f.StateView.Account(addr)
	if !ok || err != nil {
		return nil, err
	}
	return &types.StateAccount{Nonce: a.Nonce, Balance: &a.Balance, Root: flatRoot, CodeHash: a.CodeHash[:]}, nil
}

// Storage implements state.StateReader.
func (f flatState) Storage(addr common.Address, key common.Hash) (common.Hash, error) {
	v, err := f.StateView.Slot(addr, key)
	return v.Bytes32(), err
}

// Code implements state.ContractCodeReader.
func (f flatState) Code(_ common.Address, hash common.Hash) []byte {
	code, err := f.StateView.Code(hash)
	if err != nil {
		return nil // StateDB makes an error of it
	}
	return code
}

// CodeSize implements state.ContractCodeReader.
func (f flatState) CodeSize(addr common.Address, hash common.Hash) int {
	return len(f.Code(addr, hash))
}

// Has implements state.ContractCodeReader.
func (f flatState) Has(addr common.Address, hash common.Hash) bool {
	return len(f.Code(addr, hash)) > 0
}

// noTrie takes every write and has the root zero.
type noTrie struct{ state.Trie }

func (noTrie) UpdateAccount(common.Address, *types.StateAccount, int) error       { return nil }
func (noTrie) UpdateContractCode(_ common.Address, _ common.Hash, _ []byte) error { return nil }
func (noTrie) DeleteAccount(common.Address) error                                 { return nil }
func (noTrie) UpdateStorage(common.Address, []byte, []byte) error                 { return nil }
func (noTrie) DeleteStorage(common.Address, []byte) error                         { return nil }
func (noTrie) Hash() common.Hash                                                  { return common.Hash{} }
