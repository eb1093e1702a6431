package checkpoint

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// LoadGenesis puts the genesis state into an empty store and an empty committer
// and checks its root.
func LoadGenesis(ctx context.Context, g *chain.Genesis, store chain.StateStore, committer chain.Committer) error {
	if err := Advance(ctx, committer, chain.EmptyRoot, g.Header, g.State); err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	staged, err := store.Stage(ctx, g.State)
	if err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	return staged.Commit(ctx, g.Header.ID())
}

// Advance computes the root of the state that parts, one after the other, make of
// the state with root parent, compares it with the header's, and only then commits
// it.
func Advance(ctx context.Context, committer chain.Committer, parent common.Hash, h *chain.Header, parts ...*chain.Changes) error {
	commitment, err := committer.Begin(ctx, parent)
	if err != nil {
		return err
	}
	for _, c := range parts {
		if err := commitment.Apply(c); err != nil {
			commitment.Discard()
			return err
		}
	}
	return Settle(ctx, commitment, h)
}

// Settle ends a commitment: it compares the root with the header's and commits, or
// discards.
func Settle(ctx context.Context, commitment chain.Commitment, h *chain.Header) error {
	root, err := commitment.Root(ctx)
	if err == nil && root != h.StateRoot {
		err = &chain.MismatchError{Block: h.Number, Field: "stateRoot", Got: root.Hex(), Want: h.StateRoot.Hex()}
	}
	if err != nil {
		commitment.Discard()
		return err
	}
	return commitment.Commit(ctx)
}
