package trie

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/invariants"
)

// An update is one account on its way into the state trie.
type update struct {
	change *chain.AccountChange
	path   [pathSize]byte
	old    *account // nil if there is none
	new    *account // nil deletes
}

// apply returns the state trie root with the changes applied:
//
//  1. Find the accounts, for their storage tries.
//  2. Update the storage tries, each by itself.
//  3. Put the accounts that exist, then remove those that do not.
//
// Within a trie what is put goes before what is removed, so that a branch
// collapses only if it does in the outcome; only then is the sibling needed that
// a witness must hold for it.
func (w walk) apply(root node, c *chain.Changes) (node, error) {
	updates, err := w.find(root, c)
	if err != nil {
		return nil, err
	}
	if err := w.updateStorage(updates); err != nil {
		return nil, err
	}
	for i := range updates {
		if u := &updates[i]; u.new != nil {
			if root, err = w.put(root, u.path[:], &leaf{account: u.new}); err != nil {
				return nil, fmt.Errorf("account %s: %w", u.change.Address, err)
			}
		}
	}
	for i := range updates {
		if u := &updates[i]; u.new == nil {
			if root, _, err = w.remove(root, u.path[:]); err != nil {
				return nil, fmt.Errorf("account %s: %w", u.change.Address, err)
			}
		}
	}
	return root, nil
}

// find looks up what the trie has for each changed account.
func (w walk) find(root node, c *chain.Changes) ([]update, error) {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	updates := make([]update, len(c.Accounts))
	for i := range updates {
		u := &updates[i]
		u.change = &c.Accounts[i]
		h.path(u.path[:0], u.change.Address[:])
		l, err := w.get(root, u.path[:])
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", u.change.Address, err)
		}
		if l != nil {
			u.old = l.account
		}
		if err := u.fits(); err != nil {
			return nil, err
		}
	}
	return updates, nil
}

// fits compares what the trie has with what the change says was there. That
// costs nothing here; slots, which would have to be looked up, are compared by
// checkSlots.
func (u *update) fits() error {
	var before chain.Account
	if u.old != nil {
		before = u.old.Account
	}
	if (u.old != nil) != u.change.Existed || before != u.change.Before {
		return fmt.Errorf("%w: account %s is not what the changes were made for", chain.ErrOutOfStep, u.change.Address)
	}
	return nil
}

// Storage tries are updated in several goroutines, each some accounts at a time,
// from parallelSlotsMin slots on. An update takes about a microsecond.
const (
	parallelSlotsMin = 128
	parallelAccounts = 16
)

// updateStorage sets the new account of each update, with its new storage trie.
func (w walk) updateStorage(updates []update) error {
	slots := 0
	for i := range updates {
		slots += len(updates[i].change.Slots)
	}
	if slots < parallelSlotsMin || w != nil { // a walk notes nodes without a lock
		return w.updateAccounts(updates)
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for some := range slices.Chunk(updates, parallelAccounts) {
		group.Go(func() error { return w.updateAccounts(some) })
	}
	return group.Wait()
}

func (w walk) updateAccounts(updates []update) error {
	for i := range updates {
		if err := w.updateAccount(&updates[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w walk) updateAccount(u *update) error {
	change := u.change
	if !change.Exists {
		return nil
	}
	var storage node
	if u.old != nil && !change.Cleared {
		storage = u.old.storage
	}
	if invariants.Enabled {
		if err := checkSlots(storage, change); err != nil {
			return err
		}
	}
	storage, err := w.applySlots(storage, change.Slots)
	if err != nil {
		return fmt.Errorf("storage of %s: %w", change.Address, err)
	}
	u.new = &account{Account: change.After, storage: storage}
	return nil
}

// applySlots returns the storage trie root with the slots set to their values.
func (w walk) applySlots(root node, slots []chain.SlotChange) (node, error) {
	if len(slots) == 0 {
		return root, nil
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	var err error
	for i := range slots {
		if s := &slots[i]; !s.After.IsZero() {
			path := h.path(h.nibbles[:0], s.Key[:])
			if root, err = w.put(root, path, &leaf{value: slotValue(&s.After)}); err != nil {
				return nil, fmt.Errorf("slot %s: %w", s.Key, err)
			}
		}
	}
	for i := range slots {
		if s := &slots[i]; s.After.IsZero() {
			path := h.path(h.nibbles[:0], s.Key[:])
			if root, _, err = w.remove(root, path); err != nil {
				return nil, fmt.Errorf("slot %s: %w", s.Key, err)
			}
		}
	}
	return root, nil
}

// read opens all nodes on the way to the accounts and slots of accesses, present
// or not.
func (w walk) read(root node, accesses *chain.AccessSet) error {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	for i := range accesses.Accounts {
		access := &accesses.Accounts[i]
		a, err := w.account(root, h, access.Address)
		if err != nil {
			return err
		}
		for _, key := range access.Slots {
			if _, err := w.slot(a, h, access.Address, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// account returns the account at address, or nil.
func (w walk) account(root node, h *hasher, address common.Address) (*account, error) {
	l, err := w.get(root, h.path(h.nibbles[:0], address[:]))
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", address, err)
	}
	if l == nil {
		return nil, nil
	}
	return l.account, nil
}

// slot returns the leaf of a slot of a, which may be nil, or nil.
func (w walk) slot(a *account, h *hasher, address common.Address, key common.Hash) (*leaf, error) {
	if a == nil {
		return nil, nil
	}
	l, err := w.get(a.storage, h.path(h.nibbles[:0], key[:]))
	if err != nil {
		return nil, fmt.Errorf("slot %s of %s: %w", key, address, err)
	}
	return l, nil
}
