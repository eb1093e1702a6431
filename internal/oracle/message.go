package oracle

import (
	"context"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"

	"github.com/vivace-chain/vivace/chain"
)

// Messages is a block that go-ethereum executes message by message, as its RPC does
// for calls, simulations and traces.
type Messages struct {
	*session
	options MessageOptions
}

// MessageOptions are what go-ethereum's RPC methods differ in.
type MessageOptions struct {
	// NoBaseFee is vm.Config's.
	NoBaseFee bool
	// ZeroFees lets BASEFEE and BLOBBASEFEE read zero in messages that pay none.
	ZeroFees bool
	// GasLimit is what all messages have together.
	GasLimit uint64
	// Precompiles, if not nil, in place of the fork's.
	Precompiles vm.PrecompiledContracts
}

// Messages starts a block in env on the state prior.
func (r *Referee) Messages(ctx context.Context, env *chain.Env, ancestors chain.Ancestors, prior chain.StateView, options MessageOptions) (*Messages, error) {
	s, err := r.open(ctx, header(env), ancestors, prior)
	if err != nil {
		return nil, err
	}
	s.gas = core.NewGasPool(options.GasLimit)
	m := &Messages{s, options}
	m.Watch(nil)
	return m, nil
}

// Watch makes hooks see what comes next. Accesses and changes are not known any more
// once anybody watched.
func (m *Messages) Watch(hooks *tracing.Hooks) {
	db := vm.StateDB(m.db)
	if hooks != nil {
		db = state.NewHookedState(m.db.StateDB, hooks)
	}
	m.evm = vm.NewEVM(m.evm.Context, db, m.config, vm.Config{Tracer: hooks, NoBaseFee: m.options.NoBaseFee})
	if m.options.Precompiles != nil {
		m.evm.SetPrecompiles(m.options.Precompiles)
	}
}

// Begin runs what opens the block.
func (m *Messages) Begin(parent common.Hash) {
	if root := m.header.ParentBeaconRoot; root != nil {
		core.ProcessBeaconBlockRoot(*root, m.evm, nil)
	}
	if m.config.IsPrague(m.header.Number, m.header.Time) {
		core.ProcessParentBlockHash(parent, m.evm, nil)
	}
}

// Nonce is the nonce of an account as it is now.
func (m *Messages) Nonce(addr common.Address) uint64 { return m.db.StateDB.GetNonce(addr) }

// Try tells whether Apply would execute the message, and takes back what it did.
func (m *Messages) Try(msg *core.Message, tx *types.Transaction) error {
	room, snapshot := *m.gas, m.db.Snapshot()
	m.db.SetTxContext(tx.Hash(), len(m.result.Receipts), 0)
	defer m.zeroFees(msg)()
	_, err := core.ApplyMessage(m.evm, msg, m.gas)
	*m.gas = room
	m.db.RevertToSnapshot(snapshot)
	return err
}

// Apply executes a message, which tx stands for, as the next of the block. The
// receipt has a status and no hash.
func (m *Messages) Apply(msg *core.Message, tx *types.Transaction) (*core.ExecutionResult, *chain.Receipt, error) {
	hooks, index := m.evm.Config.Tracer, len(m.result.Receipts)
	m.db.SetTxContext(tx.Hash(), index, uint32(index+1))
	defer m.zeroFees(msg)()
	if hooks != nil && hooks.OnTxStart != nil {
		hooks.OnTxStart(m.evm.GetVMContext(), tx, msg.From)
	}
	room, snapshot := *m.gas, m.db.Snapshot()
	result, err := core.ApplyMessage(m.evm, msg, m.gas)
	if err != nil { // perhaps after it paid for the gas
		*m.gas = room
		m.db.RevertToSnapshot(snapshot)
		return nil, nil, err
	}
	m.evm.StateDB.Finalise(m.evm.GetRules())
	made := core.MakeReceipt(m.evm, result, m.db.StateDB, m.header.Number, common.Hash{}, m.header.Time, tx, m.gas.CumulativeUsed(), nil)
	if hooks != nil && hooks.OnTxEnd != nil {
		hooks.OnTxEnd(made, nil)
	}
	out := receipt(made, tx, msg.GasPrice, uint32(len(m.logs)))
	m.logs = append(m.logs, made.Logs...)
	m.result.Receipts = append(m.result.Receipts, out)
	return result, out, nil
}

// zeroFees lets the message read no fees if it pays none, and returns what takes
// that back.
func (m *Messages) zeroFees(msg *core.Message) func() {
	fees := m.evm.Context
	if m.options.ZeroFees && msg.GasPrice.IsZero() && fees.BaseFee != nil {
		m.evm.Context.BaseFee = new(big.Int)
	}
	if m.options.ZeroFees && msg.BlobGasFeeCap != nil && msg.BlobGasFeeCap.IsZero() {
		m.evm.Context.BlobBaseFee = new(big.Int)
	}
	return func() { m.evm.Context.BaseFee, m.evm.Context.BlobBaseFee = fees.BaseFee, fees.BlobBaseFee }
}

// End runs what closes the block.
func (m *Messages) End(withdrawals []chain.Withdrawal) (requests [][]byte, err error) {
	list := make(types.Withdrawals, len(withdrawals))
	for i, w := range withdrawals {
		list[i] = &types.Withdrawal{Index: w.Index, Validator: w.Validator, Address: w.Address, Amount: w.Amount}
	}
	requests, _, err = core.PostExecution(m.ctx, m.config, m.header.Number, m.header.Time, m.logs, list, m.evm, uint32(len(m.result.Receipts)+1))
	return requests, err
}

// Changes is what all messages so far left different.
func (m *Messages) Changes() (*chain.Changes, error) { return m.db.changes() }

// Accesses is what they read and wrote.
func (m *Messages) Accesses() *chain.AccessSet { return m.db.accesses() }
