package fullnode

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/checkpoint"
	"github.com/vivace-chain/vivace/internal/link"
)

// join finds where to begin.
func (f *Follower) join(ctx context.Context) error {
	if f.cfg.FromSnapshot {
		_, msg, err := f.cfg.Subscriber.Latest(ctx, link.TopicSnapshots)
		if err == nil {
			return f.joinSnapshot(ctx, msg)
		}
		if !errors.Is(err, chain.ErrNotFound) {
			return err
		}
	}
	g := f.cfg.Genesis
	if err := checkpoint.LoadGenesis(ctx, g, f.cfg.Store, f.cfg.Committer); err != nil {
		return err
	}
	f.head, f.frame = g.Header, g.Header.Hash()
	return nil
}

func (f *Follower) joinSnapshot(ctx context.Context, msg []byte) error {
	var offer chain.SnapshotOffer
	if err := offer.UnmarshalBinary(msg); err != nil {
		return err
	}
	object, err := da.Get(ctx, f.cfg.DA, offer.Blob, da.Want{Kind: da.Snapshot, Block: offer.Block})
	if err != nil {
		return fmt.Errorf("snapshot of block %s: %w", offer.Block, err)
	}
	point, err := checkpoint.Read(ctx, bytes.NewReader(object.Payload), int64(len(object.Payload)), f.cfg.Store, f.cfg.Committer)
	if err != nil {
		return fmt.Errorf("snapshot of block %s: %w", offer.Block, err)
	}
	if err := point.CheckGenesis(f.cfg.Genesis); err != nil {
		return fmt.Errorf("snapshot of block %s: %w", offer.Block, err)
	}
	if f.head, err = point.Header(); err != nil {
		return err
	}
	if got := f.head.ID(); got != offer.Block {
		return &chain.MismatchError{Block: offer.Block.Number, Field: "hash of the snapshot's block", Got: got.Hash.Hex(), Want: offer.Block.Hash.Hex()}
	}
	if err := checkpoint.SetModel(f.cfg.Diff, point.Model); err != nil {
		return err
	}
	f.frame, f.feed = point.Frame, offer.Feed
	return nil
}
