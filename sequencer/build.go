package sequencer

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A block on its way from open to published.
type block struct {
	env   *chain.Env
	prior chain.StateView // the state before it
	open  chain.OpenBlock // nil once closed

	parent    *block       // nil if it was committed before this one opened
	staged    chain.Staged // its mini-blocks so far; nil while there are none
	committed bool         // by the committer; guarded by storeMu

	running     *runningHash
	opened      bool   // recordOpen is on its way to the log
	hashPending bool   // MiniBlock.ParentHashPending of its first mini-block
	index       uint32 // of the open mini-block
	room        room   // what is left of it
	deadline    time.Time
	txs         []*chain.Tx

	result  *chain.Result      // once closed
	header  *chain.Header      // once it has a root
	body    []byte             // RLP of the block
	diff    []byte             // self-contained
	witness []byte             // encoded
	logged  chan struct{}      // closed when the header is in the log
	point   chan snapshotPoint // gets one when the last frame is in the feed
	end     snapshotPoint      // after the last frame; the journal's

	blobs       []storedBlob // of its objects, that the log of an earlier run has
	publication chain.Publication
	stored      chan struct{} // closed when publication is whole
	published   chan struct{} // closed when it is in the log
	told        chan struct{} // closed when it was told
}

// sealed is what followers are told of a block when it has its header and its frames
// are encoded. It is logged as it is told: a sequencer that starts again says the same.
func (b *block) sealed() ([]byte, error) {
	return (&chain.Sealed{Header: b.header, Frame: b.end.frame, Model: b.end.model}).AppendBinary(nil)
}

func (b *block) view() chain.StateView {
	if b.staged != nil {
		return b.staged.View()
	}
	return b.prior
}

// build is steps 2 and 3: it takes transactions by priority, executes them, and
// ends mini-blocks and blocks on their timers, until Drain. It is the only goroutine
// that touches the open block.
func (s *Sequencer) build(ctx context.Context) error {
	ticker := time.NewTicker(s.cfg.MiniBlockInterval)
	defer ticker.Stop()
	for {
		if err := s.endOnTime(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.draining:
			return s.endLast(ctx)
		case <-ticker.C:
			if err := s.sealMiniOrBlock(ctx); err != nil {
				return err
			}
		case <-s.pool.signal:
			if err := s.execute(ctx); err != nil {
				return err
			}
		}
	}
}

// endOnTime closes the open block when its time is over and opens the next. An
// empty one stays open while too many wait for provers: nobody gains by another,
// and each makes what is remembered of them grow.
func (s *Sequencer) endOnTime(ctx context.Context) error {
	if s.cfg.Now().Before(s.current.deadline) {
		return nil
	}
	if len(s.current.txs) == 0 && s.unprovenTooMany() {
		return nil
	}
	return s.nextBlock(ctx)
}

func (s *Sequencer) nextBlock(ctx context.Context) error {
	closed := s.current
	if err := s.endBlock(ctx, closed); err != nil {
		return err
	}
	s.pool.evict(s.cfg.Now())
	facts := factsOf(closed.env, closed.result.GasUsed, closed.result.BlobGasUsed)
	return s.openNext(ctx, facts, closed.view(), closed)
}

// endBlock closes a block and hands it on to the committer.
func (s *Sequencer) endBlock(ctx context.Context, b *block) error {
	if err := s.closeBlock(ctx, b); err != nil {
		return err
	}
	s.closed = b
	s.unrooted.Add(1)
	select {
	case s.sealing <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// openNext opens the block after that of head, a header or its facts, whose state is
// prior; parent is as for openBlock. It does not open one of Prague on a state without
// the contracts that end it: transactions would be acknowledged in a block that has no
// header. Before it, an operator can still put the fork off.
func (s *Sequencer) openNext(ctx context.Context, head *chain.Header, prior chain.StateView, parent *block) error {
	env := s.cfg.nextEnv(head, s.cfg.Now())
	if s.cfg.ChainConfig.IsPrague(new(big.Int).SetUint64(env.Number), env.Timestamp) {
		if err := genesis.CheckSystemContracts(prior); err != nil {
			return fmt.Errorf("open block %d: %w: put the fork off and deploy it", env.Number, err)
		}
	}
	return s.openBlock(ctx, env, prior, parent)
}

// openBlock opens the block of env on the state prior; parent is the block before
// it, or nil if that is committed.
func (s *Sequencer) openBlock(ctx context.Context, env *chain.Env, prior chain.StateView, parent *block) error {
	open, err := s.cfg.Executor.Open(ctx, env, s.ancestors, prior)
	if err != nil {
		return fmt.Errorf("open block %d: %w", env.Number, err)
	}
	s.ancestors.expect(env.Number)
	s.current = &block{
		env: env, prior: prior, open: open, parent: parent,
		running: newRunningHash(env), room: s.cfg.emptyRoom(), deadline: s.cfg.Now().Add(s.cfg.BlockInterval),
		logged: make(chan struct{}), point: make(chan snapshotPoint, 1),
		stored: make(chan struct{}), published: make(chan struct{}), told: make(chan struct{}),
	}
	s.env.Store(env)
	return nil
}

// nextBatch takes what is executed next. If not even its first transaction fits into the
// open mini-block, that ends before its time.
func (s *Sequencer) nextBatch(ctx context.Context) ([]*pending, error) {
	most := min(s.cfg.BatchTxs, s.cfg.GroupTxs)
	batch, full := s.pool.take(most, s.current.room)
	if len(batch) > 0 || !full {
		return batch, nil
	}
	if err := s.sealMiniOrBlock(ctx); err != nil {
		return nil, err
	}
	batch, _ = s.pool.take(most, s.current.room)
	return batch, nil
}

// execute runs one batch and hands what was included on to its commit group.
func (s *Sequencer) execute(ctx context.Context) error {
	batch, err := s.nextBatch(ctx)
	if len(batch) == 0 || err != nil {
		return err
	}
	if err := s.waiting.Acquire(ctx, int64(len(batch))); err != nil {
		return err
	}
	b := s.current
	txs := make([]*chain.Tx, len(batch))
	for i, p := range batch {
		txs[i] = p.tx
	}
	results, err := b.open.Push(ctx, txs)
	if err != nil {
		return fmt.Errorf("block %d: %w", b.env.Number, err)
	}
	s.pool.done(batch, results)

	e := entry{
		kind: recordGroup, number: b.env.Number, env: b.env, txs: make([]*pending, 0, len(batch)),
		receipts: make([]*chain.Receipt, 0, len(batch)), changes: make([]*chain.Changes, 0, len(batch)),
	}
	full := false
	for i, r := range results {
		switch {
		case r.Err == nil:
			b.include(txs[i], &results[i])
			e.txs = append(e.txs, batch[i])
			e.receipts = append(e.receipts, r.Receipt)
			e.changes = append(e.changes, r.Changes)
		case isBlockFull(r.Err):
			full = true
		default:
			batch[i].executed <- outcome{err: r.Err}
		}
	}
	s.waiting.Release(int64(len(batch) - len(e.txs)))
	if len(e.txs) > 0 {
		e.running = b.running.sum
		if err := s.enterOpen(ctx, b); err != nil {
			return err
		}
		if err := s.enter(ctx, e); err != nil {
			return err
		}
	}
	if full {
		return s.nextBlock(ctx)
	}
	return nil
}

// enterOpen logs the environment, once, before anything else of the block.
func (s *Sequencer) enterOpen(ctx context.Context, b *block) error {
	if b.opened {
		return nil
	}
	b.opened = true
	return s.enter(ctx, entry{kind: recordOpen, number: b.env.Number, env: b.env})
}

// framesSpare is how many of a block's mini-blocks are left to restarts, each of which ends
// the one that it finds open, and cannot end the block.
const framesSpare = 16

// sealMiniOrBlock ends the mini-block if anything executed in it, and the block with it if
// that may not have many more.
func (s *Sequencer) sealMiniOrBlock(ctx context.Context) error {
	if !s.current.room.empty && s.current.index+1 >= chain.FramesMax-framesSpare {
		return s.nextBlock(ctx)
	}
	return s.sealMini(ctx)
}

// sealMini ends the mini-block if anything executed in it.
func (s *Sequencer) sealMini(ctx context.Context) error {
	b := s.current
	if b.room.empty {
		return nil
	}
	mini, err := b.open.SealMini(ctx)
	if err != nil {
		return fmt.Errorf("block %d: seal mini-block %d: %w", b.env.Number, b.index, err)
	}
	return s.endMini(ctx, b, mini, false)
}

// endMini stages a mini-block and hands it to the log.
func (s *Sequencer) endMini(ctx context.Context, b *block, mini *chain.MiniBlock, last bool) error {
	before := b.view()
	if err := s.stage(ctx, b, mini.Changes); err != nil {
		return fmt.Errorf("block %d: stage mini-block %d: %w", b.env.Number, mini.Index, err)
	}
	s.pool.sealed(b.view())
	if mini.Index == 0 {
		b.hashPending = mini.ParentHashPending
	}
	s.nextMini(b, mini.Index)
	if err := s.enterOpen(ctx, b); err != nil {
		return err
	}
	return s.enter(ctx, entry{
		kind: recordFrame, number: b.env.Number, env: b.env, mini: mini, last: last,
		before: before, after: b.view(), block: b,
	})
}

// stage puts changes on top of the block's mini-blocks so far.
func (s *Sequencer) stage(ctx context.Context, b *block, c *chain.Changes) (err error) {
	s.storeMu.Lock()
	defer s.storeMu.Unlock()
	switch {
	case b.staged != nil:
		b.staged, err = b.staged.Stage(ctx, c)
	case b.parent != nil && !b.parent.committed:
		b.staged, err = b.parent.staged.Stage(ctx, c)
	default:
		b.staged, err = s.store.Stage(ctx, c)
	}
	b.parent = nil // nobody needs it any more
	return err
}

// closeBlock ends the block: its last mini-block, and then the write of EIP-2935,
// which is in the block but in none of its mini-blocks. It waits until the parent
// is sealed.
func (s *Sequencer) closeBlock(ctx context.Context, b *block) error {
	result, err := b.open.Close(ctx)
	if err != nil {
		return fmt.Errorf("close block %d: %w", b.env.Number, err)
	}
	b.open, b.result = nil, result
	if err := s.endMini(ctx, b, result.Last, true); err != nil {
		return err
	}
	return s.stageParentHash(ctx, b)
}

// stageParentHash adds the write of EIP-2935, if it was left out, to a closed block.
func (s *Sequencer) stageParentHash(ctx context.Context, b *block) error {
	if !b.hashPending {
		return nil
	}
	parent, err := s.ancestors.header(b.env.Number - 1)
	if err != nil {
		return err
	}
	write, err := chain.ParentHashChange(parent, b.view())
	if err != nil {
		return fmt.Errorf("block %d: %w", b.env.Number, err)
	}
	return s.stage(ctx, b, write)
}
