package oracle

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// A recorder is go-ethereum's StateDB over a view, which notes what core and
// core/vm ask of it: that is the definition of chain.AccessSet. It holds one
// span of execution, a transaction or a block.
type recorder struct {
	*state.StateDB
	prior    chain.StateView
	accounts map[common.Address]*accessed
	touched  []*accessed // since the last Finalise
	blocks   map[uint64]struct{}
	err      error // the first failure of prior or of the ancestors
}

// accessed is one account that the span read or wrote.
type accessed struct {
	address common.Address
	before  chain.Account
	existed bool
	cleared bool // it existed before the span and was gone at the end of some transaction
	pending bool // in recorder.touched
	code    bool
	slots   map[common.Hash]struct{}
}

var _ vm.StateDB = (*recorder)(nil)

func newRecorder(prior chain.StateView) (*recorder, error) {
	db, err := newStateDB(prior)
	if err != nil {
		return nil, err
	}
	return &recorder{
		StateDB:  db,
		prior:    prior,
		accounts: make(map[common.Address]*accessed),
		blocks:   make(map[uint64]struct{}),
	}, nil
}

// account notes an access to the account itself.
func (r *recorder) account(addr common.Address) *accessed {
	a, ok := r.accounts[addr]
	if !ok {
		a = &accessed{address: addr}
		var err error
		if a.before, a.existed, err = r.prior.Account(addr); err != nil {
			r.fail(err)
		}
		r.accounts[addr] = a
	}
	if !a.pending {
		a.pending = true
		r.touched = append(r.touched, a)
	}
	return a
}

func (r *recorder) slot(addr common.Address, key common.Hash) {
	a := r.account(addr)
	if a.slots == nil {
		a.slots = make(map[common.Hash]struct{})
	}
	a.slots[key] = struct{}{}
}

// code notes that the account's code was read. Only the code from before the span
// counts; a code that the span itself wrote under the same hash was read before
// it was written, so that comparing hashes is enough.
func (r *recorder) code(addr common.Address) {
	a := r.account(addr)
	if !a.code && a.existed && a.before.CodeHash != chain.EmptyCodeHash {
		a.code = r.StateDB.GetCodeHash(addr) == a.before.CodeHash
	}
}

func (r *recorder) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// failure is the first error of the views behind the execution.
func (r *recorder) failure() error {
	if r.err != nil {
		return r.err
	}
	return r.StateDB.Error()
}

// blockHash answers BLOCKHASH.
func (r *recorder) blockHash(ctx context.Context, ancestors chain.Ancestors) vm.GetHashFunc {
	return func(number uint64) common.Hash {
		r.blocks[number] = struct{}{}
		hash, err := ancestors.BlockHash(ctx, number)
		if err != nil {
			r.fail(fmt.Errorf("hash of block %d: %w", number, err))
		}
		return hash
	}
}

func (r *recorder) CreateAccount(addr common.Address) {
	r.account(addr)
	r.StateDB.CreateAccount(addr)
}

func (r *recorder) CreateContract(addr common.Address) {
	r.account(addr)
	r.StateDB.CreateContract(addr)
}

func (r *recorder) SubBalance(addr common.Address, amount *uint256.Int, why tracing.BalanceChangeReason) uint256.Int {
	r.account(addr)
	return r.StateDB.SubBalance(addr, amount, why)
}

func (r *recorder) AddBalance(addr common.Address, amount *uint256.Int, why tracing.BalanceChangeReason) uint256.Int {
	r.account(addr)
	return r.StateDB.AddBalance(addr, amount, why)
}

func (r *recorder) GetBalance(addr common.Address) *uint256.Int {
	r.account(addr)
	return r.StateDB.GetBalance(addr)
}

func (r *recorder) GetNonce(addr common.Address) uint64 {
	r.account(addr)
	return r.StateDB.GetNonce(addr)
}

func (r *recorder) SetNonce(addr common.Address, nonce uint64, why tracing.NonceChangeReason) {
	r.account(addr)
	r.StateDB.SetNonce(addr, nonce, why)
}

func (r *recorder) GetCodeHash(addr common.Address) common.Hash {
	r.account(addr)
	return r.StateDB.GetCodeHash(addr)
}

func (r *recorder) GetCode(addr common.Address) []byte {
	r.code(addr)
	return r.StateDB.GetCode(addr)
}

func (r *recorder) GetCodeSize(addr common.Address) int {
	r.code(addr)
	return r.StateDB.GetCodeSize(addr)
}

func (r *recorder) SetCode(addr common.Address, code []byte, why tracing.CodeChangeReason) []byte {
	r.account(addr)
	return r.StateDB.SetCode(addr, code, why)
}

func (r *recorder) GetStateAndCommittedState(addr common.Address, key common.Hash) (common.Hash, common.Hash) {
	r.slot(addr, key)
	return r.StateDB.GetStateAndCommittedState(addr, key)
}

func (r *recorder) GetState(addr common.Address, key common.Hash) common.Hash {
	r.slot(addr, key)
	return r.StateDB.GetState(addr, key)
}

func (r *recorder) SetState(addr common.Address, key, value common.Hash) common.Hash {
	r.slot(addr, key)
	return r.StateDB.SetState(addr, key, value)
}

func (r *recorder) SelfDestruct(addr common.Address) {
	r.account(addr)
	r.StateDB.SelfDestruct(addr)
}

func (r *recorder) Exist(addr common.Address) bool {
	r.account(addr)
	return r.StateDB.Exist(addr)
}

func (r *recorder) Empty(addr common.Address) bool {
	r.account(addr)
	return r.StateDB.Empty(addr)
}

func (r *recorder) Touch(addr common.Address) {
	r.account(addr)
	r.StateDB.Touch(addr)
}

// Finalise ends a transaction: accounts that it destroyed are gone from here on.
func (r *recorder) Finalise(rules params.Rules) *bal.ConstructionBlockAccessList {
	list := r.StateDB.Finalise(rules)
	for _, a := range r.touched {
		a.pending = false
		if a.existed && !a.cleared {
			a.cleared = !r.StateDB.Exist(a.address)
		}
	}
	r.touched = r.touched[:0]
	return list
}

// accesses is what the span read or wrote.
func (r *recorder) accesses() *chain.AccessSet {
	set := &chain.AccessSet{Accounts: make([]chain.AccountAccess, 0, len(r.accounts))}
	for addr, a := range r.accounts {
		access := chain.AccountAccess{Address: addr, Code: a.code}
		for key := range a.slots {
			access.Slots = append(access.Slots, key)
		}
		set.Accounts = append(set.Accounts, access)
	}
	for number := range r.blocks {
		set.Ancestors = append(set.Ancestors, number)
	}
	set.Normalize()
	return set
}

// changes is what the span left different. Everything that changed was accessed.
func (r *recorder) changes() (*chain.Changes, error) {
	c := new(chain.Changes)
	for addr, a := range r.accounts {
		change := chain.AccountChange{
			Address: addr, Before: a.before, Existed: a.existed,
			Exists: r.StateDB.Exist(addr), Cleared: a.cleared,
		}
		if change.Exists {
			change.After = chain.Account{
				Nonce: r.StateDB.GetNonce(addr), Balance: *r.StateDB.GetBalance(addr), CodeHash: r.StateDB.GetCodeHash(addr),
			}
			if change.After.CodeHash != a.before.CodeHash && change.After.CodeHash != chain.EmptyCodeHash {
				c.Codes = append(c.Codes, chain.Code{Hash: change.After.CodeHash, Bytes: r.StateDB.GetCode(addr)})
			}
			for key := range a.slots {
				slot := chain.SlotChange{Key: key}
				if a.existed && !a.cleared {
					var err error
					if slot.Before, err = r.prior.Slot(addr, key); err != nil {
						return nil, err
					}
				}
				value := r.StateDB.GetState(addr, key)
				slot.After.SetBytes32(value[:])
				change.Slots = append(change.Slots, slot)
			}
		}
		c.Accounts = append(c.Accounts, change)
	}
	c.Normalize()
	return c, nil
}
