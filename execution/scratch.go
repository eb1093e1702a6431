package execution

import (
	"context"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// Errors of outermost calls that callers tell apart: see CallResult.Err.
var (
	// ErrReverted: the code asked for it, and Output is what it says.
	ErrReverted error = vm.ErrExecutionReverted
	// ErrOutOfGas: more gas may help.
	ErrOutOfGas error = vm.ErrOutOfGas
)

// ScratchConfig says what a Scratch is lenient about. The zero value is as strict as
// a block.
type ScratchConfig struct {
	// SkipNonce takes any nonce: the message has the one that the state says.
	SkipNonce bool
	// SkipSenderCode takes a sender that is a contract (EIP-3607).
	SkipSenderCode bool
	// SkipGasCap takes any gas limit: neither the cap of EIP-7825 counts, nor what is
	// left of the block's gas and blob gas.
	SkipGasCap bool
	// NoBaseFee lets a message with fee caps of zero pay nothing: eth_call. BASEFEE
	// reads zero then, unless KeepBaseFee is set as well: eth_simulateV1. The same
	// goes for a message with blobs and a blob fee cap of zero.
	NoBaseFee, KeepBaseFee bool
	// BlobBaseFee is the price of blob gas, in wei, if it is not the one that follows
	// from the environment.
	BlobBaseFee *uint256.Int
	// Moved precompiles: code at the key runs the precompile that was at the value,
	// which no longer has one. Where none was at the value, the key loses its own.
	// Which addresses are warm stays as it is.
	Moved map[common.Address]common.Address
	// Hooks see the execution, of system calls too: see Scratch.Watch.
	Hooks *tracing.Hooks
}

// A Scratch is a block that will never be: it executes messages one after the other
// on a state, for calls, estimates, simulations and traces. One goroutine at a time
// uses it; any number of them may share a view. Discard gives its memory back.
type Scratch struct {
	block       *openBlock
	keepBaseFee bool
}

// Scratch starts a block in env on the state prior. Nothing runs yet: see Begin. It
// keeps its arguments until it ends. An env that lacks what its fork demands is
// chain.ErrInvalidBlock.
func (e *Sequential) Scratch(env *chain.Env, ancestors chain.Ancestors, prior chain.StateView, config ScratchConfig) (*Scratch, error) {
	f, err := e.fork(env)
	if err != nil {
		return nil, err
	}
	f.lenient = leniency{config.SkipNonce, config.SkipSenderCode, config.SkipGasCap, config.NoBaseFee}
	if config.BlobBaseFee != nil && f.rules.IsCancun {
		f.blobBaseFee = *config.BlobBaseFee
	}
	b := begin(f, ancestors, prior, &callStates, false)
	if len(config.Moved) > 0 {
		b.evm.SetPrecompiles(f.movedPrecompiles(config.Moved))
	}
	b.watch(config.Hooks)
	return &Scratch{block: b, keepBaseFee: config.KeepBaseFee}, nil
}

// Begin runs what opens a block: the system calls of EIP-2935 and EIP-4788. It is
// called once, before any message, or never. An error breaks the Scratch; an env
// that no block can have is chain.ErrInvalidBlock.
func (s *Scratch) Begin(ctx context.Context) error {
	return s.block.guard(ctx, func() error {
		if err := s.block.checkBlock(); err != nil {
			return err
		}
		return s.block.runOpening()
	})
}

// Watch makes hooks see what comes next, in place of those before; nil for nobody.
// State hooks, call and opcode hooks, those of transactions and of system calls are
// called as go-ethereum calls them; OnTxStart and OnTxEnd of messages that can be
// executed only, a Call's as an unsigned transaction. The state that OnTxStart hands
// out may be read until Discard; reading it is no access.
func (s *Scratch) Watch(hooks *tracing.Hooks) {
	if s.block.broken == nil {
		s.block.watch(hooks)
	}
}

// A CallResult is what a message did. All of it is the caller's.
type CallResult struct {
	Output []byte // of the outermost call, or the data of its revert
	// Err is why the outermost call failed, worded as go-ethereum's interpreter does,
	// ErrReverted and ErrOutOfGas among others; nil for success.
	Err     error
	GasUsed uint64
	GasPeak uint64 // before refunds: what the message needs at least
	// Receipt is as if all messages of the Scratch were a block. A Call's has no
	// TxHash; the state root of before Byzantium is left out.
	Receipt *chain.Receipt
	Changes *chain.Changes // the message's own
}

// Push executes a signed transaction, with Call's errors.
func (s *Scratch) Push(ctx context.Context, tx *chain.Tx) (*CallResult, error) {
	return s.execute(ctx, tx.Hash(), func() (checked, error) { return s.block.admit(tx) })
}

// execute runs the message that admit lets in.
func (s *Scratch) execute(ctx context.Context, hash common.Hash, admit func() (checked, error)) (*CallResult, error) {
	var (
		b       = s.block
		out     *outcome
		refused error
	)
	err := b.guard(ctx, func() error {
		if err := ctxErr(ctx); err != nil {
			return err
		}
		c, err := admit()
		switch {
		case b.state.err != nil:
			return b.state.err
		case err != nil:
			b.state.abandon()
			refused = err
			return nil
		}
		out, err = s.include(hash, &c)
		return err
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return nil, err
	}
	return &CallResult{
		Output: out.output, Err: out.err, GasUsed: out.gasUsed, GasPeak: out.gasPeak, Receipt: out.receipt, Changes: out.changes,
	}, nil
}

// include executes the message with BASEFEE and BLOBBASEFEE as it is to read them.
func (s *Scratch) include(hash common.Hash, c *checked) (*outcome, error) {
	if f := s.block.fork; f.lenient.fees && !s.keepBaseFee {
		env := &s.block.evm.Context
		fees := *env
		if f.free(c.message) && env.BaseFee != nil {
			env.BaseFee = new(big.Int)
		}
		if c.isBlob() && f.blobsFree(c.message) {
			env.BlobBaseFee = new(big.Int)
		}
		defer func() { env.BaseFee, env.BlobBaseFee = fees.BaseFee, fees.BlobBaseFee }()
	}
	return s.block.include(hash, c)
}

// End runs what closes a block (withdrawals, requests, rewards) and returns what the
// whole did. Result.Last is nil. After it, or an error of it, only Discard may
// follow.
func (s *Scratch) End(ctx context.Context) (*chain.Result, error) {
	result, err := s.block.Close(ctx)
	if err != nil {
		return nil, err
	}
	result.Last = nil
	return result, nil
}

// Account is an account as it is now; reading it is no access. The errors are the
// view's, and break the Scratch.
func (s *Scratch) Account(addr common.Address) (account chain.Account, ok bool, err error) {
	err = s.block.guard(context.Background(), func() error {
		a := glance{s.block.state}.account(addr)
		account, ok = a.Account, a.exists
		return nil
	})
	return account, ok, err
}

// Accesses is what was read and written so far, with accesses of messages whose
// outermost call failed. It is empty after End and Discard.
func (s *Scratch) Accesses() *chain.AccessSet {
	if s.block.state == nil {
		return &chain.AccessSet{}
	}
	return s.block.state.accesses.accessSet(s.block.env.Number)
}

// Discard gives the block up. It may follow anything, more than once.
func (s *Scratch) Discard() { s.block.Discard() }
