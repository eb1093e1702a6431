package fullnode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/trie"
)

// A History keeps what blocks held and did, for readers; *history.Store is one. It is
// told by one goroutine, in the order of the chain. An error of its own ends Run.
type History interface {
	// OpenBlock begins the next block, Acknowledge adds transactions to it, SealMini
	// ends a mini-block whose frame has the given digest, Seal gives the oldest block
	// that has none its header, Drop takes back all that are not sealed. They keep what
	// they are given. What is sealed already does nothing. A block beyond the next is
	// opened after a gap. A frame comes without its Diff.
	OpenBlock(env *chain.Env) error
	Acknowledge(number uint64, txs []*chain.Tx, receipts []*chain.Receipt) error
	SealMini(frame *chain.Frame, digest common.Hash, changes *chain.Changes) error
	Seal(h *chain.Header) error
	Drop()
	// Persist returns when the sealed blocks up to number are durable.
	Persist(ctx context.Context, number uint64) error
	// Head is the newest sealed block. It may be called concurrently with the others.
	Head() chain.BlockID
}

// A keeper brings what the feed says of each mini-block together with its body, and a
// block's bodies with its header. What it lacks, or what is not what the sequencer
// committed to, makes a block that history does not have, and nothing worse. There is
// a new one in each run; what it has done before is in the backlog.
type keeper struct {
	*backlog
	history    History
	subscriber Subscriber
	patience   time.Duration
	node       *Follower

	bodies func(context.Context) (uint64, []byte, error)
	after  uint64    // number of the next message, to subscribe from
	ahead  *delivery // of a mini-block after the one that was wanted
	newest MiniID    // of all bodies that came
	moved  time.Time // since when that does not change, while it is listened for; zero: it did
	gap    error     // why history does not have the block before

	wanted *owed         // whose body is waited for
	waited time.Duration // for it, since it has its header, or for the feed
}

// keep follows the bodies until ctx ends, or history fails.
func (k *keeper) keep(ctx context.Context) error {
	// Another writer may have left blocks that nobody checked.
	k.history.Drop()
	k.rewind()
	if k.node.cfg.bodies() {
		if err := k.subscribe(ctx, link.Oldest); err != nil {
			return err
		}
	}
	for {
		t, err := k.next(ctx)
		if err != nil {
			return err
		}
		if t.block == nil {
			k.giveUp(errBacklogFull, k.unable()...)
			continue
		}
		if err := k.do(ctx, &t); err != nil {
			return err
		}
	}
}

func (k *keeper) do(ctx context.Context, t *task) error {
	switch {
	case t.header != nil:
		return k.seal(ctx, t.block, t.header)
	case !t.mini.hasBody:
		return k.find(ctx, t)
	}
	return k.tell(t)
}

// tell gives history a mini-block with its body.
func (k *keeper) tell(t *task) error {
	b, m := t.block, &t.mini
	txs, receipts, ok := k.body(b)
	if !ok {
		return nil
	}
	if !b.opened {
		if err := k.history.OpenBlock(b.env); err != nil {
			return err
		}
		b.opened = true
	}
	first, end := m.firstTx, m.firstTx+int(m.frame.TxCount)
	if err := k.history.Acknowledge(b.env.Number, txs[first:end:end], receipts[first:end:end]); err != nil {
		return err
	}
	if err := k.history.SealMini(m.frame, m.digest, m.changes); err != nil {
		return err
	}
	k.advance(b)
	return nil
}

// seal checks the bodies of a block against its header: they are what the sequencer
// committed to, or do not become history.
func (k *keeper) seal(ctx context.Context, b *owed, h *chain.Header) error {
	if taken, err := k.check(ctx, b, h); !taken || err != nil {
		return err
	}
	if err := k.history.Seal(h); err != nil {
		return err
	}
	if err := k.history.Persist(ctx, h.Number); err != nil {
		return err
	}
	if k.gap != nil {
		k.node.cfg.Logger.Info("history gets blocks again", "block", h.Number, "lost", k.node.Stats().Lost)
		k.gap = nil
	}
	k.done()
	return nil
}

// check compares the body of a block with its header. Of a block that did not come by
// mini-blocks it tells history what there is.
func (k *keeper) check(ctx context.Context, b *owed, h *chain.Header) (taken bool, err error) {
	if b.had {
		return true, nil
	}
	if b.bare {
		return true, k.history.OpenBlock(b.env)
	}
	if b.absent {
		return k.fromLayer(ctx, b, h)
	}
	txs, receipts, _ := k.body(b)
	if b.whole {
		return true, errors.Join(k.history.OpenBlock(b.env), k.history.Acknowledge(h.Number, txs, receipts))
	}
	if err := checkBodies(b.env, h, txs, receipts); err != nil {
		k.refuse(err)
		k.giveUp(err, b)
		return false, nil
	}
	if k.node.cfg.Reexecute != nil {
		return true, k.verifySealed(ctx, b, txs)
	}
	return true, nil
}

func checkBodies(env *chain.Env, h *chain.Header, txs []*chain.Tx, receipts []*chain.Receipt) error {
	if err := trie.CheckBody(&chain.Block{Header: h, Txs: txs, Withdrawals: env.Withdrawals}); err != nil {
		return err
	}
	if root := trie.ReceiptsRoot(receipts); root != h.ReceiptsRoot {
		return &chain.MismatchError{Block: h.Number, Field: "receiptsRoot", Got: root.Hex(), Want: h.ReceiptsRoot.Hex()}
	}
	return nil
}

// refuse remembers why a body was refused.
func (k *keeper) refuse(err error) {
	k.node.badBody.Store(&err)
	k.node.count(func(s *Stats) { s.BodiesRefused, s.LastBodyRefused = s.BodiesRefused+1, time.Now() })
}

// giveUp leaves blocks to be a gap of history, unless they are to be executed again: then
// they are had from the layer. Those before them that are not sealed are told again: only
// all of them can be taken back.
func (k *keeper) giveUp(why error, blocks ...*owed) {
	for _, b := range blocks {
		if k.node.cfg.Reexecute != nil {
			k.node.cfg.Logger.Info("a block is to be had from the layer, to be executed again", "block", b.env.Number, "err", why)
			k.miss(b)
		} else {
			k.skipOver(why, b)
		}
	}
	if slices.ContainsFunc(blocks, func(b *owed) bool { return b.opened }) {
		k.history.Drop()
		k.rewind()
	}
}

// skipOver leaves a block to be a gap of history.
func (k *keeper) skipOver(why error, b *owed) {
	if k.gap == nil {
		k.node.cfg.Logger.Warn("history does not get blocks, from here on", "block", b.env.Number, "err", why)
	}
	k.gap = why
	k.lose(b)
	k.node.count(func(s *Stats) { s.Lost++ })
}

// find reads bodies up to that of the task's mini-block, or up to a later one: then the
// one that is wanted does not come any more. Those of earlier ones are repetitions, or
// from before this node joined.
func (k *keeper) find(ctx context.Context, t *task) error {
	want := MiniID{t.mini.frame.Number, t.mini.frame.Index}
	k.moved = time.Time{}
	if k.wanted != t.block {
		k.wanted, k.waited = t.block, 0
	}
	for {
		body, err := k.read(ctx)
		if err != nil || body == nil {
			return err
		}
		got := MiniID{body.Number, body.Index}
		if got.before(want) {
			continue
		}
		digest, known, newest := k.lookUp(got)
		switch {
		case k.beyond(got):
			k.refuse(fmt.Errorf("%w: body of mini-block %d/%d, which block %d has not", chain.ErrOutOfStep, got.Number, got.Index, got.Number))
		case !known && !newest.before(got):
			continue // of a block that is lost
		case !known && got.Number-max(want.Number, newest.Number) > aheadMax:
			k.refuse(fmt.Errorf("%w: body of mini-block %d/%d, want %d/%d", chain.ErrOutOfStep, got.Number, got.Index, want.Number, want.Index))
		case !known:
			k.ahead = body
			return k.wait(ctx, want, newest)
		case body.Frame != digest:
			k.refuse(&chain.MismatchError{Block: got.Number, Field: fmt.Sprintf("body of mini-block %d", got.Index), Got: body.Frame.Hex(), Want: digest.Hex()})
		case got != want:
			k.ahead = body
			k.giveUp(missing(want), t.block)
			return nil
		case len(body.Txs) != int(t.mini.frame.TxCount):
			k.refuse(fmt.Errorf("%w: body of mini-block %d/%d with %d transactions, want %d", chain.ErrMismatch, got.Number, got.Index, len(body.Txs), t.mini.frame.TxCount))
		default:
			return k.attach(t.block, body)
		}
	}
}

// attach completes the block's next mini-block.
func (k *keeper) attach(b *owed, body *delivery) error {
	var after *chain.Receipt
	if _, receipts, _ := k.body(b); len(receipts) > 0 {
		after = receipts[len(receipts)-1]
	}
	if err := chain.CompleteReceipts(body.Number, after, body.Txs, body.Receipts); err != nil {
		return err
	}
	k.backlog.attach(b, &body.MiniBody)
	k.node.count(func(s *Stats) {
		s.BodyBytes += body.bytes - body.receipts
		s.ReceiptBytes += body.receipts
	})
	return nil
}

// aheadMax is how many blocks a body may be ahead of the feed: what is still further
// ahead is taken for damage, not for a reason to give up all blocks up to there.
const aheadMax = 1024

func missing(id MiniID) error {
	return fmt.Errorf("%w: body of mini-block %d/%d", chain.ErrNotFound, id.Number, id.Index)
}

// wait returns when the feed has come further than newest, where it is to be seen
// whether the body that is ahead is true. If the feed cannot come so far because too
// much waits for bodies, the oldest block is given up. So it is, and the body too, when
// the block is to be executed again and this takes long: a body from far ahead must not
// hide the others until the state before their blocks is gone.
func (k *keeper) wait(ctx context.Context, want, newest MiniID) error {
	began := time.Now()
	defer func() { k.waited += time.Since(began) }()
	var late <-chan time.Time
	if k.node.cfg.Reexecute != nil {
		late = time.After(k.patience - k.waited)
	}
	for {
		full := k.full() // before the feed may have come further
		t, ok, changed := k.peek()
		if !ok || t.header != nil || t.mini.hasBody {
			return nil
		}
		if _, _, now := k.lookUp(newest); now != newest {
			return nil
		}
		if full {
			k.giveUp(missing(want), t.block)
			return nil
		}
		select {
		case <-changed:
		case <-late:
			k.ahead = nil
			k.giveUp(missing(want), t.block)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
