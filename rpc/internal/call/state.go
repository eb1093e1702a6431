package call

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// A StateOverride alters accounts before a call. A nil one alters nothing.
type StateOverride map[common.Address]AccountOverride

// An AccountOverride is what differs in an account. State replaces all of its
// storage, StateDiff some slots; only one of them may be set.
type AccountOverride struct {
	Nonce            *hexutil.Uint64             `json:"nonce"`
	Code             *hexutil.Bytes              `json:"code"`
	Balance          *hexutil.Big                `json:"balance"`
	State            map[common.Hash]common.Hash `json:"state"`
	StateDiff        map[common.Hash]common.Hash `json:"stateDiff"`
	MovePrecompileTo *common.Address             `json:"movePrecompileToAddress"`
}

// Apply returns view with the overrides; see Changes.
func (o *StateOverride) Apply(view chain.StateView, precompiles []common.Address) (chain.StateView, map[common.Address]common.Address, error) {
	if o == nil || len(*o) == 0 {
		return view, nil, nil
	}
	changes, moved, err := o.Changes(view, precompiles)
	if err != nil {
		return nil, nil, err
	}
	return chain.NewOverlay(view, changes), moved, nil
}

// Changes returns what the overrides make different from view, in canonical form,
// and which precompiles they move, as execution.ScratchConfig.Moved has it: an account
// that is overridden has no precompile any more. Errors are go-ethereum's, or those of
// view.
func (o *StateOverride) Changes(view chain.StateView, precompiles []common.Address) (*chain.Changes, map[common.Address]common.Address, error) {
	var (
		changes = new(chain.Changes)
		moved   = make(map[common.Address]common.Address)
	)
	if o == nil {
		return changes, nil, nil
	}
	for _, addr := range slices.SortedFunc(maps.Keys(*o), common.Address.Cmp) { // the first error is always the same
		account := (*o)[addr]
		if err := o.move(addr, account.MovePrecompileTo, precompiles, moved); err != nil {
			return nil, nil, err
		}
		if account.State != nil && account.StateDiff != nil {
			return nil, nil, fmt.Errorf("account %s has both 'state' and 'stateDiff'", addr)
		}
		change, err := account.change(addr, view)
		if err != nil {
			return nil, nil, err
		}
		changes.Accounts = append(changes.Accounts, *change)
		if account.Code != nil {
			changes.Codes = append(changes.Codes, chain.Code{Hash: change.After.CodeHash, Bytes: *account.Code})
		}
	}
	changes.Normalize()
	return changes, moved, nil
}

// move takes the precompile away from addr, if there is one, and puts it at its new
// address, if it gets one. That is no account that is overridden, so nothing is moved
// twice.
func (o *StateOverride) move(addr common.Address, to *common.Address, precompiles []common.Address, moved map[common.Address]common.Address) error {
	is := slices.Contains(precompiles, addr)
	if is {
		moved[addr] = common.Address{} // where nobody has a precompile
	}
	switch {
	case to == nil:
		return nil
	case !is:
		return fmt.Errorf("account %s is not a precompile", addr)
	}
	if _, overridden := (*o)[*to]; overridden {
		return fmt.Errorf("account %s is already overridden", *to)
	}
	moved[*to] = addr
	return nil
}

// change is what the override makes of the account at addr.
func (a *AccountOverride) change(addr common.Address, view chain.StateView) (*chain.AccountChange, error) {
	before, existed, err := view.Account(addr)
	if err != nil {
		return nil, err
	}
	c := &chain.AccountChange{Address: addr, Before: before, After: before, Existed: existed, Exists: existed}
	if a.Nonce == nil && a.Code == nil && a.Balance == nil && a.State == nil && len(a.StateDiff) == 0 {
		return c, nil
	}
	if !existed {
		c.Exists, c.After.CodeHash = true, chain.EmptyCodeHash
	}
	if a.Nonce != nil {
		c.After.Nonce = uint64(*a.Nonce)
	}
	if a.Code != nil {
		c.After.CodeHash = chain.Keccak256(*a.Code)
	}
	if a.Balance != nil {
		c.After.Balance = number(a.Balance)
	}
	if a.State != nil {
		c.Cleared = existed
		c.Slots = slots(a.State)
		return c, nil
	}
	c.Slots = slots(a.StateDiff)
	for i := range c.Slots {
		if c.Slots[i].Before, err = view.Slot(addr, c.Slots[i].Key); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// slots are changes of storage from zero.
func slots(values map[common.Hash]common.Hash) []chain.SlotChange {
	list := make([]chain.SlotChange, 0, len(values))
	for key, value := range values {
		list = append(list, chain.SlotChange{Key: key, After: *new(uint256.Int).SetBytes32(value[:])})
	}
	return list
}
