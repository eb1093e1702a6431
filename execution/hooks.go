package execution

import (
	"bytes"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// This file is what go-ethereum's tracers see, told as go-ethereum tells it. Nobody
// who does not watch pays for it: the interpreter then works on state itself, and
// only what openBlock writes goes through watched, a few times per transaction.

// watched is state whose writes are told to hooks, if there are any.
type watched struct {
	*state
	hooks *tracing.Hooks // nil: nobody watches

	// Of the current transaction, for its logs.
	txHash   common.Hash
	txIndex  uint
	firstLog uint
}

var _ vm.StateDB = (*watched)(nil)

// watch makes hooks see what the block does from now on; nil for nobody.
func (b *openBlock) watch(hooks *tracing.Hooks) {
	b.db.hooks = hooks
	b.evm.Config.Tracer = hooks
	if hooks == nil {
		b.evm.StateDB, b.evm.Context.CanTransfer = b.state, canTransfer
		return
	}
	b.evm.StateDB, b.evm.Context.CanTransfer = &b.db, canTransferWatched
}

func canTransferWatched(db vm.StateDB, from common.Address, amount *uint256.Int) bool {
	return db.(*watched).covers(from, amount)
}

// AddBalance implements vm.StateDB.
func (w *watched) AddBalance(addr common.Address, amount *uint256.Int, reason tracing.BalanceChangeReason) uint256.Int {
	before := w.state.AddBalance(addr, amount, reason)
	if w.hooks != nil && !amount.IsZero() {
		var after uint256.Int
		after.Add(&before, amount)
		w.balanceChanged(addr, before, after, reason)
	}
	return before
}

// SubBalance implements vm.StateDB.
func (w *watched) SubBalance(addr common.Address, amount *uint256.Int, reason tracing.BalanceChangeReason) uint256.Int {
	before := w.state.SubBalance(addr, amount, reason)
	if w.hooks != nil && !amount.IsZero() {
		var after uint256.Int
		after.Sub(&before, amount)
		w.balanceChanged(addr, before, after, reason)
	}
	return before
}

func (w *watched) balanceChanged(addr common.Address, before, after uint256.Int, reason tracing.BalanceChangeReason) {
	if w.hooks.OnBalanceChange != nil {
		w.hooks.OnBalanceChange(addr, before.ToBig(), after.ToBig(), reason)
	}
}

// SetNonce implements vm.StateDB.
func (w *watched) SetNonce(addr common.Address, nonce uint64, reason tracing.NonceChangeReason) {
	if w.hooks == nil {
		w.state.SetNonce(addr, nonce, reason)
		return
	}
	before := w.GetNonce(addr)
	w.state.SetNonce(addr, nonce, reason)
	w.nonceChanged(addr, before, nonce, reason)
}

func (w *watched) nonceChanged(addr common.Address, before, after uint64, reason tracing.NonceChangeReason) {
	switch {
	case w.hooks.OnNonceChangeV2 != nil:
		w.hooks.OnNonceChangeV2(addr, before, after, reason)
	case w.hooks.OnNonceChange != nil:
		w.hooks.OnNonceChange(addr, before, after)
	}
}

// SetCode implements vm.StateDB.
func (w *watched) SetCode(addr common.Address, code []byte, reason tracing.CodeChangeReason) []byte {
	before := w.state.SetCode(addr, code, reason)
	if w.hooks != nil && !bytes.Equal(before, code) {
		w.codeChanged(addr, before, code, reason)
	}
	return before
}

func (w *watched) codeChanged(addr common.Address, before, after []byte, reason tracing.CodeChangeReason) {
	switch {
	case w.hooks.OnCodeChangeV2 != nil:
		w.hooks.OnCodeChangeV2(addr, chain.Keccak256(before), before, chain.Keccak256(after), after, reason)
	case w.hooks.OnCodeChange != nil:
		w.hooks.OnCodeChange(addr, chain.Keccak256(before), before, chain.Keccak256(after), after)
	}
}

// SetState implements vm.StateDB.
func (w *watched) SetState(addr common.Address, key, value common.Hash) common.Hash {
	before := w.state.SetState(addr, key, value)
	if before != value && w.hooks.OnStorageChange != nil {
		w.hooks.OnStorageChange(addr, key, before, value)
	}
	return before
}

// AddLog implements vm.StateDB.
func (w *watched) AddLog(l *types.Log) {
	l.TxHash, l.TxIndex, l.Index = w.txHash, w.txIndex, w.firstLog+uint(len(w.logs))
	w.state.AddLog(l)
	if w.hooks.OnLog != nil {
		w.hooks.OnLog(l)
	}
}

// finalise ends the transaction, and tells before what is lost with accounts that
// destroyed themselves, in the order of their addresses.
func (w *watched) finalise(want bool) *chain.Changes {
	if w.hooks != nil {
		for _, a := range w.doomed() {
			w.destroyed(a)
		}
	}
	return w.state.finalise(want)
}

func (w *watched) doomed() []*account {
	var out []*account
	for _, a := range w.dirty[spanTx] {
		if a.touches > 0 && a.exists && a.destructed {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(x, y *account) int { return x.addr.Cmp(y.addr) })
	return out
}

func (w *watched) destroyed(a *account) {
	if !a.Balance.IsZero() {
		w.balanceChanged(a.addr, a.Balance, uint256.Int{}, tracing.BalanceDecreaseSelfdestructBurn)
	}
	w.nonceChanged(a.addr, a.Nonce, 0, tracing.NonceChangeSelfdestruct)
	if a.CodeHash != chain.EmptyCodeHash {
		w.codeChanged(a.addr, w.readCode(a), nil, tracing.CodeChangeSelfDestruct)
	}
}

// gasChange tells of gas that a message gets or gives outside of its calls.
func (w *watched) gasChange(before, after uint64, reason tracing.GasChangeReason) {
	if w.hooks.HasGasHook() {
		w.hooks.EmitGasChange(tracing.Gas{Execution: before}, tracing.Gas{Execution: after}, reason)
	}
}

// gasMove is gasChange, silent about nothing.
func (w *watched) gasMove(before, after uint64, reason tracing.GasChangeReason) {
	if before != after {
		w.gasChange(before, after, reason)
	}
}

// startTx tells that a message begins.
func (b *openBlock) startTx(hash common.Hash, c *checked) {
	w := &b.db
	if w.hooks == nil {
		return
	}
	w.txHash, w.txIndex, w.firstLog = hash, uint(len(b.receipts)), uint(b.logCount)
	if w.hooks.OnTxStart != nil {
		w.hooks.OnTxStart(b.vmContext(), c.transaction(b.chain.ChainID), c.from)
	}
}

// endTx tells that the message ended, with its state in place.
func (b *openBlock) endTx(r *chain.Receipt) {
	if hooks := b.db.hooks; hooks != nil && hooks.OnTxEnd != nil {
		hooks.OnTxEnd(gethReceipt(r), nil)
	}
}

func (b *openBlock) startSystemCall() {
	w := &b.db
	if w.hooks == nil {
		return
	}
	w.txHash, w.txIndex, w.firstLog = common.Hash{}, 0, uint(b.logCount)
	switch {
	case w.hooks.OnSystemCallStartV2 != nil:
		w.hooks.OnSystemCallStartV2(b.vmContext())
	case w.hooks.OnSystemCallStart != nil:
		w.hooks.OnSystemCallStart()
	}
}

func (b *openBlock) endSystemCall() {
	if hooks := b.db.hooks; hooks != nil && hooks.OnSystemCallEnd != nil {
		hooks.OnSystemCallEnd()
	}
}

func (b *openBlock) vmContext() *tracing.VMContext {
	c := &b.evm.Context
	return &tracing.VMContext{
		Coinbase: c.Coinbase, BlockNumber: c.BlockNumber, Time: c.Time, Random: c.Random, BaseFee: c.BaseFee,
		StateDB: glance{b.state},
	}
}

// glance is state as a tracer reads it: no access is noted, because the block does
// not make it.
type glance struct{ s *state }

var _ tracing.StateDB = glance{}

func (g glance) account(addr common.Address) *account {
	a := g.s.find(addr)
	if !a.loaded {
		g.s.load(a)
	}
	return a
}

func (g glance) GetBalance(addr common.Address) *uint256.Int {
	balance := g.account(addr).Balance
	return &balance
}

func (g glance) GetNonce(addr common.Address) uint64 { return g.account(addr).Nonce }

func (g glance) GetCodeHash(addr common.Address) common.Hash { return g.account(addr).CodeHash }

func (g glance) GetCode(addr common.Address) []byte { return g.s.readCode(g.account(addr)) }

func (g glance) GetState(addr common.Address, key common.Hash) common.Hash {
	a := g.account(addr)
	sl := g.s.findSlot(a, key)
	if !sl.loaded {
		g.s.loadSlot(a, sl)
	}
	return sl.value
}

func (g glance) GetTransientState(addr common.Address, key common.Hash) common.Hash {
	return g.s.GetTransientState(addr, key)
}

func (g glance) Exist(addr common.Address) bool { return g.account(addr).exists }

func (g glance) GetRefund() uint64 { return g.s.refund }

// gethReceipt is the receipt as go-ethereum's hooks have it when a transaction
// ends: without the block's hash.
func gethReceipt(r *chain.Receipt) *types.Receipt {
	out := &types.Receipt{
		Type: r.Type, Status: r.Status, CumulativeGasUsed: r.CumulativeGasUsed, Bloom: types.Bloom(r.LogsBloom),
		TxHash: r.TxHash, GasUsed: r.GasUsed, BlobGasUsed: r.BlobGasUsed,
		BlockNumber: new(big.Int).SetUint64(r.BlockNumber), TransactionIndex: uint(r.TransactionIndex),
	}
	if r.HasPostState {
		out.PostState = r.PostState[:]
	}
	if r.ContractAddress != nil {
		out.ContractAddress = *r.ContractAddress
	}
	if r.BlobGasPrice != nil {
		out.BlobGasPrice = r.BlobGasPrice.ToBig()
	}
	for i := range r.Logs {
		out.Logs = append(out.Logs, &types.Log{
			Address: r.Logs[i].Address, Topics: r.Logs[i].Topics, Data: r.Logs[i].Data,
			BlockNumber: r.BlockNumber, TxHash: r.TxHash, TxIndex: uint(r.TransactionIndex), Index: uint(r.FirstLogIndex) + uint(i),
		})
	}
	return out
}
