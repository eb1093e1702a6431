package state

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// tables are the state of the newest block, and what it takes to go back from it.
//
// A slot is found by account number, incarnation and key. The storage of the
// incarnation that an account is in hangs on the account itself; when storage is
// cleared, the account moves on to the next incarnation and the old storage is
// put aside whole, under the number and incarnation it had. So clearing storage
// of any size is one step, and so is undoing it.
type tables struct {
	accounts map[common.Address]*account
	next     uint64 // number of the next account
	former   map[incarnation]storage
	codes    map[common.Hash]*code
}

// An account is the store's entry for one address. It stays when the account is
// destroyed, so that a later incarnation has another number.
type account struct {
	number      uint64 // in the order of creation
	incarnation uint32
	exists      bool
	state       chain.Account
	storage     storage // of this incarnation; no zero values
	// changed is the sequence number of a block: none after it changed the
	// account, its storage included. A view of that block or a later one need not
	// look at undo records.
	changed uint64
}

// storage is the slots of one incarnation of an account.
type storage map[common.Hash]uint256.Int

// An incarnation names a storage that was cleared.
type incarnation struct {
	account uint64 // number
	index   uint32
}

// A code is counted by those who may ask for it.
type code struct {
	bytes []byte
	refs  int // accounts of the newest block that have it
	pins  int // undo records that change refs
}

func newTables() tables {
	return tables{
		accounts: make(map[common.Address]*account),
		former:   make(map[incarnation]storage),
		codes:    make(map[common.Hash]*code),
	}
}

// apply makes an account what a change says it is after block sequence.
func (t *tables) apply(a *chain.AccountChange, sequence uint64) {
	acc := t.accounts[a.Address]
	if acc == nil {
		acc = &account{number: t.next}
		t.next++
		t.accounts[a.Address] = acc
	}
	if a.Cleared {
		if acc.storage != nil {
			t.former[incarnation{acc.number, acc.incarnation}] = acc.storage
		}
		acc.storage = nil
		acc.incarnation++
	}
	for i := range a.Slots {
		acc.set(a.Slots[i].Key, a.Slots[i].After)
	}
	acc.state, acc.exists, acc.changed = a.After, a.Exists, sequence
}

// undo is the inverse of apply, for a change of block b.
func (t *tables) undo(a *chain.AccountChange, b *block) {
	acc := t.accounts[a.Address]
	if a.Cleared {
		old := incarnation{acc.number, b.cleared[a.Address]}
		acc.storage, acc.incarnation = t.former[old], old.index
		delete(t.former, old)
	} else {
		for i := range a.Slots {
			acc.set(a.Slots[i].Key, a.Slots[i].Before)
		}
	}
	acc.state, acc.exists = a.Before, a.Existed
	if acc.number >= b.firstNumber {
		delete(t.accounts, a.Address)
	}
}

func (a *account) set(key common.Hash, value uint256.Int) {
	if value.IsZero() {
		delete(a.storage, key)
		return
	}
	if a.storage == nil {
		a.storage = make(storage)
	}
	a.storage[key] = value
}

// storageOf is the storage of an account in an incarnation, former or present.
func (t *tables) storageOf(acc *account, index uint32) storage {
	if acc.incarnation == index {
		return acc.storage
	}
	return t.former[incarnation{acc.number, index}]
}

// applyCodes counts the codes of a layer, which becomes an undo record.
func (t *tables) applyCodes(l *layer) {
	for hash, delta := range l.refs {
		c := t.codes[hash]
		if c == nil {
			c = &code{bytes: l.Code(hash)}
			t.codes[hash] = c
		}
		c.refs += delta
		c.pins++
	}
}

func (t *tables) undoCodes(l *layer) {
	for hash, delta := range l.refs {
		t.codes[hash].refs -= delta
	}
	t.unpinCodes(l)
}

// unpinCodes lets go of codes that only the undo record l asked for.
func (t *tables) unpinCodes(l *layer) {
	for hash := range l.refs {
		c := t.codes[hash]
		if c.pins--; c.pins == 0 && c.refs == 0 {
			delete(t.codes, hash)
		}
	}
}

// release drops what only an undo of block b needs.
func (t *tables) release(b *block) {
	for addr, index := range b.cleared {
		delete(t.former, incarnation{t.accounts[addr].number, index})
	}
	t.unpinCodes(&b.layer)
	b.layer, b.cleared = layer{}, nil
}

// check reports the first rule that the tables break. blocks are those that the
// store keeps, the first without an undo record.
func (t *tables) check(blocks []*block) error {
	refs := make(map[common.Hash]int)
	for addr, acc := range t.accounts {
		switch {
		case acc.number >= t.next:
			return fmt.Errorf("account %s has number %d, the next is %d", addr, acc.number, t.next)
		case !acc.exists && (acc.state != chain.Account{} || len(acc.storage) > 0):
			return fmt.Errorf("account %s does not exist and is not empty", addr)
		}
		for key, value := range acc.storage {
			if value.IsZero() {
				return fmt.Errorf("account %s keeps the zero slot %s", addr, key)
			}
		}
		if acc.exists && acc.state.CodeHash != chain.EmptyCodeHash {
			refs[acc.state.CodeHash]++
		}
	}
	pins := make(map[common.Hash]int)
	needed := make(map[incarnation]bool)
	for _, b := range blocks[1:] {
		for hash := range b.layer.refs {
			pins[hash]++
		}
		for addr, index := range b.cleared {
			needed[incarnation{t.accounts[addr].number, index}] = true
		}
	}
	for old := range t.former {
		if !needed[old] {
			return fmt.Errorf("storage of account number %d, incarnation %d is kept for nobody", old.account, old.index)
		}
	}
	for hash, c := range t.codes {
		switch {
		case c.refs != refs[hash] || c.pins != pins[hash] || c.refs+c.pins == 0:
			return fmt.Errorf("code %s has %d references and %d pins, want %d and %d", hash, c.refs, c.pins, refs[hash], pins[hash])
		case c.refs > 0 && chain.Keccak256(c.bytes) != hash:
			return fmt.Errorf("code %s does not have that hash", hash)
		}
		delete(refs, hash)
		delete(pins, hash)
	}
	if len(refs)+len(pins) > 0 {
		return fmt.Errorf("%d codes are missing", len(refs)+len(pins))
	}
	return nil
}

// addresses are all that the tables know, ascending, existing or not.
func (t *tables) addresses() []common.Address {
	return slices.SortedFunc(maps.Keys(t.accounts), func(x, y common.Address) int { return bytes.Compare(x[:], y[:]) })
}
