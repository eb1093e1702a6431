package sequencer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
)

// backfill hands on what was told before.
func (r *replay) backfill(ctx context.Context, topic string, msg []byte) error {
	if r.s.cfg.Backfill == nil {
		return nil
	}
	err := r.s.cfg.Backfill(ctx, topic, msg)
	if errors.Is(err, chain.ErrTooLarge) { // and was not told before, for that
		return nil
	}
	if err != nil {
		return fmt.Errorf("backfill of %s: %w", topic, err)
	}
	return nil
}

// backfillNumbered hands on the publications and the attestations, each by the numbers of
// their blocks, and the newest offer of a snapshot. They are in the log twice, and not in
// their place, if a snapshot cut it.
func (r *replay) backfillNumbered(ctx context.Context) error {
	for _, number := range slices.Sorted(maps.Keys(r.publications)) {
		payload, err := r.publications[number].AppendBinary(nil)
		if err != nil {
			return err
		}
		if err := r.backfill(ctx, link.TopicPublications, payload); err != nil {
			return err
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(r.words), byBlock) {
		payload, err := a.AppendBinary(nil)
		if err != nil {
			return err
		}
		if err := r.backfill(ctx, link.TopicAttestations, payload); err != nil {
			return err
		}
	}
	if r.offer == nil {
		return nil
	}
	return r.backfill(ctx, link.TopicSnapshots, r.offer)
}

// byBlock orders attestations by their blocks, and those of one in some way that is always
// the same.
func byBlock(a, b chain.Attestation) int {
	return cmp.Or(cmp.Compare(a.Block.Number, b.Block.Number), bytes.Compare(a.Signature[:], b.Signature[:]))
}

// A bodyKeeper is the optional ability of a History: see Config.Backfill.
type bodyKeeper interface {
	Body(number uint64) ([]*chain.Tx, []*chain.Receipt, error)
}

// A blockTold is the published block whose frames are being handed on, and what of it
// belongs to the frames that follow.
type blockTold struct {
	number   uint64
	txs      []*chain.Tx
	receipts []*chain.Receipt
}

// backfillFrame hands on a frame, and its body if history has it.
func (r *replay) backfillFrame(ctx context.Context, f *chain.Frame, raw []byte) error {
	if r.s.cfg.Backfill == nil {
		return nil
	}
	if err := r.backfill(ctx, link.TopicFeed, link.AppendFeed(nil, link.FeedFrame, raw)); err != nil {
		return err
	}
	body := r.bodyOf(f)
	if body == nil {
		return nil
	}
	body.Frame = chain.Keccak256(raw)
	msg, err := body.AppendBinary(nil)
	if err != nil {
		return err
	}
	return r.backfill(ctx, link.TopicBodies, msg)
}

// bodyOf takes the frame's body from its block; nil if history does not have it, or the
// log begins within the block.
func (r *replay) bodyOf(f *chain.Frame) *chain.MiniBody {
	keeper, ok := r.s.history.(bodyKeeper)
	if !ok {
		return nil
	}
	told := &r.told
	if f.Index == 0 {
		*told = blockTold{number: f.Number}
		var err error
		if told.txs, told.receipts, err = keeper.Body(f.Number); err != nil {
			r.s.cfg.Logger.Warn("bodies of a block are not handed on", "block", f.Number, "error", err)
			*told = blockTold{}
		}
	}
	n := int(f.TxCount)
	if told.number != f.Number || n > len(told.txs) || n > len(told.receipts) {
		return nil
	}
	body := &chain.MiniBody{Number: f.Number, Index: f.Index, Txs: told.txs[:n], Receipts: told.receipts[:n]}
	told.txs, told.receipts = told.txs[n:], told.receipts[n:]
	return body
}
