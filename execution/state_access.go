package execution

import (
	"bytes"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// accesses gathers what the block accesses: first of the current transaction,
// then, if it stands, of the block.
type accesses struct {
	txAccounts  []*account
	txCodes     []*account
	txSlots     []recentSlot
	txAncestors ancestorSet
	anyAncestor bool // in txAncestors

	accounts  []*account // of the block, each once
	ancestors ancestorSet
}

// ancestorSet has block numbers modulo 256: no two ancestors that BLOCKHASH
// answers for share one.
type ancestorSet [256]bool

func (s *state) see(a *account) {
	if a.seen || a.seenTx == s.epoch[spanTx] {
		return
	}
	a.seenTx = s.epoch[spanTx]
	s.accesses.txAccounts = append(s.accesses.txAccounts, a)
}

// seeCode notes that the code that a had before the block is read.
func (s *state) seeCode(a *account) {
	if a.codeSeen || a.codeSet || a.codeSeenTx == s.epoch[spanTx] {
		return
	}
	a.codeSeenTx = s.epoch[spanTx]
	s.accesses.txCodes = append(s.accesses.txCodes, a)
}

func (s *state) seeSlot(a *account, sl *slot) {
	if sl.seen || sl.seenTx == s.epoch[spanTx] {
		return
	}
	sl.seenTx = s.epoch[spanTx]
	s.accesses.txSlots = append(s.accesses.txSlots, recentSlot{a, sl})
}

func (s *state) seeAncestor(number uint64) {
	s.accesses.txAncestors[number%256] = true
	s.accesses.anyAncestor = true
}

// keep enters the transaction's accesses into the block's.
func (x *accesses) keep() {
	for _, a := range x.txAccounts {
		a.seen = true
	}
	for _, a := range x.txCodes {
		a.codeSeen = true
	}
	for _, r := range x.txSlots {
		r.slot.seen = true
		r.account.slotsSeen = append(r.account.slotsSeen, r.slot.key)
	}
	x.accounts = append(x.accounts, x.txAccounts...)
	if x.anyAncestor {
		for i, read := range x.txAncestors {
			x.ancestors[i] = x.ancestors[i] || read
		}
	}
	x.drop()
}

// drop forgets the transaction's accesses.
func (x *accesses) drop() {
	clear(x.txAccounts)
	clear(x.txCodes)
	clear(x.txSlots)
	x.txAccounts, x.txCodes, x.txSlots = x.txAccounts[:0], x.txCodes[:0], x.txSlots[:0]
	if x.anyAncestor {
		x.txAncestors, x.anyAncestor = ancestorSet{}, false
	}
}

func (x *accesses) reset() {
	x.drop()
	clear(x.accounts)
	x.accounts, x.ancestors = x.accounts[:0], ancestorSet{}
}

// accessSet is everything that the block of that number accessed, normalized.
func (x *accesses) accessSet(number uint64) *chain.AccessSet {
	set := &chain.AccessSet{Accounts: make([]chain.AccountAccess, 0, len(x.accounts))}
	sortAccounts(x.accounts)
	for _, a := range x.accounts {
		access := chain.AccountAccess{Address: a.addr, Code: a.codeSeen}
		if len(a.slotsSeen) > 0 { // a slot of a later generation may repeat one
			slices.SortFunc(a.slotsSeen, func(x, y common.Hash) int { return bytes.Compare(x[:], y[:]) })
			a.slotsSeen = slices.Compact(a.slotsSeen)
			access.Slots = slices.Clone(a.slotsSeen)
		}
		set.Accounts = append(set.Accounts, access)
	}
	for n := number - min(number, 256); n < number; n++ {
		if x.ancestors[n%256] {
			set.Ancestors = append(set.Ancestors, n)
		}
	}
	return set
}
