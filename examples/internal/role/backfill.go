package role

import (
	"context"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

// A backfiller gives the network what an earlier run of a sequencer published. The log has
// no bodies of blocks that are published, but the history does: to each frame that the
// log has, it makes the body again.
type backfiller struct {
	peers   *gossip.Node
	history *history.Store
	block   *history.Block // of the newest frame; nil if the history does not have it
	number  uint64
	first   int // index in the block of the next mini-block's first transaction
}

// message is sequencer.Config.Backfill.
func (b *backfiller) message(ctx context.Context, topic string, msg []byte) error {
	if err := b.peers.Backfill(ctx, topic, msg); err != nil {
		return err
	}
	if topic != link.TopicFeed {
		return nil
	}
	kind, payload, err := link.ParseFeed(msg)
	if err != nil || kind != link.FeedFrame {
		return err
	}
	frame := new(chain.Frame)
	if err := frame.UnmarshalBinary(payload); err != nil {
		return err
	}
	return b.body(ctx, frame, payload)
}

func (b *backfiller) body(ctx context.Context, frame *chain.Frame, payload []byte) error {
	if frame.Index == 0 {
		b.number, b.first = frame.Number, 0
		b.block, _ = b.history.Block(frame.Number) // what it does not have, nobody gets
	}
	if b.block == nil || b.number != frame.Number {
		return nil
	}
	end := b.first + int(frame.TxCount)
	if end > len(b.block.Txs) {
		return fmt.Errorf("%w: the history's block %d has %d transactions, mini-block %d ends with %d", chain.ErrMismatch, frame.Number, len(b.block.Txs), frame.Index, end)
	}
	body := &chain.MiniBody{
		Number: frame.Number, Index: frame.Index, Frame: chain.Keccak256(payload),
		Txs: b.block.Txs[b.first:end], Receipts: b.block.Receipts[b.first:end],
	}
	b.first = end
	msg, err := body.AppendBinary(nil)
	if err != nil {
		return err
	}
	return b.peers.Backfill(ctx, link.TopicBodies, msg)
}
