package oracle

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/triedb"

	"github.com/vivace-chain/vivace/chain"
)

// newStateDB is go-ethereum's StateDB over a view: no trie, no database, so that
// what is left to measure and to compare is the execution.
func newStateDB(view chain.StateView) (*state.StateDB, error) {
	return state.New(flatRoot, flat{view})
}

// flatRoot stands where go-ethereum wants a root. It is none: nothing over a flat
// state computes one. It is not the empty root either, which would say of an
// account that it has no storage.
var flatRoot = common.Hash{1}

var errNoTrie = errors.New("flat state has no trie")

// flat is a state.Database, and its only Reader, over a view.
type flat struct{ chain.StateView }

func (flat) Type() state.DatabaseType                     { return state.TypeMPT }
func (f flat) Reader(common.Hash) (state.Reader, error)   { return f, nil }
func (flat) Iteratee(common.Hash) (state.Iteratee, error) { return nil, errNoTrie }
func (flat) OpenTrie(common.Hash) (state.Trie, error)     { return nil, errNoTrie }
func (flat) TrieDB() *triedb.Database                     { return nil }
func (flat) Commit(*state.StateUpdate) error              { return errNoTrie }
func (flat) OpenStorageTrie(common.Hash, common.Address, common.Hash, state.Trie) (state.Trie, error) {
	return nil, errNoTrie
}

// Account implements state.StateReader.
func (f flat) Account(addr common.Address) (*types.StateAccount, error) {
	a, ok, err := f.StateView.Account(addr)
	if !ok || err != nil {
		return nil, err
	}
	return &types.StateAccount{Nonce: a.Nonce, Balance: &a.Balance, Root: flatRoot, CodeHash: a.CodeHash[:]}, nil
}

// Storage implements state.StateReader.
func (f flat) Storage(addr common.Address, key common.Hash) (common.Hash, error) {
	v, err := f.StateView.Slot(addr, key)
	return v.Bytes32(), err
}

// Code implements state.ContractCodeReader.
func (f flat) Code(_ common.Address, hash common.Hash) []byte {
	code, err := f.StateView.Code(hash)
	if err != nil {
		return nil // StateDB makes an error of it
	}
	return code
}

// CodeSize implements state.ContractCodeReader.
func (f flat) CodeSize(addr common.Address, hash common.Hash) int { return len(f.Code(addr, hash)) }

// Has implements state.ContractCodeReader.
func (f flat) Has(addr common.Address, hash common.Hash) bool { return len(f.Code(addr, hash)) > 0 }
