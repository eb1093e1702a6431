package chain

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// A world is a state as simple as can be, to compare Merge with: what a span
// changed is found by comparing the worlds before and after it. Only that an
// account was destroyed cannot be seen in them; destroyed remembers it.
type world struct {
	accounts  map[common.Address]*worldAccount
	codes     map[common.Hash][]byte
	destroyed map[common.Address]bool // since the world was made or cloned
}

type worldAccount struct {
	Account
	slots map[common.Hash]uint256.Int // no zeros
}

func newWorld() *world {
	return &world{
		accounts:  make(map[common.Address]*worldAccount),
		codes:     make(map[common.Hash][]byte),
		destroyed: make(map[common.Address]bool),
	}
}

// clone copies the world; the copy has destroyed nothing.
func (w *world) clone() *world {
	c := newWorld()
	for addr, a := range w.accounts {
		c.accounts[addr] = &worldAccount{a.Account, maps.Clone(a.slots)}
	}
	c.codes = maps.Clone(w.codes)
	return c
}

func (w *world) account(addr common.Address) *worldAccount {
	a := w.accounts[addr]
	if a == nil {
		a = &worldAccount{Account{CodeHash: EmptyCodeHash}, make(map[common.Hash]uint256.Int)}
		w.accounts[addr] = a
	}
	return a
}

func (w *world) destroy(addr common.Address) {
	if w.accounts[addr] != nil {
		delete(w.accounts, addr)
		w.destroyed[addr] = true
	}
}

func (w *world) setCode(addr common.Address, code []byte) {
	hash := EmptyCodeHash
	if len(code) > 0 {
		hash = Keccak256(code)
		w.codes[hash] = code
	}
	w.account(addr).CodeHash = hash
}

func (w *world) setSlot(addr common.Address, key common.Hash, v uint256.Int) {
	if a := w.account(addr); v.IsZero() {
		delete(a.slots, key)
	} else {
		a.slots[key] = v
	}
}

// since is what happened between the worlds before and w, in which the accounts
// in destroyed were destroyed at least once.
func (w *world) since(before *world, destroyed map[common.Address]bool) *Changes {
	c := new(Changes)
	addresses := maps.Clone(w.accounts)
	maps.Copy(addresses, before.accounts)
	codes := make(map[common.Hash]bool)
	for addr := range addresses {
		change := AccountChange{Address: addr}
		old, now := before.accounts[addr], w.accounts[addr]
		var oldSlots, slots map[common.Hash]uint256.Int
		if old != nil {
			change.Existed, change.Before = true, old.Account
			change.Cleared = destroyed[addr]
			if !change.Cleared {
				oldSlots = old.slots
			}
		}
		if now != nil {
			change.Exists, change.After = true, now.Account
			slots = now.slots
		}
		keys := make(map[common.Hash]bool)
		for key := range oldSlots {
			keys[key] = true
		}
		for key := range slots {
			keys[key] = true
		}
		for key := range keys {
			if oldSlots[key] != slots[key] {
				change.Slots = append(change.Slots, SlotChange{key, oldSlots[key], slots[key]})
			}
		}
		slices.SortFunc(change.Slots, func(x, y SlotChange) int { return bytes.Compare(x.Key[:], y.Key[:]) })
		if change.Existed != change.Exists || change.Before != change.After || change.Cleared || len(change.Slots) > 0 {
			c.Accounts = append(c.Accounts, change)
		}
		if hash := change.After.CodeHash; now != nil && hash != EmptyCodeHash && hash != change.Before.CodeHash && !codes[hash] {
			codes[hash] = true
			c.Codes = append(c.Codes, Code{hash, w.codes[hash]})
		}
	}
	slices.SortFunc(c.Accounts, func(x, y AccountChange) int { return bytes.Compare(x.Address[:], y.Address[:]) })
	slices.SortFunc(c.Codes, func(x, y Code) int { return bytes.Compare(x.Hash[:], y.Hash[:]) })
	return c
}

// A world is a StateView.

func (w *world) Account(addr common.Address) (Account, bool, error) {
	if a := w.accounts[addr]; a != nil {
		return a.Account, true, nil
	}
	return Account{}, false, nil
}

func (w *world) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	if a := w.accounts[addr]; a != nil {
		return a.slots[key], nil
	}
	return uint256.Int{}, nil
}

func (w *world) Code(hash common.Hash) ([]byte, error) {
	code, ok := w.codes[hash]
	if !ok && hash != EmptyCodeHash {
		return nil, fmt.Errorf("%w: code %s", ErrNotFound, hash)
	}
	return code, nil
}

// apply does to the world what c says. It trusts c.
func (w *world) apply(c *Changes) {
	for _, code := range c.Codes {
		w.codes[code.Hash] = code.Bytes
	}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		if a.Cleared || !a.Exists {
			delete(w.accounts, a.Address)
		}
		if a.Exists {
			w.account(a.Address).Account = a.After
		}
		for _, s := range a.Slots {
			w.setSlot(a.Address, s.Key, s.After)
		}
	}
}

// equal compares accounts and slots.
func (w *world) equal(x *world) bool {
	return maps.EqualFunc(w.accounts, x.accounts, func(a, b *worldAccount) bool {
		return a.Account == b.Account && maps.Equal(a.slots, b.slots)
	})
}
