package execution

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
)

// Execute implements chain.Executor. The parent's hash is the header's; ancestors
// is asked for older ones only. An error about the block matches
// chain.ErrInvalidBlock, and chain.ErrInvalidTx or chain.ErrBlockFull as well if a
// transaction is to blame; others (a failing view, the end of ctx) do not.
func (e *Sequential) Execute(ctx context.Context, block *chain.Block, ancestors chain.Ancestors, prior chain.StateView) (*chain.Result, error) {
	env := block.Env()
	f, err := e.fork(env)
	if err != nil {
		return nil, err
	}
	if f.rules.IsOsaka {
		if err := e.checkSize(f, block, max(params.MaxBlockSize, e.config.BlockSizeMax)); err != nil {
			return nil, err
		}
	}
	b, err := e.open(ctx, f, withParent{env.Number - 1, block.Header.ParentHash, ancestors}, prior, 0)
	if err != nil {
		return nil, err
	}
	defer b.Discard()
	if err := b.guard(ctx, func() error { return b.pushAll(block.Txs) }); err != nil {
		return nil, err
	}
	result, err := b.Close(ctx)
	if err != nil {
		return nil, err
	}
	result.Last = nil
	return result, nil
}

// pushAll executes transactions that must all be valid.
func (b *openBlock) pushAll(txs []*chain.Tx) error {
	b.receipts = slices.Grow(b.receipts, len(txs))
	for i, tx := range txs {
		// A closed block is nobody's hurry: between transactions, others get to run.
		runtime.Gosched()
		var result chain.TxResult
		if err := b.push(tx, &result); err != nil {
			return fmt.Errorf("transaction %d (%s): %w", i, tx.Hash(), err)
		}
		if result.Err != nil {
			return b.invalid("transaction %d (%s): %w", i, tx.Hash(), result.Err)
		}
	}
	return nil
}

// withParent answers for the parent's hash by itself.
type withParent struct {
	number uint64
	hash   common.Hash
	older  chain.Ancestors
}

// BlockHash implements chain.Ancestors.
func (a withParent) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	switch {
	case number == a.number:
		return a.hash, nil
	case a.older == nil:
		return common.Hash{}, &chain.MissingError{What: fmt.Sprintf("hash of block %d", number)}
	}
	return a.older.BlockHash(ctx, number)
}

// Transact executes one transaction by itself, on the state and in the environment
// given: no system calls before, no withdrawals and rewards after. That is what a
// state test does (but for its reward of nothing, which touches the coinbase). A
// transaction that cannot be included has TxResult.Err set, and no accesses. The
// receipt always has a status, never a state root.
func (e *Sequential) Transact(ctx context.Context, env *chain.Env, ancestors chain.Ancestors, prior chain.StateView, tx *chain.Tx) (chain.TxResult, *chain.AccessSet, error) {
	var result chain.TxResult
	f, err := e.fork(env)
	if err != nil {
		return result, nil, err
	}
	b := begin(f, ancestors, prior, &callStates, false)
	defer b.Discard()
	if err := b.guard(ctx, func() error { return b.push(tx, &result) }); err != nil {
		return chain.TxResult{}, nil, err
	}
	return result, b.state.accesses.accessSet(b.env.Number), nil
}
