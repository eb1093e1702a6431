package execution

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// model is state done naively: the whole of it is copied at each snapshot and at
// the begin of each span, and changes are found by comparing copies.
type model struct {
	accounts  map[common.Address]modelAccount
	touched   map[common.Address]bool // written in the transaction
	doomed    map[common.Address]bool
	transient map[transientKey]common.Hash
	warm      map[transientKey]bool
	refund    uint64
}

type modelAccount struct {
	chain.Account
	code  string
	slots map[common.Hash]common.Hash
}

func newModel() *model {
	return &model{
		accounts: make(map[common.Address]modelAccount), touched: make(map[common.Address]bool), doomed: make(map[common.Address]bool),
		transient: make(map[transientKey]common.Hash), warm: make(map[transientKey]bool),
	}
}

func (m *model) clone() *model {
	out := *m
	out.accounts = make(map[common.Address]modelAccount)
	for addr, a := range m.accounts {
		a.slots = maps.Clone(a.slots)
		out.accounts[addr] = a
	}
	out.touched, out.doomed = maps.Clone(m.touched), maps.Clone(m.doomed)
	out.transient, out.warm = maps.Clone(m.transient), maps.Clone(m.warm)
	return &out
}

// model is a chain.StateView, as of the begin of a block.
func (m *model) Account(addr common.Address) (chain.Account, bool, error) {
	a, ok := m.accounts[addr]
	return a.Account, ok, nil
}

func (m *model) Slot(addr common.Address, key common.Hash) (v uint256.Int, err error) {
	value := m.accounts[addr].slots[key]
	v.SetBytes32(value[:])
	return v, nil
}

func (m *model) Code(hash common.Hash) ([]byte, error) {
	for _, a := range m.accounts {
		if a.CodeHash == hash {
			return []byte(a.code), nil
		}
	}
	return nil, chain.ErrNotFound
}

func (m *model) write(addr common.Address, change func(*modelAccount)) {
	a, ok := m.accounts[addr]
	if !ok {
		a = modelAccount{Account: chain.Account{CodeHash: chain.EmptyCodeHash}, slots: make(map[common.Hash]common.Hash)}
	}
	change(&a)
	m.accounts[addr] = a
	m.touched[addr] = true
}

// finalise ends the transaction and returns who was destroyed.
func (m *model) finalise(eip158 bool) (destroyed []common.Address) {
	for addr := range m.touched {
		a, ok := m.accounts[addr]
		if ok && (m.doomed[addr] || eip158 && a.Empty()) {
			delete(m.accounts, addr)
			destroyed = append(destroyed, addr)
		}
	}
	m.endTx()
	return destroyed
}

func (m *model) endTx() {
	clear(m.touched)
	clear(m.doomed)
	clear(m.transient)
	clear(m.warm)
	m.refund = 0
}

// span is where a span began, and who was destroyed in it.
type modelSpan struct {
	before    *model
	destroyed map[common.Address]bool
}

func (s *modelSpan) begin(m *model) {
	s.before, s.destroyed = m.clone(), make(map[common.Address]bool)
}

// changes compares m with the begin of the span.
func (s *modelSpan) changes(m *model) *chain.Changes {
	out := &chain.Changes{}
	all := maps.Clone(s.before.accounts)
	maps.Copy(all, m.accounts)
	for addr := range all {
		before, existed := s.before.accounts[addr]
		after, exists := m.accounts[addr]
		c := chain.AccountChange{Address: addr, Before: before.Account, After: after.Account, Existed: existed, Exists: exists,
			Cleared: existed && s.destroyed[addr]}
		if c.Cleared {
			before.slots = nil
		}
		keys := maps.Clone(after.slots)
		if keys == nil {
			keys = make(map[common.Hash]common.Hash)
		}
		maps.Copy(keys, before.slots)
		for key := range keys {
			var slot chain.SlotChange
			b, a := before.slots[key], after.slots[key]
			slot.Key = key
			slot.Before.SetBytes32(b[:])
			slot.After.SetBytes32(a[:])
			c.Slots = append(c.Slots, slot)
		}
		if code := after.code; code != "" {
			out.Codes = append(out.Codes, chain.Code{Hash: after.CodeHash, Bytes: []byte(code)})
		}
		out.Accounts = append(out.Accounts, c)
	}
	out.Normalize()
	return out
}

var (
	modelAddrs = [...]common.Address{{1}, {2}, {4}, {5}, {6}}
	modelKeys  = [...]common.Hash{{1}, {2}, {3}}
	modelCodes = [...]string{"", "code", "other code"}
)

// step does one thing to both, and compares what they answer.
func step(t *testing.T, rng *rand.Rand, s *state, m *model) {
	var (
		addr = modelAddrs[rng.IntN(len(modelAddrs))]
		key  = modelKeys[rng.IntN(len(modelKeys))]
		id   = transientKey{addr, key}
		n    = rng.Uint64N(3)
	)
	switch rng.IntN(13) {
	case 0:
		s.AddBalance(addr, uint256.NewInt(n), tracing.BalanceChangeUnspecified)
		m.write(addr, func(a *modelAccount) { a.Balance.AddUint64(&a.Balance, n) })
	case 1:
		if a := m.accounts[addr]; a.Balance.CmpUint64(n) >= 0 && n > 0 {
			s.SubBalance(addr, uint256.NewInt(n), tracing.BalanceChangeUnspecified)
			m.write(addr, func(a *modelAccount) { a.Balance.SubUint64(&a.Balance, n) })
		}
	case 2:
		s.SetNonce(addr, n, tracing.NonceChangeUnspecified)
		m.write(addr, func(a *modelAccount) { a.Nonce = n })
	case 3:
		code := modelCodes[n]
		require.Equal(t, m.accounts[addr].code, string(s.SetCode(addr, []byte(code), tracing.CodeChangeUnspecified)))
		m.write(addr, func(a *modelAccount) { a.code, a.CodeHash = code, chain.Keccak256([]byte(code)) })
	case 4, 5, 6:
		if a, ok := m.accounts[addr]; ok { // an account whose code runs exists
			value := common.Hash{31: byte(n)}
			require.Equal(t, a.slots[key], s.SetState(addr, key, value))
			if a.slots[key] != value {
				m.write(addr, func(a *modelAccount) { set(a.slots, key, value) })
			}
		}
	case 7:
		if _, ok := m.accounts[addr]; ok {
			s.SelfDestruct(addr)
			m.doomed[addr], m.touched[addr] = true, true
		}
	case 8:
		if _, ok := m.accounts[addr]; !ok {
			s.CreateAccount(addr)
			m.write(addr, func(*modelAccount) {})
		}
	case 9:
		s.SetTransientState(addr, key, common.Hash{byte(n)})
		set(m.transient, id, common.Hash{byte(n)})
	case 10:
		s.AddSlotToAccessList(addr, key)
		m.warm[id], m.warm[transientKey{addr: addr}] = true, true
	case 11:
		s.AddRefund(n)
		m.refund += n
	case 12:
		s.AddAddressToAccessList(addr)
		m.warm[transientKey{addr: addr}] = true
	}
	sameState(t, s, m, addr, key)
}

func set[K comparable](m map[K]common.Hash, key K, value common.Hash) {
	if value == (common.Hash{}) {
		delete(m, key)
		return
	}
	m[key] = value
}

func sameState(t *testing.T, s *state, m *model, addr common.Address, key common.Hash) {
	t.Helper()
	a, ok := m.accounts[addr]
	require.Equal(t, ok, s.Exist(addr))
	require.Equal(t, !ok || a.Empty(), s.Empty(addr))
	require.Equal(t, a.Balance, *s.GetBalance(addr))
	require.Equal(t, a.Nonce, s.GetNonce(addr))
	require.Equal(t, a.CodeHash, s.GetCodeHash(addr))
	require.Equal(t, a.code, string(s.GetCode(addr)))
	require.Equal(t, len(a.code), s.GetCodeSize(addr))
	require.Equal(t, a.slots[key], s.GetState(addr, key))
	require.Equal(t, m.doomed[addr], s.HasSelfDestructed(addr))
	require.Equal(t, m.transient[transientKey{addr, key}], s.GetTransientState(addr, key))
	warm, warmSlot := s.SlotInAccessList(addr, key)
	require.Equal(t, m.warm[transientKey{addr: addr}], warm)
	require.Equal(t, m.warm[transientKey{addr, key}], warmSlot)
	require.Equal(t, m.refund, s.GetRefund())
}

// Random blocks of random transactions with reverts, on state and on its model:
// the same answers, and the same net changes of each transaction, mini-block and
// block.
func TestStateAgainstModel(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		s, m := newState(), newModel()
		for range 3 { // blocks, on recycled memory
			runModelBlock(t, rng, s, m, seed%2 == 0)
			s.close()
		}
	}
}

func runModelBlock(t *testing.T, rng *rand.Rand, s *state, m *model, eip158 bool) {
	s.open(m.clone(), eip158, func() { t.Fatal("the view does not fail") })
	var tx, mini, block modelSpan
	block.begin(m)
	mini.begin(m)
	for range 12 {
		tx.begin(m)
		runModelTx(t, rng, s, m)
		if rng.IntN(5) == 0 {
			s.abandon()
			*m = *tx.before.clone()
			continue
		}
		for _, addr := range m.finalise(eip158) {
			tx.destroyed[addr], mini.destroyed[addr], block.destroyed[addr] = true, true, true
		}
		requireChanges(t, tx.changes(m), s.finalise(true))
		if rng.IntN(3) == 0 {
			requireChanges(t, mini.changes(m), s.changes(spanMini))
			s.endSpan(spanMini)
			mini.begin(m)
		}
	}
	requireChanges(t, mini.changes(m), s.changes(spanMini))
	requireChanges(t, block.changes(m), s.changes(spanBlock))
}

func requireChanges(t *testing.T, want, got *chain.Changes) {
	t.Helper()
	require.NoError(t, got.Validate())
	require.Equal(t, want, got)
}

// runModelTx runs frames, of which some are reverted.
func runModelTx(t *testing.T, rng *rand.Rand, s *state, m *model) {
	if len(s.transient) > 0 {
		clear(s.transient) // Prepare
	}
	for range rng.IntN(4) {
		var (
			id   = s.Snapshot()
			copy = m.clone()
		)
		for range rng.IntN(12) {
			step(t, rng, s, m)
		}
		if rng.IntN(3) == 0 {
			s.RevertToSnapshot(id)
			*m = *copy
			for _, addr := range modelAddrs {
				sameState(t, s, m, addr, modelKeys[0])
			}
		}
	}
}

// committedState is what SSTORE compares with: the value before the transaction.
func TestCommittedState(t *testing.T) {
	s := newState()
	m := newModel()
	addr, key := common.Address{1}, common.Hash{1}
	m.write(addr, func(a *modelAccount) { a.slots[key] = common.Hash{7}; a.Nonce = 1 })
	s.open(m, true, func() {})
	require.Equal(t, common.Hash{7}, s.SetState(addr, key, common.Hash{8}))
	now, before := s.GetStateAndCommittedState(addr, key)
	require.Equal(t, []common.Hash{{8}, {7}}, []common.Hash{now, before})
	s.finalise(false)
	now, before = s.GetStateAndCommittedState(addr, key)
	require.Equal(t, []common.Hash{{8}, {8}}, []common.Hash{now, before})
}

// The accesses may be asked for more than once, also when an account had a slot in
// two of its lives.
func TestAccessSetAgain(t *testing.T) {
	s, m := newState(), newModel()
	addr, key := common.Address{1}, common.Hash{9}
	m.write(addr, func(a *modelAccount) { a.slots[key] = common.Hash{7}; a.Nonce = 1 })
	s.open(m, true, func() {})
	want := &chain.AccessSet{Accounts: []chain.AccountAccess{{Address: addr, Slots: []common.Hash{key}}}}
	for range 3 {
		s.GetState(addr, key)
		s.SetNonce(addr, 1, tracing.NonceChangeUnspecified)
		s.SelfDestruct(addr)
		s.finalise(false)
		require.Empty(t, s.accesses.accessSet(1).Diff(want))
	}
}

// failing knows nothing.
type failing struct{ asked int }

var errFailing = errors.New("no idea")

func (f *failing) Account(common.Address) (chain.Account, bool, error) {
	f.asked++
	return chain.Account{}, false, errFailing
}

func (f *failing) Slot(common.Address, common.Hash) (uint256.Int, error) {
	return uint256.Int{}, errFailing
}

func (f *failing) Code(common.Hash) ([]byte, error) { return nil, errFailing }

// The first failure sticks, stops the interpreter once, and the view is not asked
// again.
func TestStateFails(t *testing.T) {
	var (
		s     = newState()
		view  = new(failing)
		stops = 0
	)
	s.open(view, true, func() { stops++ })
	for i := range byte(3) {
		s.GetBalance(common.Address{i})
		s.GetState(common.Address{i}, common.Hash{})
		s.GetCode(common.Address{i})
	}
	require.ErrorIs(t, s.err, errFailing)
	require.Equal(t, []int{1, 1}, []int{stops, view.asked})
}

// Code that an account of the view has, and the view does not, is corruption.
func TestMissingCodeIsCorrupt(t *testing.T) {
	s, m := newState(), newModel()
	addr := common.Address{1}
	m.write(addr, func(a *modelAccount) { a.CodeHash = common.Hash{1} })
	view := withoutCode{m}
	s.open(view, true, func() {})
	s.GetCode(addr)
	require.ErrorIs(t, s.err, chain.ErrCorrupt)
}

type withoutCode struct{ chain.StateView }

func (withoutCode) Code(hash common.Hash) ([]byte, error) {
	return nil, fmt.Errorf("code %s: %w", hash, chain.ErrNotFound)
}
