package state

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

var (
	_ chain.StateView = (*blockView)(nil)
	_ chain.StateView = (*stageView)(nil)
)

// A blockView is the state after a committed block. What later blocks changed it
// takes from their undo records, oldest first; all else is as in the tables.
//
// A block is being applied or undone in steps while views are read. That is not
// seen: its undo record is in place before the first step and until after the
// last, and whatever it does not name, the steps do not touch.
type blockView struct {
	store *Store
	block *block
}

// usable reports whether the view can still be read.
func (v *blockView) usable() error {
	switch {
	case v.store.closed.Load():
		return errClosed
	case v.block.gone.Load():
		return fmt.Errorf("%w: the store no longer keeps block %s", chain.ErrUnknown, v.block.id)
	}
	return nil
}

// lock takes the store's lock for reading, if the view can be read.
func (v *blockView) lock() error {
	v.store.mu.RLock()
	err := v.usable()
	if err != nil {
		v.store.mu.RUnlock()
	}
	return err
}

// Account implements chain.StateView.
func (v *blockView) Account(addr common.Address) (chain.Account, bool, error) {
	if err := v.lock(); err != nil {
		return chain.Account{}, false, err
	}
	defer v.store.mu.RUnlock()
	acc := v.store.accounts[addr]
	if acc == nil {
		return chain.Account{}, false, nil
	}
	if acc.changed > v.block.sequence {
		for _, b := range v.store.after(v.block) {
			if a := b.layer.Account(addr); a != nil {
				return a.Before, a.Existed, nil
			}
		}
	}
	return acc.state, acc.exists, nil
}

// Slot implements chain.StateView.
func (v *blockView) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	if err := v.lock(); err != nil {
		return uint256.Int{}, err
	}
	defer v.store.mu.RUnlock()
	acc := v.store.accounts[addr]
	if acc == nil {
		return uint256.Int{}, nil
	}
	if acc.changed > v.block.sequence {
		for _, b := range v.store.after(v.block) {
			a := b.layer.Account(addr)
			switch {
			case a == nil:
				continue
			case !a.Existed:
				return uint256.Int{}, nil
			case a.Cleared:
				return v.store.storageOf(acc, b.cleared[addr])[key], nil
			}
			if s := a.Slot(key); s != nil {
				return s.Before, nil
			}
		}
	}
	return acc.storage[key], nil
}

// Code implements chain.StateView.
func (v *blockView) Code(hash common.Hash) ([]byte, error) {
	if hash == chain.EmptyCodeHash {
		return nil, v.usable()
	}
	code, refs, err := v.code(hash)
	if err != nil {
		return nil, err
	}
	return code, codeKnown(hash, refs)
}

// code returns the bytes under hash, if the tables have them, and how many
// accounts of the view have that code.
func (v *blockView) code(hash common.Hash) (code []byte, refs int, err error) {
	if err := v.lock(); err != nil {
		return nil, 0, err
	}
	defer v.store.mu.RUnlock()
	if c := v.store.codes[hash]; c != nil {
		code, refs = c.bytes, c.refs
		for _, b := range v.store.after(v.block) {
			refs -= b.layer.refs[hash]
		}
	}
	return code, refs, nil
}

func codeKnown(hash common.Hash, refs int) error {
	if refs <= 0 {
		return fmt.Errorf("%w: code %s", chain.ErrNotFound, hash)
	}
	return nil
}

// slots returns all slots of an account, ascending by key, as changes from zero.
func (v *blockView) slots(addr common.Address) ([]chain.SlotChange, error) {
	if err := v.lock(); err != nil {
		return nil, err
	}
	defer v.store.mu.RUnlock()
	acc := v.store.accounts[addr]
	if acc == nil {
		return nil, nil
	}
	from, before := v.storage(acc, addr)
	out := make([]chain.SlotChange, 0, len(from)+len(before))
	for key, value := range from {
		if _, ok := before[key]; !ok {
			out = append(out, chain.SlotChange{Key: key, After: value})
		}
	}
	for key, value := range before {
		if !value.IsZero() {
			out = append(out, chain.SlotChange{Key: key, After: value})
		}
	}
	slices.SortFunc(out, func(x, y chain.SlotChange) int { return bytes.Compare(x.Key[:], y.Key[:]) })
	return out, nil
}

// storage is the storage of an account: from, but where before has a value, that.
// The caller holds the lock.
func (v *blockView) storage(acc *account, addr common.Address) (from, before storage) {
	if acc.changed <= v.block.sequence {
		return acc.storage, nil
	}
	before = make(storage)
	for _, b := range v.store.after(v.block) {
		a := b.layer.Account(addr)
		switch {
		case a == nil:
			continue
		case !a.Existed:
			return nil, before
		case a.Cleared:
			return v.store.storageOf(acc, b.cleared[addr]), before
		}
		for i := range a.Slots {
			if _, ok := before[a.Slots[i].Key]; !ok {
				before[a.Slots[i].Key] = a.Slots[i].Before
			}
		}
	}
	return acc.storage, before
}

// A stageView is the state after a block with layers on top, the newest last.
type stageView struct {
	base   *blockView
	layers []layer
}

// Account implements chain.StateView.
func (v *stageView) Account(addr common.Address) (chain.Account, bool, error) {
	for i := len(v.layers) - 1; i >= 0; i-- {
		if a := v.layers[i].Account(addr); a != nil {
			return a.After, a.Exists, v.base.usable()
		}
	}
	return v.base.Account(addr)
}

// Slot implements chain.StateView.
func (v *stageView) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	for i := len(v.layers) - 1; i >= 0; i-- {
		a := v.layers[i].Account(addr)
		if a == nil {
			continue
		}
		if s := a.Slot(key); s != nil {
			return s.After, v.base.usable()
		}
		if !a.Exists || !a.Existed || a.Cleared {
			return uint256.Int{}, v.base.usable()
		}
	}
	return v.base.Slot(addr, key)
}

// Code implements chain.StateView.
func (v *stageView) Code(hash common.Hash) ([]byte, error) {
	if hash == chain.EmptyCodeHash {
		return nil, v.base.usable()
	}
	code, refs, err := v.base.code(hash)
	if err != nil {
		return nil, err
	}
	for i := range v.layers {
		refs += v.layers[i].refs[hash]
		if code == nil {
			code = v.layers[i].Code(hash)
		}
	}
	if err := codeKnown(hash, refs); err != nil {
		return nil, err
	}
	return code, nil
}
