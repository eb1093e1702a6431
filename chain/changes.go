package chain

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/internal/rlp"
)

// Changes is the net write set of a span of execution: a transaction, a
// mini-block or a block. It holds what the span left different, with the value
// before and after, and nothing else. Two spans with the same effect have equal
// Changes and equal bytes.
//
// In canonical form (see Validate) accounts ascend by address, slots by key and
// codes by hash; every entry changes something.
//
// Storage that was cleared is a flag, not a list of zeroed slots: Cleared says
// that the account that existed before the span was destroyed in it, and its
// storage with it. The slots of such an account are relative to cleared storage,
// so they go from zero to something.
//
// Changes are plain data: safe to read concurrently, and whoever received them
// from a method that says so may keep them, but nobody alters Changes that were
// handed to someone else.
type Changes struct {
	Accounts []AccountChange
	Codes    []Code
}

// An AccountChange is what a span did to one account. Before is the zero Account
// unless Existed, After unless Exists.
type AccountChange struct {
	Address common.Address
	Before  Account
	After   Account
	Existed bool // the account existed before the span
	Exists  bool // the account exists after it
	// Cleared: the account of before was destroyed in the span. Set whenever
	// Existed and not Exists; with both, it was destroyed and made anew.
	Cleared bool
	Slots   []SlotChange
}

// Same reports whether the account's own fields are alike before and after.
func (a *AccountChange) Same() bool {
	return a.Existed == a.Exists && !a.Cleared && a.Before == a.After
}

// A SlotChange is what a span did to one storage slot. Zero is absent.
type SlotChange struct {
	Key    common.Hash // the slot's number, not its hash
	Before uint256.Int
	After  uint256.Int
}

// Code is a contract's code under its hash.
type Code struct {
	Hash  common.Hash
	Bytes []byte
}

// Len is the number of accounts and slots that changed.
func (c *Changes) Len() int {
	n := len(c.Accounts)
	for i := range c.Accounts {
		n += len(c.Accounts[i].Slots)
	}
	return n
}

// Account returns the entry of addr, or nil. The Changes must be canonical.
func (c *Changes) Account(addr common.Address) *AccountChange {
	i, ok := slices.BinarySearchFunc(c.Accounts, addr, func(a AccountChange, addr common.Address) int {
		return bytes.Compare(a.Address[:], addr[:])
	})
	if !ok {
		return nil
	}
	return &c.Accounts[i]
}

// Slot returns the entry of key, or nil. The AccountChange must be canonical.
func (a *AccountChange) Slot(key common.Hash) *SlotChange {
	i, ok := slices.BinarySearchFunc(a.Slots, key, func(s SlotChange, key common.Hash) int {
		return bytes.Compare(s.Key[:], key[:])
	})
	if !ok {
		return nil
	}
	return &a.Slots[i]
}

// Code returns the code under hash, or nil. The Changes must be canonical.
func (c *Changes) Code(hash common.Hash) []byte {
	i, ok := slices.BinarySearchFunc(c.Codes, hash, func(code Code, hash common.Hash) int {
		return bytes.Compare(code.Hash[:], hash[:])
	})
	if !ok {
		return nil
	}
	return c.Codes[i].Bytes
}

// Normalize brings c into canonical form in place: sorted, without entries that
// change nothing, with exactly the codes that some account newly refers to. Each
// account, slot and code must occur once. It keeps the memory of c.
func (c *Changes) Normalize() {
	accounts := c.Accounts[:0]
	for _, a := range c.Accounts {
		a.Cleared = a.Existed && (a.Cleared || !a.Exists)
		a.Slots = slices.DeleteFunc(a.Slots, func(s SlotChange) bool {
			return s.Before == s.After || !a.Exists
		})
		if len(a.Slots) == 0 {
			a.Slots = nil
		}
		slices.SortFunc(a.Slots, func(x, y SlotChange) int { return bytes.Compare(x.Key[:], y.Key[:]) })
		if len(a.Slots) > 0 || !a.Same() {
			accounts = append(accounts, a)
		}
	}
	clear(c.Accounts[len(accounts):])
	c.Accounts = accounts
	slices.SortFunc(c.Accounts, func(x, y AccountChange) int { return bytes.Compare(x.Address[:], y.Address[:]) })

	used := newCodeHashes(c.Accounts)
	c.Codes = slices.DeleteFunc(c.Codes, func(code Code) bool { return !used[code.Hash] })
	slices.SortFunc(c.Codes, func(x, y Code) int { return bytes.Compare(x.Hash[:], y.Hash[:]) })
	c.Codes = slices.CompactFunc(c.Codes, func(x, y Code) bool { return x.Hash == y.Hash })
	if len(c.Accounts) == 0 {
		c.Accounts = nil
	}
	if len(c.Codes) == 0 {
		c.Codes = nil
	}
}

// newCodeHashes is the set of codes that canonical Changes carry: those that an
// account refers to after the span and did not refer to before it.
func newCodeHashes(accounts []AccountChange) map[common.Hash]bool {
	var used map[common.Hash]bool
	for i := range accounts {
		if a := &accounts[i]; a.setsCode() {
			if used == nil {
				used = make(map[common.Hash]bool)
			}
			used[a.After.CodeHash] = true
		}
	}
	return used
}

func (a *AccountChange) setsCode() bool {
	return a.Exists && a.After.CodeHash != EmptyCodeHash && a.After.CodeHash != a.Before.CodeHash
}

// Validate reports the first way in which c is not canonical, or nil. Code bytes
// are hashed and compared with their hash. The error matches ErrCorrupt.
func (c *Changes) Validate() error {
	for i := range c.Accounts {
		a := &c.Accounts[i]
		if i > 0 && bytes.Compare(c.Accounts[i-1].Address[:], a.Address[:]) >= 0 {
			return corrupt("changes", fmt.Errorf("account %s out of order", a.Address))
		}
		if err := a.validate(); err != nil {
			return corrupt("changes", fmt.Errorf("account %s: %w", a.Address, err))
		}
	}
	used := newCodeHashes(c.Accounts)
	if len(used) != len(c.Codes) {
		return corrupt("changes", fmt.Errorf("%d codes for %d newly used code hashes", len(c.Codes), len(used)))
	}
	for i, code := range c.Codes {
		switch {
		case i > 0 && bytes.Compare(c.Codes[i-1].Hash[:], code.Hash[:]) >= 0:
			return corrupt("changes", fmt.Errorf("code %s out of order", code.Hash))
		case !used[code.Hash]:
			return corrupt("changes", fmt.Errorf("code %s is not used", code.Hash))
		case Keccak256(code.Bytes) != code.Hash:
			return corrupt("changes", fmt.Errorf("code %s does not have that hash", code.Hash))
		}
	}
	return nil
}

func (a *AccountChange) validate() error {
	switch {
	case !a.Existed && a.Before != (Account{}), !a.Exists && a.After != (Account{}):
		return errors.New("fields of an absent account")
	case a.Existed && a.Before.CodeHash == (common.Hash{}), a.Exists && a.After.CodeHash == (common.Hash{}):
		return errors.New("code hash is zero")
	case a.Existed && !a.Exists && !a.Cleared:
		return errors.New("destroyed but not cleared")
	case !a.Existed && a.Cleared:
		return errors.New("cleared but did not exist")
	case !a.Exists && len(a.Slots) > 0:
		return errors.New("slots of an absent account")
	case len(a.Slots) == 0 && a.Same():
		return errors.New("changes nothing")
	}
	for i := range a.Slots {
		s := &a.Slots[i]
		switch {
		case i > 0 && bytes.Compare(a.Slots[i-1].Key[:], s.Key[:]) >= 0:
			return fmt.Errorf("slot %s out of order", s.Key)
		case s.Before == s.After:
			return fmt.Errorf("slot %s changes nothing", s.Key)
		case (a.Cleared || !a.Existed) && !s.Before.IsZero():
			return fmt.Errorf("slot %s has a value before, in cleared storage", s.Key)
		}
	}
	return nil
}

// Merge returns the net effect of parts, one after the other: where parts[i+1]
// begins, parts[i] ended. All parts must be canonical; the result is, and shares
// no slice with them but the code bytes. Where a value before does not equal the
// value the earlier parts left, the error matches ErrOutOfStep.
func Merge(parts ...*Changes) (*Changes, error) {
	var (
		out   Changes
		slots [][][]SlotChange // of each account, by part, since its storage was last cleared
		index = make(map[common.Address]int)
	)
	for _, part := range parts {
		for i := range part.Accounts {
			next := &part.Accounts[i]
			at, seen := index[next.Address]
			if !seen {
				at = len(out.Accounts)
				index[next.Address] = at
				out.Accounts = append(out.Accounts, *next)
				slots = append(slots, nil)
			} else if err := out.Accounts[at].append(next); err != nil {
				return nil, err
			}
			if next.Cleared {
				slots[at] = nil
			}
			if len(next.Slots) > 0 {
				slots[at] = append(slots[at], next.Slots)
			}
		}
		// A part carries the code that it newly refers to, but its account may have
		// referred to that code before an earlier part changed it: Normalize keeps
		// what the whole needs, once.
		out.Codes = append(out.Codes, part.Codes...)
	}
	for i := range out.Accounts {
		if err := out.Accounts[i].setSlots(slots[i]); err != nil {
			return nil, err
		}
	}
	out.Normalize()
	return &out, nil
}

// append makes a the net effect of a and then next, but for the slots.
func (a *AccountChange) append(next *AccountChange) error {
	if a.Exists != next.Existed || a.After != next.Before {
		return fmt.Errorf("%w: account %s is not what the earlier changes left", ErrOutOfStep, a.Address)
	}
	a.After, a.Exists = next.After, next.Exists
	a.Cleared = a.Existed && (a.Cleared || next.Cleared)
	return nil
}

// setSlots makes a.Slots the net effect of lists, one after the other.
func (a *AccountChange) setSlots(lists [][]SlotChange) (err error) {
	a.Slots, err = mergeSlots(lists)
	if err == nil && a.fresh() {
		// What was not written before, in storage that began empty, is zero.
		for i := range a.Slots {
			if s := &a.Slots[i]; !s.Before.IsZero() {
				err = outOfStep(s)
				break
			}
		}
	}
	if err != nil {
		return fmt.Errorf("account %s: %w", a.Address, err)
	}
	return nil
}

func outOfStep(s *SlotChange) error {
	return fmt.Errorf("%w: slot %s is not what the earlier changes left", ErrOutOfStep, s.Key)
}

// mergeSlots merges halves, not one list after the other, because many mini-blocks
// write to the same few contracts: each slot is copied once per level.
func mergeSlots(lists [][]SlotChange) ([]SlotChange, error) {
	switch len(lists) {
	case 0:
		return nil, nil
	case 1:
		return slices.Clone(lists[0]), nil
	}
	old, err := mergeSlots(lists[:len(lists)/2])
	if err != nil {
		return nil, err
	}
	add, err := mergeSlots(lists[len(lists)/2:])
	if err != nil {
		return nil, err
	}
	merged := make([]SlotChange, 0, len(old)+len(add))
	for len(old) > 0 && len(add) > 0 {
		switch order := bytes.Compare(old[0].Key[:], add[0].Key[:]); {
		case order < 0:
			merged, old = append(merged, old[0]), old[1:]
		case order > 0:
			merged, add = append(merged, add[0]), add[1:]
		case old[0].After != add[0].Before:
			return nil, outOfStep(&add[0])
		default:
			merged = append(merged, SlotChange{old[0].Key, old[0].Before, add[0].After})
			old, add = old[1:], add[1:]
		}
	}
	return append(append(merged, old...), add...), nil
}

// fresh: storage that this span has not written is empty.
func (a *AccountChange) fresh() bool { return a.Cleared || !a.Existed }

// Flags of an encoded AccountChange.
const (
	flagExisted = 1 << iota
	flagExists
	flagCleared
	flagSame // Before == After: written once
	flagsAll = 1<<iota - 1
)

// AppendBinary appends the canonical encoding: RLP
//
//	[ [ [address, flags, before?, after?, [[key, before, after]...]]... ], [code...] ]
//
// with an account as three items [nonce, balance, codeHash]. Same content, same
// bytes. The Changes must be canonical.
func (c *Changes) AppendBinary(dst []byte) ([]byte, error) {
	top := len(dst)
	for i := range c.Accounts {
		dst = c.Accounts[i].appendBinary(dst)
	}
	dst = rlp.WrapList(dst, top)
	codes := len(dst)
	for i := range c.Codes {
		dst = rlp.AppendBytes(dst, c.Codes[i].Bytes)
	}
	dst = rlp.WrapList(dst, codes)
	return rlp.WrapList(dst, top), nil
}

func (a *AccountChange) appendBinary(dst []byte) []byte {
	start := len(dst)
	var flags uint64
	same := a.Existed && a.Exists && a.Before == a.After
	for _, f := range []struct {
		bit uint64
		on  bool
	}{{flagExisted, a.Existed}, {flagExists, a.Exists}, {flagCleared, a.Cleared}, {flagSame, same}} {
		if f.on {
			flags |= f.bit
		}
	}
	dst = rlp.AppendBytes(dst, a.Address[:])
	dst = rlp.AppendUint64(dst, flags)
	if a.Existed {
		dst = a.Before.append(dst)
	}
	if a.Exists && !same {
		dst = a.After.append(dst)
	}
	slots := len(dst)
	for i := range a.Slots {
		s, at := &a.Slots[i], len(dst)
		dst = rlp.AppendBytes(dst, s.Key[:])
		dst = rlp.AppendUint256(dst, &s.Before)
		dst = rlp.AppendUint256(dst, &s.After)
		dst = rlp.WrapList(dst, at)
	}
	dst = rlp.WrapList(dst, slots)
	return rlp.WrapList(dst, start)
}

func (a *Account) append(dst []byte) []byte {
	dst = rlp.AppendUint64(dst, a.Nonce)
	dst = rlp.AppendUint256(dst, &a.Balance)
	return rlp.AppendBytes(dst, a.CodeHash[:])
}

func (a *Account) read(r *rlp.Reader) {
	a.Nonce = r.Uint64()
	a.Balance = r.Uint256()
	r.Fixed(a.CodeHash[:])
}

// UnmarshalBinary reads what AppendBinary wrote and validates it. It copies what
// it keeps. On an error, which matches ErrCorrupt, c is unchanged. The memory it
// takes is proportional to len(src).
func (c *Changes) UnmarshalBinary(src []byte) error {
	var (
		out      Changes
		in       = rlp.NewReader(src)
		top      = in.List()
		accounts = top.List()
	)
	for accounts.More() {
		var a AccountChange
		a.read(accounts)
		out.Accounts = append(out.Accounts, a)
	}
	top.Close(accounts)
	codes := top.List()
	for codes.More() {
		if len(out.Codes) == len(out.Accounts) { // before memory is taken and hashes computed for nothing
			codes.Fail(rlp.ErrSize)
			break
		}
		b := bytes.Clone(codes.Bytes())
		out.Codes = append(out.Codes, Code{Keccak256(b), b})
	}
	top.Close(codes)
	in.Close(top)
	if err := in.End(); err != nil {
		return corrupt("changes", err)
	}
	if err := out.Validate(); err != nil {
		return err
	}
	*c = out
	return nil
}

func (a *AccountChange) read(in *rlp.Reader) {
	r := in.List()
	r.Fixed(a.Address[:])
	flags := r.Uint64()
	if flags > flagsAll || flags&(flagExisted|flagExists) == 0 {
		r.Fail(rlp.ErrNotCanonical)
	}
	a.Existed = flags&flagExisted != 0
	a.Exists = flags&flagExists != 0
	a.Cleared = flags&flagCleared != 0
	if a.Existed {
		a.Before.read(r)
	}
	switch same := flags&flagSame != 0; {
	case same && !(a.Existed && a.Exists):
		r.Fail(rlp.ErrNotCanonical)
	case same:
		a.After = a.Before
	case a.Exists:
		a.After.read(r)
		if a.Existed && a.After == a.Before {
			r.Fail(rlp.ErrNotCanonical)
		}
	}
	slots := r.List()
	for slots.More() {
		var s SlotChange
		item := slots.List()
		item.Fixed(s.Key[:])
		s.Before = item.Uint256()
		s.After = item.Uint256()
		slots.Close(item)
		a.Slots = append(a.Slots, s)
	}
	r.Close(slots)
	in.Close(r)
}

// Digest is the keccak256 of the canonical encoding.
func (c *Changes) Digest() common.Hash {
	b, _ := c.AppendBinary(nil) // it has no failure of its own
	return Keccak256(b)
}
