package mainnet

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// State is the state before a block, as far as the block touches it. It is a
// chain.StateView: what it does not hold is absent.
type State struct {
	accounts map[common.Address]account
	codes    map[common.Hash][]byte
	changes  *chain.Changes
}

type account struct {
	chain.Account
	slots map[common.Hash]uint256.Int
}

var _ chain.StateView = (*State)(nil)

// Account implements chain.StateView.
func (s *State) Account(addr common.Address) (chain.Account, bool, error) {
	a, ok := s.accounts[addr]
	return a.Account, ok, nil
}

// Slot implements chain.StateView.
func (s *State) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	return s.accounts[addr].slots[key], nil
}

// Code implements chain.StateView.
func (s *State) Code(hash common.Hash) ([]byte, error) {
	if hash == chain.EmptyCodeHash {
		return nil, nil
	}
	code, ok := s.codes[hash]
	if !ok {
		return nil, fmt.Errorf("code %s: %w", hash, chain.ErrNotFound)
	}
	return code, nil
}

// Changes is the state as canonical Changes of the empty state. Read only.
func (s *State) Changes() *chain.Changes { return s.changes }

// newState indexes accounts, which are of the empty state, and adds their codes.
func newState(accounts []chain.AccountChange, codes map[common.Hash][]byte) (*State, error) {
	s := &State{
		accounts: make(map[common.Address]account, len(accounts)),
		codes:    make(map[common.Hash][]byte),
		changes:  &chain.Changes{Accounts: accounts},
	}
	for i := range accounts {
		a := &accounts[i]
		slots := make(map[common.Hash]uint256.Int, len(a.Slots))
		for _, slot := range a.Slots {
			slots[slot.Key] = slot.After
		}
		if s.accounts[a.Address] = (account{a.After, slots}); len(slots) != len(a.Slots) {
			return nil, corrupt(fmt.Errorf("account %s has a slot twice", a.Address))
		}
		hash := a.After.CodeHash
		if hash == chain.EmptyCodeHash || s.codes[hash] != nil {
			continue
		}
		code, ok := codes[hash]
		if !ok {
			return nil, corrupt(&chain.MissingError{What: "code", Hash: hash})
		}
		s.codes[hash] = code
		s.changes.Codes = append(s.changes.Codes, chain.Code{Hash: hash, Bytes: code})
	}
	if len(s.accounts) != len(accounts) {
		return nil, corrupt(fmt.Errorf("an account is there twice"))
	}
	s.changes.Normalize()
	return s, nil
}

func readAccounts(in *rlp.Reader) []chain.AccountChange {
	var out []chain.AccountChange
	list := in.List()
	for list.More() {
		a := chain.AccountChange{Exists: true}
		readAccount(list, &a)
		out = append(out, a)
	}
	in.Close(list)
	return out
}

func readAccount(in *rlp.Reader, a *chain.AccountChange) {
	r := in.List()
	r.Fixed(a.Address[:])
	a.After.Nonce = r.Uint64()
	a.After.Balance = r.Uint256()
	r.Fixed(a.After.CodeHash[:])
	switch a.After.CodeHash {
	case common.Hash{}:
		a.After.CodeHash = chain.EmptyCodeHash
	case chain.EmptyCodeHash:
		r.Fail(rlp.ErrNotCanonical)
	}
	slots := r.List()
	for slots.More() {
		var (
			item  = slots.List()
			slot  chain.SlotChange
			value common.Hash
		)
		item.Fixed(slot.Key[:])
		item.Fixed(value[:])
		slots.Close(item)
		slot.After.SetBytes32(value[:])
		a.Slots = append(a.Slots, slot)
	}
	r.Close(slots)
	in.Close(r)
}

// decodeCodes reads codes.rlp. The codes are views of data.
func decodeCodes(data []byte) (map[common.Hash][]byte, error) {
	var (
		in    = rlp.NewReader(data)
		list  = in.List()
		codes = make(map[common.Hash][]byte)
	)
	for list.More() {
		code := list.Bytes()
		codes[chain.Keccak256(code)] = code
	}
	in.Close(list)
	if err := in.End(); err != nil {
		return nil, &chain.CorruptError{What: "codes", Offset: -1, Err: err}
	}
	return codes, nil
}
