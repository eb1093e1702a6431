package bench

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	gethtrie "github.com/ethereum/go-ethereum/trie"
	"github.com/ethereum/go-ethereum/trie/trienode"
	"github.com/ethereum/go-ethereum/triedb"
	"github.com/ethereum/go-ethereum/triedb/pathdb"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
)

var errNoWitness = errors.New("go-ethereum's tries make no witness here")

// GethPathDB is go-ethereum's tries on its path database, in memory: each block
// opens the tries at the root before it, resolves the nodes that it needs out of
// the layers of the blocks before, and leaves a layer of its own. The state before
// the first block is flushed, to a key-value store in memory. Snapshots and histories,
// which other parts keep here, are off.
func GethPathDB(tb testing.TB) chain.Committer {
	db := triedb.NewDatabase(rawdb.NewMemoryDatabase(), &triedb.Config{PathDB: &pathdb.Config{
		TrieCleanSize: 256 << 20, WriteBufferSize: 256 << 20, TrienodeHistory: -1, SnapshotNoBuild: true, NoAsyncFlush: true,
	}})
	tb.Cleanup(func() { db.Close() })
	return &gethPathDB{db: db}
}

type gethPathDB struct {
	db    *triedb.Database
	block uint64
}

// Begin implements chain.Committer.
func (g *gethPathDB) Begin(_ context.Context, parent common.Hash) (chain.Commitment, error) {
	accounts, err := gethtrie.NewStateTrie(gethtrie.StateTrieID(parent), g.db)
	if err != nil {
		return nil, err
	}
	c := &gethPathCommitment{db: g, parent: parent}
	c.tries = gethTries{accounts: accounts, open: c.storage}
	return c, nil
}

type gethPathCommitment struct {
	db     *gethPathDB
	parent common.Hash
	tries  gethTries
	root   common.Hash
}

// storage opens the storage trie of an account as it was.
func (c *gethPathCommitment) storage(address common.Address) (*gethtrie.StateTrie, error) {
	account, err := c.tries.accounts.GetAccount(address)
	if err != nil {
		return nil, err
	}
	root := types.EmptyRootHash
	if account != nil {
		root = account.Root
	}
	return gethtrie.NewStateTrie(gethtrie.StorageTrieID(c.parent, crypto.Keccak256Hash(address[:]), root), c.db.db)
}

// Apply implements chain.Commitment, once.
func (c *gethPathCommitment) Apply(changes *chain.Changes) error { return c.tries.apply(changes) }

// Root implements chain.Commitment.
func (c *gethPathCommitment) Root(context.Context) (common.Hash, error) {
	c.root = c.tries.accounts.Hash()
	return c.root, nil
}

// Witness implements chain.Commitment.
func (c *gethPathCommitment) Witness(context.Context, *chain.AccessSet) (*chain.Witness, error) {
	return nil, errNoWitness
}

// Commit implements chain.Commitment.
func (c *gethPathCommitment) Commit(context.Context) error {
	var (
		nodes   = trienode.NewMergedNodeSet()
		sets    = make(chan *trienode.NodeSet, 1+len(c.tries.storage))
		workers errgroup.Group
	)
	workers.Go(func() error { // as StateDB does
		_, set := c.tries.accounts.Commit(true)
		sets <- set
		return nil
	})
	for _, storage := range c.tries.storage {
		workers.Go(func() error {
			_, set := storage.Commit(false)
			sets <- set
			return nil
		})
	}
	workers.Wait() // none fails
	close(sets)
	for set := range sets {
		if set == nil {
			continue
		}
		if err := nodes.Merge(set); err != nil {
			return err
		}
	}
	g := c.db
	g.block++
	if err := g.db.Update(c.root, c.parent, g.block, nodes, triedb.NewStateSet()); err != nil {
		return err
	}
	if g.block > 1 {
		return nil
	}
	return g.db.Commit(c.root, false) // the state before the first block
}

// Discard implements chain.Commitment.
func (c *gethPathCommitment) Discard() {}

// GethResident is go-ethereum's tries without a database: they stay open from block
// to block with all their nodes in memory, and are hashed but never committed. It is
// what go-ethereum's trie code can do at best; the node does not run it so.
func GethResident(testing.TB) chain.Committer {
	db := triedb.NewDatabase(rawdb.NewMemoryDatabase(), nil)
	empty := func(common.Address) (*gethtrie.StateTrie, error) {
		return gethtrie.NewStateTrie(gethtrie.TrieID(types.EmptyRootHash), db)
	}
	accounts, err := empty(common.Address{})
	if err != nil {
		panic(err) // the empty trie needs nothing of the database
	}
	return &gethResident{tries: gethTries{accounts: accounts, open: empty}, root: types.EmptyRootHash}
}

// gethResident is its own and only commitment.
type gethResident struct {
	tries gethTries
	root  common.Hash
}

// Begin implements chain.Committer, for the newest root.
func (g *gethResident) Begin(_ context.Context, parent common.Hash) (chain.Commitment, error) {
	if parent != g.root {
		return nil, fmt.Errorf("root %s: %w", parent, chain.ErrNotFound)
	}
	return g, nil
}

// Apply implements chain.Commitment.
func (g *gethResident) Apply(changes *chain.Changes) error { return g.tries.apply(changes) }

// Root implements chain.Commitment.
func (g *gethResident) Root(context.Context) (common.Hash, error) {
	g.root = g.tries.accounts.Hash()
	return g.root, nil
}

// Witness implements chain.Commitment.
func (g *gethResident) Witness(context.Context, *chain.AccessSet) (*chain.Witness, error) {
	return nil, errNoWitness
}

// Commit implements chain.Commitment: the tries are what they are.
func (g *gethResident) Commit(context.Context) error { return nil }

// Discard implements chain.Commitment.
func (g *gethResident) Discard() {}

// gethTries are the tries of a state, as far as they are open.
type gethTries struct {
	accounts *gethtrie.StateTrie
	storage  map[common.Address]*gethtrie.StateTrie
	open     func(common.Address) (*gethtrie.StateTrie, error) // a storage trie
}

// apply does to the tries what StateDB.IntermediateRoot does: first the storage
// tries, side by side and hashed, then the accounts; in each trie updates before
// deletions. Accounts that were destroyed are not among what it is given.
func (t *gethTries) apply(changes *chain.Changes) error {
	if t.storage == nil {
		t.storage = make(map[common.Address]*gethtrie.StateTrie)
	}
	var workers errgroup.Group
	for i := range changes.Accounts {
		a := &changes.Accounts[i]
		if a.Cleared {
			return errors.New("destroyed accounts are not supported")
		}
		if len(a.Slots) == 0 {
			continue
		}
		if t.storage[a.Address] == nil {
			storage, err := t.open(a.Address)
			if err != nil {
				return err
			}
			t.storage[a.Address] = storage
		}
		storage := t.storage[a.Address]
		workers.Go(func() error { return applySlots(storage, a) })
	}
	if err := workers.Wait(); err != nil {
		return err
	}
	for i := range changes.Accounts {
		if err := t.applyAccount(&changes.Accounts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *gethTries) applyAccount(a *chain.AccountChange) error {
	account := &types.StateAccount{
		Nonce: a.After.Nonce, Balance: &a.After.Balance, Root: types.EmptyRootHash, CodeHash: a.After.CodeHash[:],
	}
	switch storage := t.storage[a.Address]; {
	case storage != nil:
		account.Root = storage.Hash()
	case a.Existed && a.Before.CodeHash != chain.EmptyCodeHash: // it may have storage, of which nothing changed
		before, err := t.accounts.GetAccount(a.Address)
		if err != nil {
			return err
		}
		account.Root = before.Root
	}
	return t.accounts.UpdateAccount(a.Address, account, 0)
}

func applySlots(storage *gethtrie.StateTrie, a *chain.AccountChange) error {
	for i := range a.Slots {
		if s := &a.Slots[i]; !s.After.IsZero() {
			if err := storage.UpdateStorage(a.Address, s.Key[:], s.After.Bytes()); err != nil {
				return err
			}
		}
	}
	for i := range a.Slots {
		if s := &a.Slots[i]; s.After.IsZero() {
			if err := storage.DeleteStorage(a.Address, s.Key[:]); err != nil {
				return err
			}
		}
	}
	storage.Hash()
	return nil
}
