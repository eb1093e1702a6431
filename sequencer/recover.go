package sequencer

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/checkpoint"
	"github.com/vivace-chain/vivace/internal/vfs"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
)

// Recovery brings the sequencer to where the log ends, in three steps:
//
//  1. the newest snapshot, or genesis;
//  2. blocks that were published: their frames are decoded and applied, their
//     roots checked against their headers;
//  3. blocks after them: their groups are executed again, because what provers
//     need of them (accesses, receipts) was only in memory. Each group must come
//     to the running hash in the log, each mini-block to the frame in the log,
//     byte for byte, each block to the header. The last block stays open.
//
// What step 3 makes again is announced again. Followers know repetitions.
func (s *Sequencer) recover(ctx context.Context) (err error) {
	if s.store = s.cfg.Store; s.store == nil {
		// A snapshot is made of a block that was published, behind all that was not.
		retain := max(retainBlocks, 2*(s.cfg.UnpublishedBlocks+unsettledBlocks))
		store, err := state.Open(state.Config{Retain: retain})
		if err != nil {
			return err
		}
		s.store = store
	}
	if err := vfs.MkdirAllSync(s.cfg.FS, s.cfg.Dir); err != nil {
		return err
	}
	// A snapshot may have its name, but not durably: a process that was killed gave
	// it, and what we are about to show of it must outlive a loss of power.
	if err := s.cfg.FS.SyncDir(s.cfg.Dir); err != nil {
		return err
	}
	s.log, err = state.OpenLog(state.LogConfig{
		FS: s.cfg.FS, Dir: filepath.Join(s.cfg.Dir, "log"), Durability: s.cfg.Durability, RecordMax: recordMax,
	})
	if err != nil {
		return err
	}
	if cut := s.log.Torn(); cut > 0 {
		s.cfg.Logger.Warn("the log ended in a torn record, which was cut off; nothing of it was acknowledged", "bytes", cut, "last record", s.log.Last())
	}
	head, err := s.loadBase(ctx)
	if err != nil {
		return err
	}
	r := &replay{s: s, base: head.Number, head: head}
	if err := s.log.Replay(0, r.scan); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	// Without fsync a loss of power may have taken from the log what history has.
	newest := head
	if h := r.headers[r.published]; h != nil && h.Number > head.Number {
		newest = h
	}
	if err := s.history.Rewind(newest.Number); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if err := s.history.Check(newest); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if err := s.log.Replay(0, func(lsn state.LSN, kind byte, payload []byte) error {
		if err := r.apply(ctx, lsn, kind, payload); err != nil {
			return fmt.Errorf("record %d: %w", lsn, err)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return r.end(ctx)
}

// retainBlocks is the least number of blocks that views reach back.
const retainBlocks = 128

// recordMax bounds a record of the log; the largest is a frame that changes much.
const recordMax = 256 << 20

// loadBase loads the newest snapshot, or genesis.
func (s *Sequencer) loadBase(ctx context.Context) (*chain.Header, error) {
	names, err := s.snapshotNames()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return s.loadGenesis(ctx)
	}
	name := filepath.Join(s.cfg.Dir, names[len(names)-1])
	f, err := s.cfg.FS.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	point, err := checkpoint.Read(ctx, io.NewSectionReader(f, 0, size), size, s.store, s.cfg.Committer)
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", name, err)
	}
	if err := point.CheckGenesis(s.cfg.Genesis); err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", name, err)
	}
	for i := len(point.Headers) - 1; i >= 0; i-- {
		h := new(chain.Header)
		if err := h.UnmarshalBinary(point.Headers[i]); err != nil {
			return nil, err
		}
		s.ancestors.sealed(h)
	}
	head, err := point.Header()
	if err != nil {
		return nil, err
	}
	if err := checkpoint.SetModel(s.cfg.Diff, point.Model); err != nil {
		return nil, err
	}
	s.frame = point.Frame
	return head, s.loadClaims(point, head)
}

func (s *Sequencer) loadClaims(point *checkpoint.Point, head *chain.Header) error {
	s.collector.proven = point.Proven
	for _, raw := range point.Claims {
		c, err := decodeClaim(raw)
		if err != nil {
			return err
		}
		s.collector.expect(c)
	}
	s.heads.Heads = Heads{
		Preconfirmed: MiniID{Number: head.Number}, RootChecked: head.ID(), Published: head.ID(), Proven: point.Proven,
	}
	return nil
}

func (s *Sequencer) loadGenesis(ctx context.Context) (*chain.Header, error) {
	g := s.cfg.Genesis
	if err := checkpoint.LoadGenesis(ctx, g, s.store, s.cfg.Committer); err != nil {
		return nil, err
	}
	s.ancestors.sealed(g.Header)
	id := g.Header.ID()
	s.frame = id.Hash
	s.collector.proven = id
	s.heads.Heads = Heads{RootChecked: id, Published: id, Proven: id}
	return g.Header, nil
}

// replay is the state of a recovery.
type replay struct {
	s    *Sequencer
	base uint64        // block of the snapshot: records of it and of earlier blocks are skipped
	head *chain.Header // newest block that is in the store

	published   uint64                   // newest block that was published
	headers     map[uint64]*chain.Header // of blocks after base
	parts       []*chain.Changes         // of the published block that is being applied
	unpublished []*block                 // sealed again
}

// scan is the first pass: which blocks were sealed, which published.
func (r *replay) scan(_ state.LSN, kind byte, payload []byte) error {
	switch kind {
	case recordHeader:
		h := new(chain.Header)
		if err := h.UnmarshalBinary(payload); err != nil {
			return err
		}
		if r.headers == nil {
			r.headers = make(map[uint64]*chain.Header)
		}
		r.headers[h.Number] = h
	case recordPublished:
		p := new(chain.Publication)
		if err := p.UnmarshalBinary(payload); err != nil {
			return err
		}
		r.published = max(r.published, p.Block.Number)
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
		if env.Number > r.base && env.Number > r.published {
			return r.reopen(ctx, env)
		}
	case recordGroup:
		var g group
		if err := g.decode(payload); err != nil {
			return err
		}
		if g.number > r.base && g.number > r.published {
			return r.execute(ctx, &g)
		}
	case recordFrame:
		f := new(chain.Frame)
		if err := f.UnmarshalBinary(payload); err != nil {
			return err
		}
		switch {
		case f.Number <= r.base:
			return nil
		case f.Number <= r.published:
			return r.decode(ctx, f, payload)
		default:
			return r.reseal(ctx, f, payload)
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
	case recordHeader, recordPublished:
	default:
		return unknownRecord(kind)
	}
	return nil
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

// reopen opens an unpublished block again.
func (r *replay) reopen(ctx context.Context, env *chain.Env) error {
	s := r.s
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
	s.current.opened = true
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
	b.index, b.unsealedTxs = mini.Index+1, 0
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
	raw, err := b.header.AppendBinary(nil)
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

// fillPublishes hands what is unpublished to the publisher. That may be more than
// Config allows: the queue was full and others were on their way to it, or Config
// allowed more.
func (r *replay) fillPublishes() {
	s := r.s
	s.publishes = make(chan *block, max(cap(s.publishes), len(r.unpublished)))
	for _, b := range r.unpublished {
		s.publishes <- b
	}
}

// logNow appends a record and waits until it is durable.
func (s *Sequencer) logNow(kind byte, payload []byte) error {
	if _, err := s.log.Append(kind, payload); err != nil {
		return err
	}
	return s.log.Sync()
}

// end makes sure that a block is open.
func (r *replay) end(ctx context.Context) error {
	s := r.s
	if last := r.head.Term(); r.head.Number > 0 && s.cfg.Term < last {
		return fmt.Errorf("%w: Config.Term is %d, block %d is of %d", chain.ErrOutOfStep, s.cfg.Term, r.head.Number, last)
	}
	if err := s.collector.checkClaims(s.heads.Published.Number); err != nil {
		return err
	}
	r.fillPublishes()
	prior, err := s.store.View(s.store.Head())
	if err != nil {
		return err
	}
	if s.pool == nil {
		s.pool = newPool(s.cfg, prior)
	}
	if s.current == nil || s.current.open == nil {
		if err := s.openNext(ctx, r.head, prior, nil); err != nil {
			return err
		}
	} else if s.current.unsealedTxs > 0 {
		// The pool must know the accounts that were changed since the last
		// mini-block: a view shows them once this one is sealed.
		if err := s.sealMini(ctx); err != nil {
			return err
		}
	}
	s.pool.sealed(s.current.view())
	s.showAtLeast(r.head, prior)
	s.warnOfPrague()
	return nil
}

// warnOfPrague tells the operator, while there is time, that the chain will stop at the
// fork: see openNext.
func (s *Sequencer) warnOfPrague() {
	time := s.cfg.ChainConfig.PragueTime
	if time == nil || *time <= s.current.env.Timestamp {
		return
	}
	if err := genesis.CheckSystemContracts(s.current.view()); err != nil {
		s.cfg.Logger.Warn("the chain stops at Prague unless a contract is deployed before", "time", *time, "error", err)
	}
}

// showAtLeast makes the state after head readable if nothing is yet.
func (s *Sequencer) showAtLeast(head *chain.Header, view chain.StateView) {
	env := (&chain.Block{Header: head}).Env()
	s.readable.CompareAndSwap(nil, &readable{env: env, mini: MiniID{Number: head.Number}, view: view})
}
