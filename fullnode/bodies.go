package fullnode

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/trie"
)

// A History keeps what blocks held and did, for readers; *history.Store is one. It is
// told by one goroutine, in the order of the chain.
type History interface {
	// OpenBlock begins the next block, Acknowledge adds transactions to it, SealMini
	// ends a mini-block whose frame has the given digest, Seal gives the oldest block
	// that has none its header, Drop takes back all that are not sealed. They keep what
	// they are given. What is known already does nothing.
	OpenBlock(env *chain.Env) error
	Acknowledge(number uint64, txs []*chain.Tx, receipts []*chain.Receipt) error
	SealMini(frame *chain.Frame, digest common.Hash, changes *chain.Changes) error
	Seal(h *chain.Header) error
	Drop()
	// Persist returns when the sealed blocks up to number are durable.
	Persist(ctx context.Context, number uint64) error
}

// keptMax is how many mini-blocks and headers may wait for bodies, before the node
// waits with them.
const keptMax = 4096

// A step is something that the feed brought and history is to know: a mini-block, a
// header, or, with neither, that all without a header is dropped.
type step struct {
	env     *chain.Env // of a block's first mini-block
	frame   *chain.Frame
	digest  common.Hash
	changes *chain.Changes
	header  *chain.Header
}

// tell hands a step to keep.
func (f *Follower) tell(ctx context.Context, s step) error {
	if f.cfg.History == nil {
		return nil
	}
	select {
	case f.steps <- s:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A keeper brings what the feed says of each mini-block together with its body, and
// a block's bodies with its header. It outlives a run: what it could not take it
// tries again.
type keeper struct {
	history History
	steps   <-chan step
	next    func(context.Context) (uint64, []byte, error)
	pending *step // that is not done
	// blocks without a header, oldest first, and what they did.
	blocks   []*chain.Block
	receipts [][]*chain.Receipt
}

// keep follows the bodies until ctx ends.
func (k *keeper) keep(ctx context.Context, f *Follower) (err error) {
	k.history, k.steps = f.cfg.History, f.steps
	if k.next, err = f.cfg.Subscriber.Subscribe(ctx, link.TopicBodies, link.Oldest); err != nil {
		return err
	}
	for {
		if k.pending == nil {
			select {
			case s := <-k.steps:
				k.pending = &s
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := k.take(ctx, k.pending); err != nil {
			return err
		}
		k.pending = nil
	}
}

func (k *keeper) take(ctx context.Context, s *step) error {
	switch {
	case s.frame != nil:
		return k.takeFrame(ctx, s)
	case s.header != nil:
		return k.takeHeader(ctx, s.header)
	}
	k.history.Drop()
	k.blocks, k.receipts = nil, nil
	return nil
}

// takeFrame waits for the mini-block's body.
func (k *keeper) takeFrame(ctx context.Context, s *step) error {
	body, err := k.body(ctx, s)
	if err != nil {
		return err
	}
	if s.env != nil {
		if err := k.history.OpenBlock(s.env); err != nil {
			return err
		}
		k.blocks = append(k.blocks, &chain.Block{Withdrawals: s.env.Withdrawals})
		k.receipts = append(k.receipts, nil)
	}
	at := len(k.blocks) - 1
	var after *chain.Receipt
	if n := len(k.receipts[at]); n > 0 {
		after = k.receipts[at][n-1]
	}
	if err := chain.CompleteReceipts(body.Number, after, body.Txs, body.Receipts); err != nil {
		return err
	}
	k.blocks[at].Txs = append(k.blocks[at].Txs, body.Txs...)
	k.receipts[at] = append(k.receipts[at], body.Receipts...)
	if err := k.history.Acknowledge(body.Number, body.Txs, body.Receipts); err != nil {
		return err
	}
	return k.history.SealMini(s.frame, s.digest, s.changes)
}

// body reads up to the body of the step's mini-block. Those of earlier ones are
// repetitions, or from before this node joined.
func (k *keeper) body(ctx context.Context, s *step) (*chain.MiniBody, error) {
	for {
		seq, msg, err := k.next(ctx)
		if err != nil {
			return nil, err
		}
		body := new(chain.MiniBody)
		if err := body.UnmarshalBinary(msg); err != nil {
			return nil, fmt.Errorf("body message %d: %w", seq, err)
		}
		want := MiniID{s.frame.Number, s.frame.Index}
		switch got := (MiniID{body.Number, body.Index}); {
		case got.Number < want.Number || got.Number == want.Number && got.Index < want.Index:
			continue
		case got != want:
			return nil, fmt.Errorf("%w: body of mini-block %d/%d, want %d/%d", chain.ErrOutOfStep, got.Number, got.Index, want.Number, want.Index)
		case body.Frame != s.digest || len(body.Txs) != int(s.frame.TxCount):
			return nil, &chain.MismatchError{Block: body.Number, Field: fmt.Sprintf("body of mini-block %d", body.Index), Got: body.Frame.Hex(), Want: s.digest.Hex()}
		}
		return body, nil
	}
}

// takeHeader checks the bodies of a block against its header: they are what the
// sequencer committed to, or refused.
func (k *keeper) takeHeader(ctx context.Context, h *chain.Header) error {
	b, receipts := k.blocks[0], k.receipts[0]
	b.Header = h
	if err := trie.CheckBody(b); err != nil {
		return err
	}
	if root := trie.ReceiptsRoot(receipts); root != h.ReceiptsRoot {
		return &chain.MismatchError{Block: h.Number, Field: "receiptsRoot", Got: root.Hex(), Want: h.ReceiptsRoot.Hex()}
	}
	if err := k.history.Seal(h); err != nil {
		return err
	}
	if err := k.history.Persist(ctx, h.Number); err != nil {
		return err
	}
	k.blocks, k.receipts = k.blocks[1:], k.receipts[1:]
	return nil
}
