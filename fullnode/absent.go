package fullnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/trie"
)

// fromLayer executes a block whose bodies did not come, as it is in the data-availability
// layer: to leave out bodies spares a sequencer nothing. The receipts are what execution
// makes, so history has no gap. If the block cannot be had there either while the state
// before it is kept, it is a gap, and unverified.
func (k *keeper) fromLayer(ctx context.Context, b *owed, h *chain.Header) (taken bool, err error) {
	block, receipts, err := k.executeAbsent(ctx, b, h)
	wrong := (*VerifyError)(nil)
	switch {
	case err == nil:
		return true, errors.Join(k.history.OpenBlock(b.env), k.history.Acknowledge(h.Number, block.Txs, receipts))
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.As(err, &wrong):
		return false, err
	}
	k.node.unverified(h, err)
	k.skipOver(err, b)
	return false, nil
}

func (k *keeper) executeAbsent(ctx context.Context, b *owed, h *chain.Header) (*chain.Block, []*chain.Receipt, error) {
	f := k.node
	if f.cfg.DA == nil {
		return nil, nil, fmt.Errorf("%w: its bodies did not come, and there is no data-availability layer", chain.ErrNotFound)
	}
	ctx, stop := k.whileOfUse(ctx, h)
	defer stop()
	block, err := k.fetchAbsent(ctx, h)
	if err != nil {
		return nil, nil, errors.Join(err, context.Cause(ctx))
	}
	prior, err := k.prior(h)
	if err != nil {
		return nil, nil, err
	}
	receipts, err := f.verify(ctx, block, prior, b.changes)
	return block, receipts, err
}

// prior is the state before a block.
func (k *keeper) prior(h *chain.Header) (chain.StateView, error) {
	return k.node.Store().View(chain.BlockID{Number: h.Number - 1, Hash: h.ParentHash})
}

const useInterval = 20 * time.Millisecond

var errBacklogFull = fmt.Errorf("%w: the feed waits", chain.ErrBusy)

// whileOfUse is a ctx that ends when it is of no use any more to wait for a block: it could
// not be executed, or the feed waits, or it took Config.DATimeout.
func (k *keeper) whileOfUse(ctx context.Context, h *chain.Header) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ctx, timeout := context.WithTimeout(ctx, k.node.cfg.DATimeout)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if _, err := k.prior(h); err != nil {
				cancel(err)
			}
			if k.full() {
				cancel(errBacklogFull)
			}
			_ = sched.Sleep(ctx, useInterval)
		}
	}()
	return ctx, func() {
		timeout()
		cancel(nil)
		<-ended
	}
}

// fetchAbsent waits until a block is published, and gets it.
func (k *keeper) fetchAbsent(ctx context.Context, h *chain.Header) (*chain.Block, error) {
	f := k.node
	source := &published{cfg: f.cfg, said: f.confirm.said, want: h.Number}
	publication, err := source.take(ctx)
	if err != nil {
		return nil, err
	}
	if publication.Block != h.ID() {
		return nil, &chain.MismatchError{Block: h.Number, Field: "hash of the published block", Got: publication.Block.Hash.Hex(), Want: h.Hash().Hex()}
	}
	p := &parcel{publication: publication}
	for {
		f.fetch(ctx, p)
		if p.err != nil {
			return nil, p.fail()
		}
		if p.err = trie.CheckBody(p.block); p.err == nil {
			return p.block, nil
		}
		f.count(func(s *Stats) { s.DARefused++ })
		f.charge(theLayer, Evidence{Block: h.ID(), Err: fmt.Errorf("data-availability layer: %w", p.err)})
		if p.attempts >= f.cfg.DAAttempts {
			return nil, p.fail()
		}
	}
}
