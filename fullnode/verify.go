package fullnode

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// Reexecute executes a block, whose body is what its header commits to, on the state
// before it. prover.Reexecute makes one of a chain.Executor. It may be called
// concurrently.
type Reexecute = func(ctx context.Context, b *chain.Block, ancestors chain.Ancestors, prior chain.StateView) (*chain.Result, error)

// verify executes a block again and compares what that makes with what the diffs made,
// by the digest of the changes, and with the header. It returns the receipts. That they
// differ, or that the block cannot be executed, is Evidence, and a VerifyError.
func (f *Follower) verify(ctx context.Context, b *chain.Block, prior chain.StateView, changes common.Hash) ([]*chain.Receipt, error) {
	result, err := f.cfg.Reexecute(ctx, b, f.ancestry, prior)
	if err == nil {
		err = compare(b.Header, result, changes)
	}
	switch {
	case err == nil:
		f.count(func(s *Stats) { s.Verified++ })
		return result.Receipts, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, chain.ErrUnknown) || errors.Is(err, chain.ErrClosed):
		return nil, err // of our own state, not of the block
	}
	wrong := &VerifyError{Block: b.Header.ID(), Err: err}
	f.charge(theSequencer, Evidence{Block: wrong.Block, Err: wrong})
	return nil, wrong
}

// compare checks that execution of h's block made changes, and what h says of it. The
// root is not compared again: it was computed of the same changes.
func compare(h *chain.Header, result *chain.Result, changes common.Hash) error {
	if got := result.Changes.Digest(); got != changes {
		return &chain.MismatchError{Block: h.Number, Field: "changes", Got: got.Hex(), Want: changes.Hex()}
	}
	return h.CheckResult(result, trie.ReceiptsRoot(result.Receipts), h.StateRoot)
}

// verifySealed executes a block of the feed again, once its bodies are there. The state
// before it may be gone if they lagged: then it stays unverified.
func (k *keeper) verifySealed(ctx context.Context, b *owed, txs []*chain.Tx) error {
	f := k.node
	prior, err := f.current().store.View(chain.BlockID{Number: b.header.Number - 1, Hash: b.header.ParentHash})
	if err == nil {
		block := &chain.Block{Header: b.header, Txs: txs, Withdrawals: b.env.Withdrawals, Ommers: b.env.Ommers}
		_, err = f.verify(ctx, block, prior, b.changes)
	}
	if errors.Is(err, chain.ErrUnknown) || errors.Is(err, chain.ErrNotFound) {
		f.unverified(b.header, err)
		return nil
	}
	return err
}

// unverified says that a block was taken on its root alone.
func (f *Follower) unverified(h *chain.Header, why error) {
	f.count(func(s *Stats) { s.unverified(1) })
	f.cfg.Logger.Warn("a block was not executed again", "block", h.ID(), "err", why)
}
