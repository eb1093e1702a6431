package execution

import (
	"github.com/ethereum/go-ethereum/common"
	gethstate "github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/stateless"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// This file is state as go-ethereum's interpreter wants it: vm.StateDB. What is
// asked for here is what the block accesses.

var _ vm.StateDB = (*state)(nil)

// Exist is also true of an account that is to be destroyed.
func (s *state) Exist(addr common.Address) bool { return s.read(addr).exists }

func (s *state) Empty(addr common.Address) bool {
	a := s.read(addr)
	return !a.exists || a.Account.Empty()
}

func (s *state) Touch(addr common.Address) { s.read(addr) }

func (s *state) CreateAccount(addr common.Address) { s.create(s.read(addr)) }

func (s *state) CreateContract(addr common.Address) {
	if a := s.read(addr); !a.created {
		s.record(entry{kind: entryContract, account: a})
		a.created = true
	}
}

func (s *state) IsNewContract(addr common.Address) bool { return s.read(addr).created }

// GetBalance returns a copy: the interpreter holds on to it while it writes.
func (s *state) GetBalance(addr common.Address) *uint256.Int {
	balance := s.read(addr).Balance
	return &balance
}

func (s *state) AddBalance(addr common.Address, amount *uint256.Int, _ tracing.BalanceChangeReason) uint256.Int {
	a := s.write(addr)
	before := a.Balance
	if !amount.IsZero() {
		var after uint256.Int
		after.Add(&before, amount)
		s.setBalance(a, after)
	} else if a.Account.Empty() {
		s.touch(a)
	}
	return before
}

func (s *state) SubBalance(addr common.Address, amount *uint256.Int, _ tracing.BalanceChangeReason) uint256.Int {
	a := s.write(addr)
	before := a.Balance
	if !amount.IsZero() {
		var after uint256.Int
		after.Sub(&before, amount)
		s.setBalance(a, after)
	}
	return before
}

func (s *state) GetNonce(addr common.Address) uint64 { return s.read(addr).Nonce }

func (s *state) SetNonce(addr common.Address, nonce uint64, _ tracing.NonceChangeReason) {
	s.setNonce(s.write(addr), nonce)
}

// GetCodeHash is zero for an account that does not exist.
func (s *state) GetCodeHash(addr common.Address) common.Hash { return s.read(addr).CodeHash }

func (s *state) GetCode(addr common.Address) []byte {
	a := s.read(addr)
	code := s.readCode(a)
	if len(code) > 0 {
		s.seeCode(a)
	}
	return code
}

func (s *state) GetCodeSize(addr common.Address) int { return len(s.GetCode(addr)) }

func (s *state) SetCode(addr common.Address, code []byte, _ tracing.CodeChangeReason) []byte {
	a := s.write(addr)
	before := s.readCode(a)
	s.setCode(a, code)
	return before
}

func (s *state) GetState(addr common.Address, key common.Hash) common.Hash {
	return s.readSlot(s.read(addr), key).value
}

func (s *state) GetStateAndCommittedState(addr common.Address, key common.Hash) (now, committed common.Hash) {
	sl := s.readSlot(s.read(addr), key)
	if sl.written[spanTx] == s.epoch[spanTx] {
		return sl.value, sl.before[spanTx]
	}
	return sl.value, sl.value
}

func (s *state) SetState(addr common.Address, key, value common.Hash) common.Hash {
	a := s.write(addr)
	sl := s.readSlot(a, key)
	before := sl.value
	if before != value {
		s.setSlot(a, sl, value)
	}
	return before
}

func (s *state) GetTransientState(addr common.Address, key common.Hash) common.Hash {
	return s.transient[transientKey{addr, key}]
}

func (s *state) SetTransientState(addr common.Address, key, value common.Hash) {
	id := transientKey{addr, key}
	before := s.transient[id]
	if before == value {
		return
	}
	s.journal.transients = append(s.journal.transients, savedTransient{id, before})
	s.journal.entries = append(s.journal.entries, entry{kind: entryTransient})
	s.transient[id] = value
}

func (s *state) SelfDestruct(addr common.Address) {
	if a := s.read(addr); a.exists && !a.destructed {
		s.record(entry{kind: entryDestruct, account: a})
		a.destructed = true
	}
}

func (s *state) HasSelfDestructed(addr common.Address) bool { return s.read(addr).destructed }

func (s *state) setRefund(refund uint64) {
	s.journal.entries = append(s.journal.entries, entry{kind: entryRefund, number: s.refund})
	s.refund = refund
}

func (s *state) GetRefund() uint64 { return s.refund }

func (s *state) AddRefund(gas uint64) { s.setRefund(s.refund + gas) }

func (s *state) SubRefund(gas uint64) {
	if gas > s.refund {
		panic("execution: refund counter below zero")
	}
	s.setRefund(s.refund - gas)
}

// The access list of EIP-2929 is a mark on accounts and slots: the number of the
// transaction in which they are warm. It reads nothing from the view.

func (s *state) AddressInAccessList(addr common.Address) bool {
	return s.find(addr).warmTx == s.epoch[spanTx]
}

func (s *state) SlotInAccessList(addr common.Address, key common.Hash) (address, slot bool) {
	a := s.find(addr)
	return a.warmTx == s.epoch[spanTx], s.findSlot(a, key).warmTx == s.epoch[spanTx]
}

func (s *state) AddAddressToAccessList(addr common.Address) { s.warm(s.find(addr)) }

func (s *state) AddSlotToAccessList(addr common.Address, key common.Hash) {
	a := s.find(addr)
	s.warm(a)
	if sl := s.findSlot(a, key); sl.warmTx != s.epoch[spanTx] {
		sl.warmTx = s.epoch[spanTx]
		s.journal.entries = append(s.journal.entries, entry{kind: entryWarmSlot, slot: sl})
	}
}

func (s *state) warm(a *account) {
	if a.warmTx != s.epoch[spanTx] {
		a.warmTx = s.epoch[spanTx]
		s.journal.entries = append(s.journal.entries, entry{kind: entryWarm, account: a})
	}
}

// Prepare begins a transaction: what is warm from the start (EIP-2929, EIP-2930,
// EIP-3651), and transient storage (EIP-1153).
func (s *state) Prepare(rules params.Rules, sender, coinbase common.Address, to *common.Address, precompiles []common.Address, list types.AccessList) {
	if len(s.transient) > 0 {
		clear(s.transient)
	}
	if !rules.IsEIP2929 {
		return
	}
	s.AddAddressToAccessList(sender)
	if to != nil {
		s.AddAddressToAccessList(*to)
	}
	if len(s.precompiles) != len(precompiles) {
		s.precompiles = s.precompiles[:0]
		for _, addr := range precompiles {
			s.precompiles = append(s.precompiles, s.find(addr))
		}
	}
	for _, a := range s.precompiles { // never reverted, so not journaled
		a.warmTx = s.epoch[spanTx]
	}
	for i := range list {
		s.AddAddressToAccessList(list[i].Address)
		for _, key := range list[i].StorageKeys {
			s.AddSlotToAccessList(list[i].Address, key)
		}
	}
	if rules.IsShanghai {
		s.AddAddressToAccessList(coinbase)
	}
}

func (s *state) AddLog(l *types.Log) {
	s.journal.entries = append(s.journal.entries, entry{kind: entryLog})
	s.logs = append(s.logs, chain.Log{Address: l.Address, Topics: l.Topics, Data: l.Data})
}

// AddPreimage is called when hints are wanted.
func (s *state) AddPreimage(hash common.Hash, preimage []byte) {
	if s.hints != nil {
		s.hints.add(hash, preimage)
	}
}

// Witness is go-ethereum's own way to record accesses; not used.
func (s *state) Witness() *stateless.Witness { return nil }

// AccessEvents is for a fork that is not supported.
func (s *state) AccessEvents() *gethstate.AccessEvents { return nil }

// Finalise and SetTxContext are for whoever drives the interpreter, which here is
// openBlock, with finalise and abandon.
func (s *state) Finalise(params.Rules) *bal.ConstructionBlockAccessList {
	panic("execution: the interpreter does not end transactions")
}

// SetTxContext: see Finalise.
func (s *state) SetTxContext(common.Hash, int, uint32) {
	panic("execution: the interpreter does not begin transactions")
}

func canTransfer(db vm.StateDB, from common.Address, amount *uint256.Int) bool {
	return db.(*state).covers(from, amount)
}

func (s *state) covers(from common.Address, amount *uint256.Int) bool {
	return !s.read(from).Balance.Lt(amount)
}

func transfer(db vm.StateDB, from, to common.Address, amount *uint256.Int, _ *params.Rules) {
	db.SubBalance(from, amount, tracing.BalanceChangeTransfer)
	db.AddBalance(to, amount, tracing.BalanceChangeTransfer)
}
