package prover

import (
	"context"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// Verified is what Verify found to be true of a block.
type Verified struct {
	PreRoot      common.Hash // state root of the parent
	PostRoot     common.Hash // state root after the block
	ReceiptsRoot common.Hash
	Changes      *chain.Changes // Result.Changes
	Result       *chain.Result
	// Prior is the state before the block, as far as the witness proves it.
	Prior chain.StateView
}

// Verify executes block b from witness w alone and compares everything that the
// header claims: the body's roots, the link to the parent, gas, receipts, bloom,
// requests and the state root. The witness must hold all that this takes, and no
// node, code or header more.
//
// Errors match ErrMismatch for a claim that does not hold, ErrUnknown for what the
// witness lacks, ErrSuperfluous for what it has too much, ErrCorrupt for headers
// that do not link and nodes that are none, and what the executor says of an
// invalid block. Bytes of w are referred to by the result; nobody may alter them.
func Verify(ctx context.Context, executor chain.Executor, b *chain.Block, w *chain.Witness) (*Verified, error) {
	v, err := verify(ctx, executor, b, w)
	if err != nil {
		return nil, fmt.Errorf("verify block %d: %w", b.Header.Number, err)
	}
	return v, nil
}

func verify(ctx context.Context, executor chain.Executor, b *chain.Block, w *chain.Witness) (*Verified, error) {
	if err := trie.CheckBody(b); err != nil {
		return nil, err
	}
	hashes, parent, err := chain.NewBlockHashes(b.Header, w.Headers)
	if err != nil {
		return nil, err
	}
	if err := b.Header.CheckParent(parent); err != nil {
		return nil, err
	}
	prior, err := trie.OpenWitness(parent.StateRoot, w)
	if err != nil {
		return nil, err
	}
	result, err := executor.Execute(ctx, b, &ancestors{hashes: hashes}, prior)
	if err != nil {
		return nil, err
	}
	v := &Verified{
		PreRoot: parent.StateRoot, ReceiptsRoot: trie.ReceiptsRoot(result.Receipts),
		Changes: result.Changes, Result: result, Prior: prior,
	}
	if v.PostRoot, err = postRoot(ctx, prior, parent.StateRoot, result.Changes); err != nil {
		return nil, err
	}
	if err := b.Header.CheckResult(result, v.ReceiptsRoot, v.PostRoot); err != nil {
		return nil, err
	}
	return v, checkNothingMore(b, w, hashes, prior, result.Accesses)
}

func postRoot(ctx context.Context, prior *trie.Stateless, preRoot common.Hash, changes *chain.Changes) (common.Hash, error) {
	commitment, err := prior.Begin(ctx, preRoot)
	if err != nil {
		return common.Hash{}, err
	}
	defer commitment.Discard()
	if err := commitment.Apply(changes); err != nil {
		return common.Hash{}, err
	}
	return commitment.Root(ctx)
}

// checkNothingMore refuses what the witness holds in excess. What it must hold is
// defined by the access set, not by what this executor happened to look at: all of
// it is read first, which also shows what is missing.
func checkNothingMore(b *chain.Block, w *chain.Witness, hashes *chain.BlockHashes, prior *trie.Stateless, accesses *chain.AccessSet) error {
	if err := readAll(prior, accesses); err != nil {
		return err
	}
	if need := chain.WitnessHeaders(b.Header.Number, hashes.Oldest()); len(w.Headers) > need {
		return fmt.Errorf("%w: %d headers, %d needed", chain.ErrSuperfluous, len(w.Headers), need)
	}
	return prior.Unused()
}

func readAll(view chain.StateView, accesses *chain.AccessSet) error {
	for i := range accesses.Accounts {
		a := &accesses.Accounts[i]
		account, exists, err := view.Account(a.Address)
		if err != nil {
			return err
		}
		if a.Code && exists {
			if _, err := view.Code(account.CodeHash); err != nil {
				return err
			}
		}
		for _, key := range a.Slots {
			if _, err := view.Slot(a.Address, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// ancestors lets an executor of many goroutines ask BlockHashes.
type ancestors struct {
	mu     sync.Mutex
	hashes *chain.BlockHashes
}

// BlockHash implements chain.Ancestors.
func (a *ancestors) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hashes.BlockHash(ctx, number)
}
