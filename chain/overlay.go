package chain

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// An Overlay is the state after changes: the simplest StateView there is. A look-up
// is a binary search in the changes, and then one in the view below; a store with
// many blocks to look through has better.
type Overlay struct {
	prior   StateView // nil for the empty state
	changes *Changes
}

var _ StateView = (*Overlay)(nil)

// NewOverlay is the state after canonical changes to prior; prior may be nil, for
// the empty state. It keeps both.
func NewOverlay(prior StateView, changes *Changes) *Overlay {
	return &Overlay{prior, changes}
}

// Account implements StateView.
func (o *Overlay) Account(addr common.Address) (Account, bool, error) {
	switch a := o.changes.Account(addr); {
	case a != nil:
		return a.After, a.Exists, nil
	case o.prior != nil:
		return o.prior.Account(addr)
	}
	return Account{}, false, nil
}

// Slot implements StateView.
func (o *Overlay) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	if a := o.changes.Account(addr); a != nil {
		if s := a.Slot(key); s != nil {
			return s.After, nil
		}
		if a.Cleared || !a.Existed {
			return uint256.Int{}, nil
		}
	}
	if o.prior == nil {
		return uint256.Int{}, nil
	}
	return o.prior.Slot(addr, key)
}

// Code implements StateView.
func (o *Overlay) Code(hash common.Hash) ([]byte, error) {
	if hash == EmptyCodeHash {
		return nil, nil
	}
	if code := o.changes.Code(hash); code != nil {
		return code, nil
	}
	if o.prior == nil {
		return nil, fmt.Errorf("code %s: %w", hash, ErrNotFound)
	}
	return o.prior.Code(hash)
}
