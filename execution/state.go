package execution

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// state is the state while one block executes: what was read of the view, and
// what the block has written so far. Each key is read from the view at most once.
//
// Every value is kept as of now and as of the begin of each span that wrote it, so
// that the net Changes of a transaction, a mini-block and the block are read off
// the entries that the span wrote, and cost nothing that grows with the block.
//
// It is written in transactions: each ends with finalise, or is undone whole with
// abandon. Within one, snapshots of the journal can be returned to. A failure of
// the view sticks: err is set, fail is told, and all later answers are zero and to
// be thrown away.
type state struct {
	view   chain.StateView
	eip158 bool   // EIP-161: empty accounts that are touched are deleted
	fail   func() // called when err is set; stops the interpreter
	err    error

	accounts     map[common.Address]*account
	slots        map[slotKey]*slot
	codes        map[common.Hash][]byte // as the view has them
	recent       [256]*account          // accounts found last, by a byte of the address
	recentAt     recentSlot
	accountArena accountArena
	slotArena    slotArena

	epoch       [spans]uint32     // number of the current transaction, mini-block; 1 for the block
	dirty       [spans][]*account // written in the current one
	journal     journal
	accesses    accesses
	transient   map[transientKey]common.Hash
	refund      uint64
	logs        []chain.Log // of the current transaction
	precompiles []*account
	hints       *hints // nil: none wanted

	// pending is the slot of EIP-2935 whose value is not asked for yet.
	pending *pendingSlot
}

// A span is a stretch of execution that has net Changes.
type span int

const (
	spanTx span = iota
	spanMini
	spanBlock
	spans
)

// An account is one address in a block. Everything but the address and what
// transactions did to the access list is unknown until it is loaded.
type account struct {
	chain.Account // as of now; zero when it does not exist
	addr          common.Address
	index         uint32 // names the account in slotKeys
	// generation is how often the account was destroyed in this block. Slots of
	// earlier generations are unreachable.
	generation uint32
	loaded     bool
	exists     bool
	// fresh: the storage in the view is not this account's, because it was absent
	// or has been destroyed since.
	fresh      bool
	created    bool // made a contract in this transaction (EIP-6780)
	destructed bool // to be destroyed when this transaction ends
	codeLoaded bool
	codeSet    bool // code was set in this block: it is not the code of before
	code       []byte

	touches int32 // journal entries of this transaction that stand (EIP-161)
	warmTx  uint32

	seenTx, codeSeenTx uint32 // the last transaction that accessed it
	seen, codeSeen     bool   // accessed by a transaction that is in the block
	slotsSeen          []common.Hash

	written [spans]uint32 // the last span that wrote it
	before  [spans]accountBefore
	slots   [spans][]*slot // written in that span, of this generation
}

// accountBefore is an account as of the begin of a span.
type accountBefore struct {
	chain.Account
	exists     bool
	generation uint32
}

// A slot is one storage slot of one generation of an account.
type slot struct {
	key     common.Hash
	value   common.Hash // as of now
	before  [spans]common.Hash
	written [spans]uint32 // the last span that wrote it
	warmTx  uint32
	seenTx  uint32
	seen    bool
	loaded  bool
}

type slotKey struct {
	account    uint32
	generation uint32
	key        common.Hash
}

type recentSlot struct {
	account *account
	slot    *slot
}

type transientKey struct {
	addr common.Address
	key  common.Hash
}

// pendingSlot is a slot whose value is to come: see state.resolve.
type pendingSlot struct {
	account *account
	slot    *slot
	value   func() (common.Hash, error)
}

// setErr records the first failure and stops the interpreter.
func (s *state) setErr(err error) {
	if s.err == nil {
		s.err = err
		s.fail()
	}
}

// find returns the entry of addr, which may not be loaded.
func (s *state) find(addr common.Address) *account {
	at := &s.recent[addr[19]^addr[4]]
	if a := *at; a != nil && a.addr == addr {
		return a
	}
	a := s.accounts[addr]
	if a == nil {
		a = s.accountArena.take()
		a.addr = addr
		a.index = uint32(len(s.accounts))
		s.accounts[addr] = a
	}
	*at = a
	return a
}

// read returns the account at addr, loaded, and notes the access.
func (s *state) read(addr common.Address) *account {
	a := s.find(addr)
	if !a.loaded {
		s.load(a)
	}
	s.see(a)
	return a
}

func (s *state) load(a *account) {
	if s.err != nil {
		return
	}
	prior, exists, err := s.view.Account(a.addr)
	if err != nil {
		s.setErr(fmt.Errorf("account %s: %w", a.addr, err))
		return
	}
	a.loaded = true
	if exists {
		a.Account = prior
	}
	a.exists, a.fresh = exists, !exists
	a.before[spanBlock] = accountBefore{Account: a.Account, exists: exists}
}

// readSlot returns the slot of a under key, loaded, and notes the access.
func (s *state) readSlot(a *account, key common.Hash) *slot {
	sl := s.findSlot(a, key)
	if !sl.loaded {
		s.loadSlot(a, sl)
	}
	s.seeSlot(a, sl)
	return sl
}

func (s *state) findSlot(a *account, key common.Hash) *slot {
	if r := &s.recentAt; r.account == a && r.slot.key == key {
		return r.slot
	}
	id := slotKey{a.index, a.generation, key}
	sl := s.slots[id]
	if sl == nil {
		sl = s.slotArena.take()
		sl.key = key
		s.slots[id] = sl
	}
	s.recentAt = recentSlot{a, sl}
	return sl
}

func (s *state) loadSlot(a *account, sl *slot) {
	switch {
	case s.err != nil:
		return
	case s.pending != nil && s.pending.slot == sl:
		s.resolve()
		return
	case !a.fresh:
		value, err := s.view.Slot(a.addr, sl.key)
		if err != nil {
			s.setErr(fmt.Errorf("slot %s of %s: %w", sl.key, a.addr, err))
			return
		}
		sl.value = value.Bytes32()
	}
	sl.loaded = true
	sl.before[spanBlock] = sl.value
}

// deferSlot makes a slot pending: written as of now, with a value that is asked of
// value when someone reads it.
func (s *state) deferSlot(a *account, key common.Hash, value func() (common.Hash, error)) {
	sl := s.readSlot(a, key)
	sl.loaded = false
	s.pending = &pendingSlot{a, sl, value}
}

// resolve gives the pending slot its value. It is a change of the block, made
// before all of its mini-blocks.
func (s *state) resolve() {
	p := s.pending
	value, err := p.value()
	if err != nil {
		s.setErr(err)
		return
	}
	s.pending = nil
	p.slot.value, p.slot.loaded = value, true
	if value != p.slot.before[spanBlock] {
		s.markSlot(spanBlock, p.account, p.slot, p.slot.before[spanBlock])
		s.mark(spanBlock, p.account, p.account.before[spanBlock])
	}
}

// readCode returns the code of a.
func (s *state) readCode(a *account) []byte {
	if a.codeLoaded || a.CodeHash == chain.EmptyCodeHash || !a.exists || s.err != nil {
		return a.code
	}
	code, ok := s.codes[a.CodeHash]
	if !ok {
		var err error
		if code, err = s.view.Code(a.CodeHash); err != nil {
			if errors.Is(err, chain.ErrNotFound) { // of an account that the view does have
				err = &chain.CorruptError{What: "state", Offset: -1, Err: err}
			}
			s.setErr(fmt.Errorf("code %s of %s: %w", a.CodeHash, a.addr, err))
			return nil
		}
		s.codes[a.CodeHash] = code
	}
	a.code, a.codeLoaded = code, true
	return code
}

// write returns the account at addr for writing: it exists from now on.
func (s *state) write(addr common.Address) *account {
	a := s.read(addr)
	if !a.exists {
		s.create(a)
	}
	return a
}

func (s *state) create(a *account) {
	s.record(entry{kind: entryCreate, account: a})
	a.exists = true
	a.Account = chain.Account{CodeHash: chain.EmptyCodeHash}
}

// record journals a write to an account that is about to happen.
func (s *state) record(e entry) {
	a := e.account
	if a.written[spanTx] != s.epoch[spanTx] {
		a.touches = 0
		s.mark(spanTx, a, accountBefore{a.Account, a.exists, a.generation})
	}
	a.touches++
	s.journal.entries = append(s.journal.entries, e)
}

func (s *state) setBalance(a *account, balance uint256.Int) {
	s.journal.balances = append(s.journal.balances, a.Balance)
	s.record(entry{kind: entryBalance, account: a})
	a.Balance = balance
}

func (s *state) setNonce(a *account, nonce uint64) {
	s.record(entry{kind: entryNonce, account: a, number: a.Nonce})
	a.Nonce = nonce
}

func (s *state) setCode(a *account, code []byte) {
	s.journal.codes = append(s.journal.codes, savedCode{a.code, a.CodeHash, a.codeLoaded, a.codeSet})
	s.record(entry{kind: entryCode, account: a})
	a.code, a.CodeHash = code, chain.EmptyCodeHash
	if len(code) > 0 {
		a.CodeHash = chain.Keccak256(code)
	}
	a.codeLoaded, a.codeSet = true, true
}

func (s *state) setSlot(a *account, sl *slot, value common.Hash) {
	s.journal.words = append(s.journal.words, sl.value)
	s.record(entry{kind: entrySlot, account: a, slot: sl})
	if sl.written[spanTx] != s.epoch[spanTx] {
		s.markSlot(spanTx, a, sl, sl.value)
	}
	sl.value = value
}

// ripemd is the precompile whose touch survives a revert: see touch.
var ripemd = common.BytesToAddress([]byte{3})

// touch counts a as written without a change (EIP-161).
//
// In block 2675119 of mainnet a transaction touched the empty account 0x3 and ran
// out of gas. The clients of the day deleted the account all the same, and so it
// is part of the protocol (EIP-716).
func (s *state) touch(a *account) {
	s.record(entry{kind: entryTouch, account: a})
	if a.addr == ripemd {
		a.touches++
	}
}

// finalise ends a transaction that stands. Accounts that destroyed themselves, and
// under EIP-161 those that are touched and empty, go. It returns the net changes
// if want is set.
func (s *state) finalise(want bool) *chain.Changes {
	for _, a := range s.dirty[spanTx] {
		if a.touches > 0 && a.exists && (a.destructed || s.eip158 && a.Empty()) {
			s.destroy(a)
		}
		a.created, a.destructed = false, false
		s.promote(a)
	}
	var changes *chain.Changes
	if want {
		changes = s.changes(spanTx)
	}
	s.accesses.keep()
	s.endTx()
	return changes
}

// abandon ends a transaction that leaves nothing behind.
func (s *state) abandon() {
	s.RevertToSnapshot(0)
	s.accesses.drop()
	s.endTx()
}

func (s *state) endTx() {
	s.endSpan(spanTx)
	s.journal.reset()
	s.refund = 0
	s.logs = nil
}

// destroy removes a with its code and storage.
func (s *state) destroy(a *account) {
	s.recentAt = recentSlot{} // it may be of the generation that ends
	a.Account = chain.Account{}
	a.exists, a.fresh = false, true
	a.code, a.codeLoaded, a.codeSet = nil, false, false
	a.generation++
	for i := range a.slots {
		a.slots[i] = a.slots[i][:0]
	}
}
