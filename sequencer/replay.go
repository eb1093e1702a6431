package sequencer

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/checkpoint"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/state"
)

// replay is the state of a recovery.
type replay struct {
	s    *Sequencer
	base uint64        // block of the snapshot: records of it and of earlier blocks are skipped
	head *chain.Header // newest block that is in the store

	published    uint64                        // newest block that was published
	publications map[uint64]*chain.Publication // that the log has
	blobs        map[uint64][]storedBlob       // by block
	offer        []byte                        // the newest
	words        map[chain.Attestation]bool    // that the log has
	headers      map[uint64]*chain.Header      // of blocks after base
	terms        retitled
	parts        []*chain.Changes // of the published block that is being applied
	unpublished  []*block         // sealed again
	told         blockTold
}

func newReplay(s *Sequencer, head *chain.Header) *replay {
	return &replay{
		s: s, base: head.Number, head: head,
		publications: make(map[uint64]*chain.Publication), blobs: make(map[uint64][]storedBlob),
		headers: make(map[uint64]*chain.Header), words: make(map[chain.Attestation]bool),
		terms: retitled{envs: make(map[uint64]*chain.Env)},
	}
}

// scan is the first pass: which blocks were sealed, which published.
func (r *replay) scan(_ state.LSN, kind byte, payload []byte) error {
	switch kind {
	case recordOpen, recordFrame:
		return r.terms.scan(kind, payload)
	case recordHeader:
		var sealed chain.Sealed
		if err := sealed.UnmarshalBinary(payload); err != nil {
			return err
		}
		r.headers[sealed.Header.Number] = sealed.Header
	case recordPublished:
		p := new(chain.Publication)
		if err := p.UnmarshalBinary(payload); err != nil {
			return err
		}
		r.publications[p.Block.Number] = p
		r.published = max(r.published, p.Block.Number)
	case recordBlob:
		var b storedBlob
		if err := b.decode(payload); err != nil {
			return err
		}
		r.blobs[b.number] = append(r.blobs[b.number], b)
	case recordOffer:
		r.offer = bytes.Clone(payload)
	case recordWord:
		var a chain.Attestation
		if err := a.UnmarshalBinary(payload); err != nil {
			return err
		}
		r.words[a] = true
	}
	return nil
}

// apply is the second pass.
func (r *replay) apply(ctx context.Context, lsn state.LSN, kind byte, payload []byte) error {
	switch kind {
	case recordOpen:
		env := new(chain.Env)
		if err := env.UnmarshalBinary(payload); err != nil {
			return err
		}
		r.s.snapshots.opened(env.Number, lsn)
		if b := r.s.current; r.isOpen(env.Number) && (b == nil || b.env.Number != env.Number) {
			return r.reopen(ctx, env)
		}
	case recordGroup:
		var g group
		if err := g.decode(payload); err != nil {
			return err
		}
		if r.isOpen(g.number) {
			return r.execute(ctx, &g)
		}
	case recordFrame:
		return r.frame(ctx, payload)
	case recordHeader:
		var sealed chain.Sealed
		if err := sealed.UnmarshalBinary(payload); err != nil {
			return err
		}
		if !r.isOpen(sealed.Header.Number) {
			return r.backfill(ctx, link.TopicFeed, link.AppendFeed(nil, link.FeedHeader, payload))
		}
	case recordClaim:
		c, err := decodeClaim(payload)
		if err != nil {
			return err
		}
		if c.want.Block.Number <= r.published {
			r.s.collector.expect(c)
		}
	case recordProven:
		id, err := decodeBlockID(payload)
		if err != nil {
			return err
		}
		r.s.heads.Proven = r.s.collector.setProven(id)
	case recordEvidence:
		return r.s.collector.recallEvidence(payload)
	case recordWord:
		var a chain.Attestation
		err := a.UnmarshalBinary(payload)
		if err == nil {
			r.s.heads.Proven, err = r.s.collector.recallWord(&a)
		}
		return err
	case recordBlob, recordPublished, recordOffer:
	default:
		return unknownRecord(kind)
	}
	return nil
}

// isOpen reports whether a block has to be made again.
func (r *replay) isOpen(number uint64) bool { return number > r.base && number > r.published }

// frame is a mini-block that was sealed.
func (r *replay) frame(ctx context.Context, payload []byte) error {
	f := new(chain.Frame)
	if err := f.UnmarshalBinary(payload); err != nil {
		return err
	}
	payload, known, err := r.terms.retell(f, payload)
	if err != nil || !known {
		return err
	}
	if r.isOpen(f.Number) {
		return r.reseal(ctx, f, payload)
	}
	if err := r.backfillFrame(ctx, f, payload); err != nil {
		return err
	}
	if f.Number <= r.base {
		return nil
	}
	return r.decode(ctx, f, payload)
}

// decode applies a frame of a published block, and the block with its last one.
func (r *replay) decode(ctx context.Context, f *chain.Frame, raw []byte) error {
	s := r.s
	if f.Parent != s.frame {
		return fmt.Errorf("%w: frame %d/%d follows %s, want %s", chain.ErrOutOfStep, f.Number, f.Index, f.Parent, s.frame)
	}
	prior, err := s.store.View(s.store.Head())
	if err != nil {
		return err
	}
	if s.current == nil {
		s.current = &block{env: f.Env, prior: prior, hashPending: f.ParentHashPending}
	}
	b := s.current
	c := new(chain.Changes)
	if err := s.cfg.Diff.Decode(c, f.Diff, b.view()); err != nil {
		return err
	}
	if err := s.stage(ctx, b, c); err != nil {
		return err
	}
	r.parts = append(r.parts, c)
	s.frame = chain.Keccak256(raw)
	if !f.Last {
		return nil
	}
	if b.hashPending {
		write, err := chain.ParentHashChange(r.head, b.prior)
		if err != nil {
			return err
		}
		r.parts = append([]*chain.Changes{write}, r.parts...)
		if err := s.stageParentHash(ctx, b); err != nil {
			return err
		}
	}
	return r.settle(ctx, b, f.Number)
}

// settle checks the root of a published block and commits it.
func (r *replay) settle(ctx context.Context, b *block, number uint64) error {
	s := r.s
	h := r.headers[number]
	if h == nil {
		return fmt.Errorf("%w: header of published block %d is not in the log", chain.ErrCorrupt, number)
	}
	if err := h.CheckParent(r.head); err != nil {
		return err
	}
	changes, err := chain.Merge(r.parts...)
	if err != nil {
		return err
	}
	if err := checkpoint.Advance(ctx, s.cfg.Committer, r.head.StateRoot, h, changes); err != nil {
		return err
	}
	b.header = h
	if err := s.commitState(ctx, b); err != nil {
		return err
	}
	s.ancestors.sealed(h)
	r.head, r.parts, s.current = h, nil, nil
	s.heads.update(func(heads *Heads) {
		heads.Preconfirmed = MiniID{Number: number}
		heads.RootChecked, heads.Published = h.ID(), h.ID()
	})
	return nil
}

// reopen opens an unpublished block again, in the newest term in which it was opened.
func (r *replay) reopen(ctx context.Context, first *chain.Env) error {
	s, env := r.s, r.terms.envs[first.Number]
	if env.Number != r.head.Number+1 {
		return fmt.Errorf("%w: block %d opens after %d", chain.ErrCorrupt, env.Number, r.head.Number)
	}
	prior, err := s.store.View(s.store.Head())
	if err != nil {
		return err
	}
	if s.pool == nil {
		s.pool = newPool(s.cfg, prior)
	}
	if err := s.openBlock(ctx, env, prior, nil); err != nil {
		return err
	}
	s.current.opened, s.current.running = true, newRunningHash(first)
	s.showAtLeast(r.head, prior)
	return s.announce(ctx, &entry{kind: recordOpen, env: env})
}

// execute runs a group again. It must come to what the log says.
func (r *replay) execute(ctx context.Context, g *group) error {
	b := r.s.current
	if b == nil || b.env.Number != g.number {
		return fmt.Errorf("%w: commit group of block %d, which is not open", chain.ErrCorrupt, g.number)
	}
	results, err := b.open.Push(ctx, g.txs)
	if err != nil {
		return err
	}
	var (
		receipts = make([]*chain.Receipt, len(results))
		changes  = make([]*chain.Changes, len(results))
	)
	for i := range results {
		if results[i].Err != nil {
			return fmt.Errorf("%w: block %d: acknowledged transaction %s: %w", chain.ErrMismatch, g.number, g.txs[i].Hash(), results[i].Err)
		}
		b.include(g.txs[i], &results[i])
		receipts[i], changes[i] = results[i].Receipt, results[i].Changes
	}
	if b.running.sum != g.running {
		return &chain.MismatchError{Block: g.number, Field: "running hash of a commit group", Got: b.running.sum.Hex(), Want: g.running.Hex()}
	}
	return r.s.show(b.env, g.txs, receipts, changes)
}

// reseal ends a mini-block again, and the block with its last one. The frame must
// be the same bytes.
func (r *replay) reseal(ctx context.Context, f *chain.Frame, raw []byte) error {
	s, b := r.s, r.s.current
	if b == nil || b.env.Number != f.Number {
		return fmt.Errorf("%w: frame of block %d, which is not open", chain.ErrCorrupt, f.Number)
	}
	before := b.view()
	var mini *chain.MiniBlock
	var err error
	if f.Last {
		if b.result, err = b.open.Close(ctx); err != nil {
			return err
		}
		b.open, mini = nil, b.result.Last
	} else if mini, err = b.open.SealMini(ctx); err != nil {
		return err
	}
	if err := s.stage(ctx, b, mini.Changes); err != nil {
		return err
	}
	if mini.Index == 0 {
		b.hashPending = mini.ParentHashPending
	}
	s.nextMini(b, mini.Index)
	e := &entry{kind: recordFrame, number: f.Number, env: b.env, mini: mini, last: f.Last, before: before, after: b.view(), block: b}
	if err := s.encodeFrame(e); err != nil {
		return err
	}
	if string(e.encoded) != string(raw) {
		return &chain.MismatchError{Block: f.Number, Field: fmt.Sprintf("frame %d", f.Index), Got: s.frame.Hex(), Want: chain.Keccak256(raw).Hex()}
	}
	if err := s.announce(ctx, e); err != nil {
		return err
	}
	if !f.Last {
		return nil
	}
	return r.resealBlock(ctx, b)
}

// resealBlock makes root, header and witness of a closed block again.
func (r *replay) resealBlock(ctx context.Context, b *block) error {
	s := r.s
	if err := s.stageParentHash(ctx, b); err != nil {
		return err
	}
	commitment, err := s.root(ctx, b, r.head)
	if err != nil {
		return err
	}
	raw, err := b.sealed()
	if err != nil {
		return err
	}
	if logged := r.headers[b.env.Number]; logged == nil {
		if err := s.logNow(recordHeader, raw); err != nil {
			return err
		}
	} else if logged.Hash() != b.header.Hash() {
		return &chain.MismatchError{Block: b.env.Number, Field: "hash", Got: b.header.Hash().Hex(), Want: logged.Hash().Hex()}
	}
	s.ancestors.sealed(b.header)
	if err := s.announce(ctx, &entry{kind: recordHeader, payload: raw, block: b}); err != nil {
		return err
	}
	claim, err := s.prove(ctx, b, r.head, commitment)
	if err != nil {
		return err
	}
	if err := s.logNow(recordClaim, claim.encode()); err != nil {
		return err
	}
	s.collector.expect(claim)
	if err := s.commitState(ctx, b); err != nil {
		return err
	}
	r.head = b.header
	s.heads.update(func(h *Heads) { h.RootChecked = b.header.ID() })
	r.unpublished = append(r.unpublished, b)
	return nil
}

// fillWindow hands what is unpublished to the publisher. That may be more than Config
// allows: the window was full and others were on their way to it, or Config allowed
// more.
func (r *replay) fillWindow() {
	s := r.s
	room := max(s.cfg.UnpublishedBlocks+unsettledBlocks, len(r.unpublished))
	s.window.resize(room)
	s.publishes = make(chan *block, room)
	for _, b := range r.unpublished {
		b.blobs = r.blobs[b.header.Number]
		s.window.slots <- struct{}{}
		s.window.entered(s.cfg.Now())
		s.publishes <- b
		s.closed = b
	}
}

// recallPublications remembers what is to be told again: publications since the
// snapshot, and before it those of blocks that wait for provers.
func (r *replay) recallPublications() error {
	for _, number := range slices.Sorted(maps.Keys(r.publications)) {
		p := r.publications[number]
		if awaited := r.s.collector.published(p); !awaited && number <= r.base {
			continue
		}
		payload, err := p.AppendBinary(nil)
		if err != nil {
			return err
		}
		r.s.tellAgain = append(r.s.tellAgain, payload)
	}
	return nil
}
