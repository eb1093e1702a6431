package execution

import (
	"bytes"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// mark notes that a is written in the current span sp, at whose begin it was
// before.
func (s *state) mark(sp span, a *account, before accountBefore) {
	if a.written[sp] == s.epoch[sp] {
		return
	}
	a.written[sp] = s.epoch[sp]
	a.before[sp] = before
	s.dirty[sp] = append(s.dirty[sp], a)
}

// markSlot notes the same of a slot.
func (s *state) markSlot(sp span, a *account, sl *slot, before common.Hash) {
	if sl.written[sp] == s.epoch[sp] {
		return
	}
	sl.written[sp] = s.epoch[sp]
	sl.before[sp] = before
	a.slots[sp] = append(a.slots[sp], sl)
}

// promote enters what the ending transaction changed of a into the mini-block and
// the block.
func (s *state) promote(a *account) {
	before := &a.before[spanTx]
	changed := a.Account != before.Account || a.exists != before.exists || a.generation != before.generation
	for _, sl := range a.slots[spanTx] {
		if sl.value != sl.before[spanTx] {
			changed = true
			s.markSlot(spanMini, a, sl, sl.before[spanTx])
			s.markSlot(spanBlock, a, sl, sl.before[spanTx])
		}
	}
	if changed {
		s.mark(spanMini, a, *before)
		s.mark(spanBlock, a, *before)
	}
}

// endSpan begins the next span of the kind.
func (s *state) endSpan(sp span) {
	for _, a := range s.dirty[sp] {
		a.slots[sp] = a.slots[sp][:0]
	}
	clear(s.dirty[sp])
	s.dirty[sp] = s.dirty[sp][:0]
	s.epoch[sp]++
}

// changes returns the net changes of the current span, canonical.
func (s *state) changes(sp span) *chain.Changes {
	out := &chain.Changes{}
	dirty := s.dirty[sp]
	if len(dirty) == 0 {
		return out
	}
	sortAccounts(dirty)
	out.Accounts = make([]chain.AccountChange, 0, len(dirty))
	for _, a := range dirty {
		c := chain.AccountChange{Address: a.addr}
		before := &a.before[sp]
		if c.Existed = before.exists; c.Existed {
			c.Before = before.Account
			c.Cleared = a.generation != before.generation
		}
		if c.Exists = a.exists; c.Exists {
			c.After = a.Account
			c.Slots = a.slotChanges(sp)
		}
		if len(c.Slots) == 0 && c.Same() {
			continue
		}
		if c.Exists && c.After.CodeHash != chain.EmptyCodeHash && c.After.CodeHash != c.Before.CodeHash {
			out.Codes = append(out.Codes, chain.Code{Hash: c.After.CodeHash, Bytes: a.code})
		}
		out.Accounts = append(out.Accounts, c)
	}
	if len(out.Accounts) == 0 {
		out.Accounts = nil
	}
	slices.SortFunc(out.Codes, func(x, y chain.Code) int { return bytes.Compare(x.Hash[:], y.Hash[:]) })
	out.Codes = slices.CompactFunc(out.Codes, func(x, y chain.Code) bool { return x.Hash == y.Hash })
	return out
}

func (a *account) slotChanges(sp span) []chain.SlotChange {
	list := a.slots[sp]
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(x, y *slot) int { return bytes.Compare(x.key[:], y.key[:]) })
	out := make([]chain.SlotChange, 0, len(list))
	for _, sl := range list {
		if sl.value == sl.before[sp] {
			continue
		}
		var c chain.SlotChange
		c.Key = sl.key
		c.Before.SetBytes32(sl.before[sp][:])
		c.After.SetBytes32(sl.value[:])
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func sortAccounts(list []*account) {
	slices.SortFunc(list, func(a, b *account) int { return bytes.Compare(a.addr[:], b.addr[:]) })
}
