package execution

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// journal remembers how to undo the current transaction. An entry says what was
// written; the values before are on stacks of their own kinds, pushed and popped
// in step with the entries.
type journal struct {
	entries    []entry
	balances   []uint256.Int
	words      []common.Hash
	codes      []savedCode
	transients []savedTransient
}

type entryKind uint8

const (
	entryCreate    entryKind = iota // account came to be
	entryContract                   // account was made a contract
	entryDestruct                   // account is to be destroyed
	entryTouch                      // account
	entryBalance                    // account; balances
	entryNonce                      // account, number
	entryCode                       // account; codes
	entrySlot                       // account, slot; words
	entryTransient                  // transients
	entryRefund                     // number
	entryLog
	entryWarm     // account
	entryWarmSlot // slot
)

type entry struct {
	kind    entryKind
	account *account
	slot    *slot
	number  uint64
}

type savedCode struct {
	code        []byte
	hash        common.Hash
	loaded, set bool
}

type savedTransient struct {
	key   transientKey
	value common.Hash
}

func (j *journal) reset() {
	clear(j.entries)
	clear(j.codes)
	*j = journal{j.entries[:0], j.balances[:0], j.words[:0], j.codes[:0], j.transients[:0]}
}

// Snapshot names the current moment of the transaction: the length of the journal.
func (s *state) Snapshot() int { return len(s.journal.entries) }

// RevertToSnapshot undoes everything since the moment id.
func (s *state) RevertToSnapshot(id int) {
	j := &s.journal
	for i := len(j.entries) - 1; i >= id; i-- {
		s.undo(&j.entries[i])
	}
	clear(j.entries[id:])
	j.entries = j.entries[:id]
}

func (s *state) undo(e *entry) {
	a, j := e.account, &s.journal
	switch e.kind {
	case entryCreate:
		a.exists = false
		a.Account = accountBefore{}.Account
	case entryContract:
		a.created = false
	case entryDestruct:
		a.destructed = false
	case entryTouch:
	case entryBalance:
		a.Balance = pop(&j.balances)
	case entryNonce:
		a.Nonce = e.number
	case entryCode:
		c := pop(&j.codes)
		a.code, a.CodeHash, a.codeLoaded, a.codeSet = c.code, c.hash, c.loaded, c.set
	case entrySlot:
		e.slot.value = pop(&j.words)
	case entryTransient:
		t := pop(&j.transients)
		s.transient[t.key] = t.value
	case entryRefund:
		s.refund = e.number
	case entryLog:
		s.logs = s.logs[:len(s.logs)-1]
	case entryWarm:
		a.warmTx = 0
		return
	case entryWarmSlot:
		e.slot.warmTx = 0
		return
	}
	if a != nil {
		a.touches--
	}
}

func pop[T any](stack *[]T) T {
	n := len(*stack) - 1
	v := (*stack)[n]
	*stack = (*stack)[:n]
	return v
}
