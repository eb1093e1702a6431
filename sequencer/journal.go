package sequencer

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/checkpoint"
	"github.com/vivace-chain/vivace/internal/link"
)

// An entry is something that becomes a log record, with what happens once the
// record is durable.
type entry struct {
	kind   byte
	number uint64 // of the block
	env    *chain.Env

	// recordGroup
	txs      []*pending
	receipts []*chain.Receipt
	changes  []*chain.Changes // of each
	running  common.Hash

	// recordFrame
	mini          *chain.MiniBlock
	last          bool
	before, after chain.StateView
	frame         *chain.Frame
	digest        common.Hash   // of frame
	encoded       []byte        // frame
	point         snapshotPoint // of the last frame of a block

	tell bool // recordWord: it is told

	block   *block        // recordHeader, recordPublished, recordFrame with last
	id      chain.BlockID // recordPublished, recordProven
	payload []byte        // of all other kinds
}

// A snapshotPoint is the state of the feed right after a block's last frame.
type snapshotPoint struct {
	frame common.Hash // digest of that frame
	model []byte      // of the DiffEncoder, if it has one
	feed  uint64      // number of the next message
	told  bool        // the frame was
}

// errNoJournal is the error of enter once the journal has ended. It says why itself: with
// it no part of Run brings news.
var errNoJournal = fmt.Errorf("sequencer stopped: %w", chain.ErrClosed)

// enter hands an entry to the journal. The builder's entries stay in their order. It waits
// for no journal that has ended: who hands in a prover's word does so whatever becomes of
// ctx, and Run waits for him.
func (s *Sequencer) enter(ctx context.Context, e entry) error {
	select {
	case s.journal <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.journaled:
		return errNoJournal
	}
}

// keepJournal is step 4. It takes whatever came while the last fsync ran, writes
// and syncs it, and only then lets the world know: receipts, views, frames.
func (s *Sequencer) keepJournal(ctx context.Context) error {
	defer close(s.journaled)
	var batch []entry
	for {
		select {
		case e := <-s.journal:
			batch = append(batch[:0], e)
		case <-ctx.Done():
			return s.drainJournal(batch[:0])
		}
		for range len(s.journal) {
			batch = append(batch, <-s.journal)
		}
		if err := s.writeBatch(ctx, batch); err != nil {
			return err
		}
		clear(batch)
	}
}

// drainJournal writes what was executed before the end and acknowledges it.
func (s *Sequencer) drainJournal(batch []entry) error {
	for range len(s.journal) {
		batch = append(batch, <-s.journal)
	}
	return s.writeBatch(context.Background(), batch)
}

func (s *Sequencer) writeBatch(ctx context.Context, batch []entry) error {
	for i := range batch {
		if err := s.write(&batch[i]); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := s.log.Sync(); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	s.stats.syncTime.Add(int64(time.Since(began)))
	for i := range batch {
		if err := s.announce(ctx, &batch[i]); err != nil {
			return err
		}
	}
	return nil
}

// write appends the entry's record.
func (s *Sequencer) write(e *entry) error {
	payload := e.payload
	switch e.kind {
	case recordOpen:
		payload, _ = e.env.AppendBinary(nil)
	case recordGroup:
		g := group{number: e.number, running: e.running, txs: make([]*chain.Tx, 0, len(e.txs))}
		for _, p := range e.txs {
			g.txs = append(g.txs, p.tx)
		}
		payload = g.append(nil)
	case recordFrame:
		if err := s.encodeFrame(e); err != nil {
			return err
		}
		payload = e.encoded
	case recordHeader:
		var err error
		if payload, err = e.block.sealed(); err != nil {
			return err
		}
		e.payload = payload
	}
	lsn, err := s.log.Append(e.kind, payload)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if e.kind == recordOpen {
		s.snapshots.opened(e.number, lsn)
	}
	return nil
}

// encodeFrame makes the mini-block's frame. Frames are encoded in the order of
// the log, because the DiffEncoder carries a model from one to the next.
func (s *Sequencer) encodeFrame(e *entry) error {
	diff, err := s.cfg.Diff.AppendEncode(nil, e.mini.Changes, e.before, e.mini.Hints)
	if err != nil {
		return fmt.Errorf("block %d: diff of mini-block %d: %w", e.number, e.mini.Index, err)
	}
	f := &chain.Frame{
		Number: e.number, Index: e.mini.Index, Term: e.env.Term(), Parent: s.frame,
		GasUsed: e.mini.GasUsed, TxCount: uint32(len(e.mini.Txs)), Last: e.last,
		ParentHashPending: e.mini.ParentHashPending, Diff: diff,
	}
	if f.Index == 0 {
		f.Env = e.env
	}
	if e.encoded, err = f.AppendBinary(nil); err != nil {
		return err
	}
	e.frame, e.digest = f, chain.Keccak256(e.encoded)
	s.frame = e.digest
	s.stats.diffBytes.Add(uint64(len(diff)))
	if e.last {
		e.point.frame = s.frame
		e.point.model = checkpoint.AppendModel(s.cfg.Diff)
		e.block.end = e.point
	}
	return err
}

// announce lets the world know of a durable record.
func (s *Sequencer) announce(ctx context.Context, e *entry) error {
	switch e.kind {
	case recordOpen:
		if err := s.history.OpenBlock(e.env); err != nil {
			return fmt.Errorf("history: %w", err)
		}
	case recordGroup:
		return s.announceGroup(e)
	case recordFrame:
		return s.announceFrame(ctx, e)
	case recordHeader:
		s.sealedState.Store(&sealedState{e.block.header.ID(), e.block.view()})
		// Before any later frame: followers must have header N when block N+1 ends.
		if _, _, err := s.tell(ctx, link.TopicFeed, link.AppendFeed(nil, link.FeedHeader, e.payload)); err != nil {
			return err
		}
		if err := s.history.Seal(e.block.header); err != nil {
			return fmt.Errorf("history: %w", err)
		}
		close(e.block.logged)
	case recordPublished:
		s.heads.update(func(h *Heads) { h.Published = e.id })
		close(e.block.published)
	case recordWord:
		if e.tell {
			_, _, err := s.tell(ctx, link.TopicAttestations, e.payload)
			return err
		}
	case recordProven:
		s.heads.update(func(h *Heads) { h.Proven = e.id })
		s.kept.prove(e.number)
	}
	return nil
}

// announceGroup answers the submitters. What they are told can be looked up by then.
func (s *Sequencer) announceGroup(e *entry) error {
	txs := make([]*chain.Tx, len(e.txs))
	for i, p := range e.txs {
		txs[i] = p.tx
	}
	if err := s.show(e.env, txs, e.receipts, e.changes); err != nil {
		return err
	}
	s.pool.acknowledged(e.txs)
	s.stats.groups.Add(1)
	s.stats.txs.Add(uint64(len(e.txs)))
	for i, p := range e.txs {
		p.executed <- outcome{receipt: e.receipts[i]}
	}
	s.waiting.Release(int64(len(e.txs)))
	return nil
}

// show makes transactions of the open block, which are logged, readable.
func (s *Sequencer) show(env *chain.Env, txs []*chain.Tx, receipts []*chain.Receipt, changes []*chain.Changes) error {
	if err := s.history.Acknowledge(env.Number, txs, receipts); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	s.readable.Store(s.readable.Load().after(env, changes))
	return nil
}

// announceFrame shows a mini-block, here and to those who follow.
func (s *Sequencer) announceFrame(ctx context.Context, e *entry) error {
	if err := s.history.SealMini(e.frame, e.digest, e.mini.Changes); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	s.stats.minis.Add(1)
	id := MiniID{e.number, e.mini.Index}
	s.readable.Store(&readable{env: e.env, mini: id, view: e.after})
	s.heads.update(func(h *Heads) { h.Preconfirmed = id })
	seq, told, err := s.tell(ctx, link.TopicFeed, link.AppendFeed(nil, link.FeedFrame, e.encoded))
	if err != nil {
		return err
	}
	if e.last {
		e.point.feed, e.point.told = seq+1, told
		e.block.point <- e.point
	}
	if s.cfg.Publisher == nil {
		return nil // do not encode what nobody reads
	}
	return s.publishBody(ctx, e)
}

// publishBody sends what the frame leaves out to those who keep it.
func (s *Sequencer) publishBody(ctx context.Context, e *entry) error {
	body := &chain.MiniBody{Number: e.number, Index: e.mini.Index, Frame: e.digest, Txs: e.mini.Txs}
	for i := range e.mini.Results {
		body.Receipts = append(body.Receipts, e.mini.Results[i].Receipt)
	}
	msg, err := body.AppendBinary(nil)
	if err != nil {
		return err
	}
	_, _, err = s.tell(ctx, link.TopicBodies, msg)
	return err
}

// noHistory keeps nothing.
type noHistory struct{}

func (noHistory) Check(*chain.Header) error                                { return nil }
func (noHistory) Rewind(uint64) error                                      { return nil }
func (noHistory) OpenBlock(*chain.Env) error                               { return nil }
func (noHistory) Acknowledge(uint64, []*chain.Tx, []*chain.Receipt) error  { return nil }
func (noHistory) SealMini(*chain.Frame, common.Hash, *chain.Changes) error { return nil }
func (noHistory) Seal(*chain.Header) error                                 { return nil }
func (noHistory) Persist(context.Context, uint64) error                    { return nil }
