package fullnode

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// catchUp takes blocks from the data-availability layer, in order, until the node can
// come into the feed right after one of them, or ctx ends. The blocks that have no header
// are given up first. It fails with the first block that it cannot get, and stands before
// that.
func (f *Follower) catchUp(ctx context.Context) error {
	if err := f.drop(); err != nil {
		return err
	}
	began := f.head.Number
	f.cfg.Logger.Info("taking blocks from the data-availability layer", "after", f.head.ID())
	inner, stop := context.WithCancel(ctx)
	parcels := make(chan *parcel, f.cfg.DAFetches)
	ordered := make(chan struct{})
	source := &published{cfg: f.cfg, said: f.confirm.said, want: f.head.Number + 1}
	go func() {
		defer close(ordered)
		f.order(inner, source, parcels)
	}()
	err := f.applyAll(ctx, parcels)
	stop()
	<-ordered
	if f.head.Number > began {
		f.cfg.Logger.Info("took blocks from the data-availability layer", "after", began, "up to", f.head.ID(), "err", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// order begins to fetch each block that is published, a few at a time, and puts them into
// parcels in their order. It ends with ctx, or with the first block of which there is no
// publication; its parcel says so.
func (f *Follower) order(ctx context.Context, source *published, parcels chan<- *parcel) {
	var fetches sync.WaitGroup
	defer fetches.Wait()
	for {
		p := &parcel{fetched: make(chan struct{})}
		p.publication, p.err = source.take(ctx)
		select {
		case parcels <- p:
		case <-ctx.Done():
			return
		}
		if p.err != nil {
			close(p.fetched)
			return
		}
		fetches.Go(func() {
			defer close(p.fetched)
			f.fetch(ctx, p)
		})
	}
}

// applyAll applies what comes, and looks after each block whether the feed can be gone on
// with.
func (f *Follower) applyAll(ctx context.Context, parcels <-chan *parcel) error {
	door := &entrance{node: f}
	for {
		if in, err := door.enter(ctx); in || err != nil {
			return err
		}
		if f.backlog != nil {
			f.backlog.room(ctx)
		}
		select {
		case p := <-parcels:
			if err := f.applyParcel(ctx, p); err != nil {
				return err
			}
		case <-time.After(f.cfg.RejoinDelay): // the feed may have come further
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// applyParcel applies a block. If it is not what the header commits to, it gets it again,
// from another source if there is one.
func (f *Follower) applyParcel(ctx context.Context, p *parcel) error {
	select {
	case <-p.fetched:
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if p.err != nil {
			return p.fail()
		}
		err := f.applyBlock(ctx, p)
		var lie *refusedError
		if !errors.As(err, &lie) {
			return err
		}
		f.count(func(s *Stats) { s.DARefused++ })
		f.charge(theLayer, Evidence{Block: p.publication.Block, Err: fmt.Errorf("data-availability layer: %w", lie.error)})
		p.err = lie.error
		f.fetch(ctx, p)
	}
}

// A refusedError is the fault of who made a block's objects, not ours.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

// applyBlock is step 7 with a whole block: decode against the own state, stage, compute
// the root, compare, and only then commit.
func (f *Follower) applyBlock(ctx context.Context, p *parcel) error {
	h := p.block.Header
	if err := errors.Join(h.CheckParent(f.head), trie.CheckBody(p.block)); err != nil {
		return &refusedError{err}
	}
	prior, err := f.store.View(f.head.ID())
	if err != nil {
		return err
	}
	changes := new(chain.Changes)
	if err := f.cfg.BlockDiff().Decode(changes, p.diff, prior); err != nil {
		return &refusedError{err}
	}
	commitment, err := f.rooted(ctx, h, changes)
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	if err != nil {
		return &refusedError{err}
	}
	receipts, err := f.executeBlock(ctx, p.block, prior, changes)
	if err != nil {
		commitment.Discard()
		return err
	}
	staged, err := f.store.Stage(ctx, changes)
	if err != nil {
		commitment.Discard()
		return err
	}
	if err := f.commit(ctx, h, commitment, staged); err != nil {
		return err
	}
	f.adrift = true
	f.tookBlock(p.block, receipts)
	return nil
}

// executeBlock is what execution makes of a block, if Config.Reexecute is there to tell.
func (f *Follower) executeBlock(ctx context.Context, b *chain.Block, prior chain.StateView, changes *chain.Changes) ([]*chain.Receipt, error) {
	if f.cfg.Reexecute == nil {
		return nil, nil
	}
	receipts, err := f.verify(ctx, b, prior, changes.Digest())
	if errors.Is(err, chain.ErrUnknown) {
		f.unverified(b.Header, err)
		return nil, nil
	}
	return receipts, err
}

// tookBlock shows a block that came whole, and owes it to history.
func (f *Follower) tookBlock(b *chain.Block, receipts []*chain.Receipt) {
	h := b.Header
	f.mu.Lock()
	f.view, f.env, f.open = f.committedView(), b.Env(), nil
	f.heads.Preconfirmed = MiniID{Number: h.Number}
	f.stats.BlocksFromDA++
	f.stats.Transactions += uint64(len(b.Txs))
	f.mu.Unlock()
	f.confirm.sealed(h)
	if f.backlog == nil {
		return
	}
	o := f.owe(b.Env())
	o.header, o.closed = h, true
	switch {
	case o.bare || o.had:
	case receipts != nil || len(b.Txs) == 0 && f.cfg.Reexecute != nil:
		o.whole, o.txs, o.receipts = true, b.Txs, receipts
	default:
		o.lost = true
		f.count(func(s *Stats) { s.Lost++ })
	}
	f.backlog.append(o)
}

// committedView is the state at the head, which the store keeps.
func (f *Follower) committedView() chain.StateView {
	view, err := f.store.View(f.store.Head())
	if err != nil {
		panic(fmt.Sprintf("fullnode: the store has no view of its own head: %v", err))
	}
	return view
}
