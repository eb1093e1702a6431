package chaintest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// A ledger is a whole state as plain maps: the model that committers are
// compared with. Its methods do the obvious.
type ledger map[common.Address]*ledgerAccount

type ledgerAccount struct {
	chain.Account
	slots map[common.Hash]uint256.Int // none is zero
}

func (l ledger) clone() ledger {
	out := make(ledger, len(l))
	for address, a := range l {
		out[address] = &ledgerAccount{a.Account, maps.Clone(a.slots)}
	}
	return out
}

// apply changes the ledger, and returns an error if c does not fit.
func (l ledger) apply(c *chain.Changes) error {
	for i := range c.Accounts {
		change := &c.Accounts[i]
		a := l[change.Address]
		if (a != nil) != change.Existed || a != nil && a.Account != change.Before {
			return fmt.Errorf("%w: account %s", chain.ErrOutOfStep, change.Address)
		}
		if !change.Exists {
			delete(l, change.Address)
			continue
		}
		if a == nil || change.Cleared {
			a = &ledgerAccount{slots: make(map[common.Hash]uint256.Int)}
			l[change.Address] = a
		}
		a.Account = change.After
		for _, s := range change.Slots {
			if a.slots[s.Key] != s.Before {
				return fmt.Errorf("%w: slot %s of %s", chain.ErrOutOfStep, s.Key, change.Address)
			}
			if a.slots[s.Key] = s.After; s.After.IsZero() {
				delete(a.slots, s.Key)
			}
		}
	}
	return nil
}

// root is the state root, computed from nothing.
func (l ledger) root() common.Hash {
	state := make(map[string][]byte)
	for address, a := range l {
		storage := make(map[string][]byte)
		for key, value := range a.slots {
			storage[hashedKey(key[:])] = rlp.AppendUint256(nil, &value)
		}
		storageRoot := TrieRoot(storage)
		value := rlp.AppendUint64(nil, a.Nonce)
		value = rlp.AppendUint256(value, &a.Balance)
		value = rlp.AppendBytes(value, storageRoot[:])
		value = rlp.AppendBytes(value, a.CodeHash[:])
		state[hashedKey(address[:])] = rlp.WrapList(value, 0)
	}
	return TrieRoot(state)
}

func hashedKey(key []byte) string {
	hash := chain.Keccak256(key)
	return string(hash[:])
}

// A Scenario is a random history of one state, from the empty state on: changes
// that follow one from the other, over so few addresses and slots that they meet
// each other.
type Scenario struct {
	rand  *changesRand
	state ledger
}

// NewScenario returns a Scenario over so many addresses and slots for each. The
// same source gives the same history.
func NewScenario(source rand.Source, addresses, slots int) *Scenario {
	return &Scenario{&changesRand{rand.New(source), addresses, slots}, make(ledger)}
}

// Next returns the canonical Changes of one more span, of at most so many
// accounts. They are the caller's.
func (s *Scenario) Next(accounts int) *chain.Changes {
	c := s.rand.changes(s.state, accounts)
	if err := s.state.apply(c); err != nil {
		panic("chaintest: " + err.Error()) // changes do not fit the state that they were made for
	}
	return c
}

// StateRoot is the root of the state with all changes so far, by TrieRoot.
func (s *Scenario) StateRoot() common.Hash { return s.state.root() }

// A changesRand makes random Changes that fit a ledger, over so few addresses
// and slots that they meet each other.
type changesRand struct {
	*rand.Rand
	addresses, slots int
}

func newChangesRand(seed uint64, addresses, slots int) *changesRand {
	return &changesRand{rand.New(rand.NewPCG(seed, 0)), addresses, slots}
}

func (r *changesRand) address() common.Address {
	return ledgerAddress(r.IntN(r.addresses))
}

func ledgerAddress(i int) (a common.Address) {
	binary.BigEndian.PutUint64(a[12:], uint64(i)+1)
	return a
}

func (r *changesRand) slot() common.Hash { return ledgerSlot(r.IntN(r.slots)) }

func ledgerSlot(i int) common.Hash { return uint256.NewInt(uint64(i)).Bytes32() }

// value is a non-zero word: sometimes a byte, sometimes all of 32.
func (r *changesRand) value() uint256.Int {
	v := uint256.NewInt(1 + r.Uint64N(255))
	if r.IntN(2) == 0 {
		v.Lsh(v, uint(r.IntN(248)))
	}
	return *v
}

// changes returns canonical Changes of about n accounts.
func (r *changesRand) changes(l ledger, n int) *chain.Changes {
	var (
		out  chain.Changes
		seen = make(map[common.Address]bool)
	)
	for range n {
		address := r.address()
		if seen[address] {
			continue
		}
		seen[address] = true
		change := chain.AccountChange{Address: address}
		a := l[address]
		if a != nil {
			change.Existed, change.Before = true, a.Account
		}
		if code := r.account(&change); code != nil {
			out.Codes = append(out.Codes, chain.Code{Hash: change.After.CodeHash, Bytes: code})
		}
		if change.Exists {
			change.Slots = r.slotChanges(a, change.Cleared)
		}
		out.Accounts = append(out.Accounts, change)
	}
	out.Normalize()
	return &out
}

// account fills in what becomes of an account, and returns new code if any.
func (r *changesRand) account(change *chain.AccountChange) (code []byte) {
	dice := r.IntN(10)
	if change.Existed && dice == 0 {
		return nil // destroyed
	}
	change.Exists = true
	if change.After = change.Before; !change.Existed {
		change.After.CodeHash = chain.EmptyCodeHash
	}
	switch {
	case change.Existed && dice == 1: // destroyed and made anew
		change.Cleared = true
	case change.Existed && dice < 4: // only its storage
		return nil
	}
	change.After.Nonce++
	change.After.Balance = r.value()
	if dice == 9 {
		code = binary.BigEndian.AppendUint64(nil, r.Uint64N(4))
		change.After.CodeHash = chain.Keccak256(code)
	}
	return code
}

func (r *changesRand) slotChanges(a *ledgerAccount, cleared bool) []chain.SlotChange {
	var (
		out  []chain.SlotChange
		seen = make(map[common.Hash]bool)
	)
	for range r.IntN(6) {
		s := chain.SlotChange{Key: r.slot()}
		if seen[s.Key] {
			continue
		}
		seen[s.Key] = true
		if a != nil && !cleared {
			s.Before = a.slots[s.Key]
		}
		if r.IntN(3) > 0 {
			s.After = r.value()
		}
		out = append(out, s)
	}
	return out
}

// accesses returns what c touches in l, and some more, present and absent, as an
// AccessSet.
func (r *changesRand) accesses(l ledger, c *chain.Changes, more int) *chain.AccessSet {
	var s chain.AccessSet
	for i := range c.Accounts {
		change := &c.Accounts[i]
		access := chain.AccountAccess{Address: change.Address}
		for _, slot := range change.Slots {
			access.Slots = append(access.Slots, slot.Key)
		}
		s.Accounts = append(s.Accounts, access)
	}
	for range more {
		access := chain.AccountAccess{Address: r.address()}
		if a := l[access.Address]; a != nil && a.CodeHash != chain.EmptyCodeHash {
			access.Code = r.IntN(2) == 0
		}
		for range r.IntN(3) {
			access.Slots = append(access.Slots, r.slot())
		}
		s.Accounts = append(s.Accounts, access)
	}
	s.Normalize()
	return &s
}

// everything is the AccessSet of all that is in the ledger.
func (l ledger) everything() *chain.AccessSet {
	var s chain.AccessSet
	for address, a := range l {
		s.Accounts = append(s.Accounts, chain.AccountAccess{Address: address, Slots: slices.Collect(maps.Keys(a.slots))})
	}
	s.Normalize()
	return &s
}
