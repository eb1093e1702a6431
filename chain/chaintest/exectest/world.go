package exectest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// world is a state in memory: a chain.StateView, changed by apply between blocks.
type world struct {
	accounts map[common.Address]chain.Account
	slots    map[common.Address]map[common.Hash]uint256.Int
	codes    map[common.Hash][]byte
}

var _ chain.StateView = (*world)(nil)

func newWorld() *world {
	return &world{
		accounts: make(map[common.Address]chain.Account),
		slots:    make(map[common.Address]map[common.Hash]uint256.Int),
		codes:    make(map[common.Hash][]byte),
	}
}

// Account implements chain.StateView.
func (w *world) Account(addr common.Address) (chain.Account, bool, error) {
	a, ok := w.accounts[addr]
	return a, ok, nil
}

// Slot implements chain.StateView.
func (w *world) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	return w.slots[addr][key], nil
}

// Code implements chain.StateView.
func (w *world) Code(hash common.Hash) ([]byte, error) {
	if hash == chain.EmptyCodeHash {
		return nil, nil
	}
	code, ok := w.codes[hash]
	if !ok {
		return nil, fmt.Errorf("code %s: %w", hash, chain.ErrNotFound)
	}
	return code, nil
}

// put adds an account with code, which may be nil.
func (w *world) put(addr common.Address, balance uint64, code []byte) {
	a := chain.Account{CodeHash: chain.EmptyCodeHash}
	a.Balance.Mul(uint256.NewInt(balance), uint256.NewInt(1e18))
	if len(code) > 0 {
		a.Nonce = 1
		a.CodeHash = chain.Keccak256(code)
		w.codes[a.CodeHash] = code
	}
	w.accounts[addr] = a
}

func (w *world) setSlot(addr common.Address, key common.Hash, value uint256.Int) {
	if value.IsZero() {
		delete(w.slots[addr], key)
		return
	}
	if w.slots[addr] == nil {
		w.slots[addr] = make(map[common.Hash]uint256.Int)
	}
	w.slots[addr][key] = value
}

// apply makes the changes, after it has verified that they are canonical and begin
// at this state.
func (w *world) apply(t testing.TB, c *chain.Changes) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, code := range c.Codes {
		w.codes[code.Hash] = code.Bytes
	}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		if now, ok := w.accounts[a.Address]; ok != a.Existed || now != a.Before {
			t.Fatalf("account %s was %+v, not %+v", a.Address, now, a.Before)
		}
		if a.Cleared {
			delete(w.slots, a.Address)
		}
		for j := range a.Slots {
			s := &a.Slots[j]
			if now := w.slots[a.Address][s.Key]; now != s.Before {
				t.Fatalf("slot %s of %s was %s, not %s", s.Key, a.Address, &now, &s.Before)
			}
			w.setSlot(a.Address, s.Key, s.After)
		}
		if a.Exists {
			w.accounts[a.Address] = a.After
		} else {
			delete(w.accounts, a.Address)
		}
	}
}

// A viewKey names one thing that a view can be asked for.
type viewKey struct {
	what string // "account", "slot", "code", "ancestor"
	addr common.Address
	hash common.Hash
}

// spy is a view, and ancestors, that counts what it is asked for, and can refuse
// to know. It may be used concurrently.
type spy struct {
	view      chain.StateView
	ancestors chain.Ancestors
	unknown   func(viewKey) bool // nil: knows everything

	mu    sync.Mutex
	reads map[viewKey]int
}

func newSpy(s *scene) *spy {
	return &spy{view: s.world, ancestors: s, reads: make(map[viewKey]int)}
}

func (p *spy) ask(key viewKey) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads[key]++
	if p.unknown != nil && p.unknown(key) {
		return &chain.MissingError{What: key.what + " " + key.addr.Hex(), Hash: key.hash}
	}
	return nil
}

// Account implements chain.StateView.
func (p *spy) Account(addr common.Address) (chain.Account, bool, error) {
	if err := p.ask(viewKey{"account", addr, common.Hash{}}); err != nil {
		return chain.Account{}, false, err
	}
	return p.view.Account(addr)
}

// Slot implements chain.StateView.
func (p *spy) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	if err := p.ask(viewKey{"slot", addr, key}); err != nil {
		return uint256.Int{}, err
	}
	return p.view.Slot(addr, key)
}

// Code implements chain.StateView.
func (p *spy) Code(hash common.Hash) ([]byte, error) {
	if err := p.ask(viewKey{"code", common.Address{}, hash}); err != nil {
		return nil, err
	}
	return p.view.Code(hash)
}
