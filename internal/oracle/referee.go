package oracle

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/consensus/misc"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
)

// A Referee is an Executor by go-ethereum's core. Its Changes and AccessSet are
// what others must equal. Its receipts have a status, also before Byzantium, where
// they should have state roots. It may be called concurrently.
type Referee struct{ engine *engine }

var _ chain.Executor = (*Referee)(nil)

// engine is go-ethereum's rules: the forks, and the consensus engine for rewards.
type engine struct {
	config    *params.ChainConfig
	consensus consensus.Engine
}

// Config implements core.ChainContext.
func (e *engine) Config() *params.ChainConfig { return e.config }

// Engine implements core.ChainContext.
func (e *engine) Engine() consensus.Engine { return e.consensus }

func newEngine(config *params.ChainConfig) *engine {
	return &engine{config, beacon.New(ethash.NewFaker())}
}

// NewReferee returns a Referee of a chain with these forks.
func NewReferee(config *params.ChainConfig) *Referee { return &Referee{newEngine(config)} }

// Execute implements chain.Executor. Where go-ethereum calls the block invalid the
// error matches chain.ErrInvalidTx or chain.ErrInvalidBlock.
func (r *Referee) Execute(ctx context.Context, b *chain.Block, ancestors chain.Ancestors, prior chain.StateView) (*chain.Result, error) {
	block, err := Block(b)
	if err != nil {
		return nil, err
	}
	s, err := r.open(ctx, block.Header(), ancestors, prior)
	if err != nil {
		return nil, err
	}
	defer s.evm.Release()
	s.begin(block)
	for i, tx := range block.Transactions() {
		if err := s.transact(tx, i); err != nil {
			return nil, s.blame(chain.ErrInvalidTx, fmt.Errorf("transaction %d: %w", i, err))
		}
	}
	if err := s.end(block); err != nil {
		return nil, s.blame(chain.ErrInvalidBlock, err)
	}
	return s.close()
}

// Transact executes one transaction as the first of a block. The AccessSet is the
// transaction's own.
func (r *Referee) Transact(ctx context.Context, env *chain.Env, ancestors chain.Ancestors, prior chain.StateView, tx *chain.Tx) (chain.TxResult, *chain.AccessSet, error) {
	parsed, err := transaction(tx)
	if err != nil {
		return chain.TxResult{}, nil, err
	}
	s, err := r.open(ctx, header(env), ancestors, prior)
	if err != nil {
		return chain.TxResult{}, nil, err
	}
	defer s.evm.Release()
	if err := s.transact(parsed, 0); err != nil {
		return chain.TxResult{}, nil, s.blame(chain.ErrInvalidTx, err)
	}
	result, err := s.close()
	if err != nil {
		return chain.TxResult{}, nil, err
	}
	return chain.TxResult{Receipt: result.Receipts[0], Changes: result.Changes, Output: s.output}, result.Accesses, nil
}

// session is the execution of one block, or of a part of one.
type session struct {
	*engine
	ctx    context.Context
	header *types.Header
	db     *recorder
	evm    *vm.EVM
	gas    *core.GasPool
	signer types.Signer
	result chain.Result
	logs   []*types.Log
	output []byte // of the last transaction
}

func (r *Referee) open(ctx context.Context, header *types.Header, ancestors chain.Ancestors, prior chain.StateView) (*session, error) {
	db, err := newRecorder(prior)
	if err != nil {
		return nil, err
	}
	block := core.NewEVMBlockContext(header, chainContext{engine: r.engine}, &header.Coinbase)
	block.GetHash = db.blockHash(ctx, ancestors)
	return &session{
		engine: r.engine, ctx: ctx, header: header, db: db,
		evm:    vm.NewEVM(block, db, r.engine.config, vm.Config{}),
		gas:    core.NewGasPool(header.GasLimit),
		signer: types.MakeSigner(r.engine.config, header.Number, header.Time),
	}, nil
}

// begin is core.PreExecution, and before it the irregular state change of the DAO
// fork. It takes the parent's hash from the header, where core hashes a parent
// that a partial witness does not have.
func (s *session) begin(block *types.Block) {
	if c := s.config; c.DAOForkSupport && c.DAOForkBlock != nil && c.DAOForkBlock.Cmp(s.header.Number) == 0 {
		misc.ApplyDAOHardFork(s.db)
	}
	if root := block.BeaconRoot(); root != nil {
		core.ProcessBeaconBlockRoot(*root, s.evm, nil)
	}
	if s.config.IsPrague(s.header.Number, s.header.Time) {
		core.ProcessParentBlockHash(block.ParentHash(), s.evm, nil)
	}
}

func (s *session) transact(tx *types.Transaction, index int) error {
	msg, err := core.TransactionToMessage(tx, s.signer, s.header.BaseFee)
	if err != nil {
		return err
	}
	if err := s.checkBlobs(tx); err != nil {
		return err
	}
	s.db.SetTxContext(tx.Hash(), index, uint32(index+1))
	applied, err := core.ApplyMessage(s.evm, msg, s.gas)
	if err != nil {
		return err
	}
	s.db.Finalise(s.evm.GetRules())
	var (
		made = core.MakeReceipt(s.evm, applied, s.db.StateDB, s.header.Number, s.header.Hash(), s.header.Time, tx, s.gas.CumulativeUsed(), nil)
		out  = receipt(made, tx, msg.GasPrice, uint32(len(s.logs)))
	)
	s.result.Receipts = append(s.result.Receipts, out)
	s.result.LogsBloom.Or(&out.LogsBloom)
	s.result.BlobGasUsed += out.BlobGasUsed
	s.logs = append(s.logs, made.Logs...)
	s.output = applied.ReturnData
	return nil
}

// checkBlobs verifies that the blobs so far fit into the block. In go-ethereum that
// is no part of the transition: it checks the header's sum, and the body against
// the header.
func (s *session) checkBlobs(tx *types.Transaction) error {
	if tx.Type() != types.BlobTxType || !s.config.IsCancun(s.header.Number, s.header.Time) {
		return nil
	}
	have := s.result.BlobGasUsed + tx.BlobGas()
	if most := eip4844.MaxBlobGasPerBlock(s.config, s.header.Time); have > most {
		return fmt.Errorf("blob gas %d exceeds the block's %d", have, most)
	}
	return nil
}

// end runs withdrawals, closing system calls and rewards.
func (s *session) end(block *types.Block) error {
	n := len(block.Transactions())
	requests, _, err := core.PostExecution(s.ctx, s.config, s.header.Number, s.header.Time, s.logs, block.Withdrawals(), s.evm, uint32(n+1))
	if err != nil {
		return err
	}
	s.result.Requests = requests
	s.consensus.Finalize(chainContext{engine: s.engine}, s.header, s.db, block.Body())
	s.db.Finalise(s.evm.GetRules())
	return nil
}

func (s *session) close() (*chain.Result, error) {
	var err error
	if s.result.Changes, err = s.db.changes(); err != nil {
		return nil, err
	}
	if err := s.db.failure(); err != nil {
		return nil, err
	}
	s.result.GasUsed = s.gas.Used()
	s.result.Accesses = s.db.accesses()
	return &s.result, nil
}

// blame gives an error of core its class, unless a view is the reason.
func (s *session) blame(class, err error) error {
	if failure := s.db.failure(); failure != nil {
		return failure
	}
	return fmt.Errorf("%w: %w", class, err)
}

// Diff names the first difference between two results, or returns the empty
// string. State roots of receipts before Byzantium are not compared.
func Diff(got, want *chain.Result) string {
	switch {
	case got.GasUsed != want.GasUsed:
		return fmt.Sprintf("gas used %d and %d", got.GasUsed, want.GasUsed)
	case got.BlobGasUsed != want.BlobGasUsed:
		return fmt.Sprintf("blob gas used %d and %d", got.BlobGasUsed, want.BlobGasUsed)
	case got.LogsBloom != want.LogsBloom:
		return "logs bloom"
	case (got.Requests == nil) != (want.Requests == nil) || chain.RequestsHash(got.Requests) != chain.RequestsHash(want.Requests):
		return fmt.Sprintf("requests %x and %x", got.Requests, want.Requests)
	case len(got.Receipts) != len(want.Receipts):
		return fmt.Sprintf("%d and %d receipts", len(got.Receipts), len(want.Receipts))
	}
	for i := range got.Receipts {
		if d := DiffReceipts(got.Receipts[i], want.Receipts[i]); d != "" {
			return fmt.Sprintf("receipt %d: %s", i, d)
		}
	}
	if d := DiffChanges(got.Changes, want.Changes); d != "" {
		return "changes: " + d
	}
	if d := got.Accesses.Diff(want.Accesses); d != "" {
		return "access set: " + d
	}
	return ""
}

// DiffReceipts names the first difference between two receipts, or returns the
// empty string. State roots, and a status where the other has a root, are not
// compared.
func DiffReceipts(got, want *chain.Receipt) string {
	a, b := *got, *want
	if a.HasPostState || b.HasPostState {
		a.PostState, a.HasPostState, a.Status = common.Hash{}, true, 0
		b.PostState, b.HasPostState, b.Status = common.Hash{}, true, 0
	}
	switch {
	case string(a.AppendConsensus(nil)) != string(b.AppendConsensus(nil)):
		return fmt.Sprintf("consensus fields %+v and %+v", a, b)
	case a.TxHash != b.TxHash, a.BlockNumber != b.BlockNumber, a.TransactionIndex != b.TransactionIndex, a.FirstLogIndex != b.FirstLogIndex:
		return fmt.Sprintf("place %+v and %+v", a, b)
	case a.GasUsed != b.GasUsed, a.EffectiveGasPrice != b.EffectiveGasPrice, a.BlobGasUsed != b.BlobGasUsed,
		!same(a.BlobGasPrice, b.BlobGasPrice):
		return fmt.Sprintf("gas %+v and %+v", a, b)
	case !same(a.ContractAddress, b.ContractAddress):
		return fmt.Sprintf("contract address %v and %v", a.ContractAddress, b.ContractAddress)
	}
	return ""
}

func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// DiffChanges names the first account in which two canonical Changes differ, or
// returns the empty string.
func DiffChanges(got, want *chain.Changes) string {
	if got.Digest() == want.Digest() {
		return ""
	}
	for i := range max(len(got.Accounts), len(want.Accounts)) {
		var a, b chain.Changes
		if i < len(got.Accounts) {
			a.Accounts = got.Accounts[i : i+1]
		}
		if i < len(want.Accounts) {
			b.Accounts = want.Accounts[i : i+1]
		}
		if a.Digest() != b.Digest() {
			return fmt.Sprintf("%+v and %+v", a.Accounts, b.Accounts)
		}
	}
	return fmt.Sprintf("codes %x and %x", got.Codes, want.Codes)
}
