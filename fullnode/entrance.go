package fullnode

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/checkpoint"
	"github.com/vivace-chain/vivace/internal/link"
)

// An entrance looks for the place in the feed right after the head.
type entrance struct {
	node  *Follower
	later uint64 // before this block it makes no sense to look again
}

// enter comes into the feed, if it keeps what is next. It needs the first frame of the
// next block, and the head's own header, with which the decoder's model comes.
func (e *entrance) enter(ctx context.Context) (bool, error) {
	f := e.node
	if f.head.Number < e.later {
		return false, nil
	}
	found, err := e.scan(ctx)
	if err != nil || found == nil {
		return false, err
	}
	if found.sealed != nil {
		if err := checkpoint.SetModel(f.diff, found.sealed.Model); err != nil {
			return false, err
		}
	}
	f.feed, f.frame, f.adrift = found.seq, found.frame, false
	return true, nil
}

// scan goes through the feed as it is kept now. It returns nil if it cannot be gone on
// with after the head.
func (e *entrance) scan(ctx context.Context) (*found, error) {
	sub := e.node.cfg.Subscriber
	last, newest, err := sub.Latest(ctx, link.TopicFeed)
	if errors.Is(err, chain.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	number, err := feedNumber(newest)
	if err != nil || number < e.node.head.Number {
		return nil, nil
	}
	if _, published := e.node.confirm.said(number + 1); published {
		return nil, nil // it stands still: there is more in the layer
	}
	next, err := sub.Subscribe(ctx, link.TopicFeed, link.Oldest)
	if err != nil {
		return nil, err
	}
	look := &found{head: e.node.head}
	if look.head.Number == 0 && !e.node.adrift {
		look.frame, look.headed = look.head.Hash(), true
	}
	for {
		seq, msg, err := next(ctx)
		if errors.Is(err, chain.ErrOutOfStep) {
			return nil, nil // pruned while we looked
		}
		if err != nil {
			return nil, err
		}
		if err := look.at(seq, msg); err != nil {
			return nil, err
		}
		if look.started && look.headed {
			return look, nil
		}
		if seq >= last {
			e.later = look.oldest // 0 if none: always
			return nil, nil
		}
	}
}

// found is what a scan of the feed found out about the place right after head.
type found struct {
	head    *chain.Header
	started bool // seq is known
	headed  bool // frame is known, and the model
	seq     uint64
	frame   common.Hash   // digest of the head's last frame
	sealed  *chain.Sealed // of the head; nil at genesis

	oldest uint64 // block after which the feed is kept; 0 if none is known
}

// at looks at a message of the feed. What cannot be read is passed over: it is for who
// follows to refuse it.
func (l *found) at(seq uint64, msg []byte) error {
	kind, payload, err := link.ParseFeed(msg)
	if err != nil {
		return nil
	}
	if kind == link.FeedHeader {
		return l.header(payload)
	}
	var frame chain.Frame
	if frame.UnmarshalBinary(payload) != nil {
		return nil
	}
	if frame.Index > 0 || frame.Number == 0 {
		return nil
	}
	before := frame.Number - 1 // from here on there is all that follows this block
	if l.oldest == 0 {
		l.oldest = before
	}
	if before == l.head.Number && !l.started {
		l.seq, l.started = seq, true
	}
	return nil
}

// header looks for the head's own. That another block is sealed in its place is
// chain.ErrMismatch.
func (l *found) header(payload []byte) error {
	sealed := new(chain.Sealed)
	if sealed.UnmarshalBinary(payload) != nil || sealed.Header.Number != l.head.Number || l.head.Number == 0 {
		return nil
	}
	if got, want := sealed.Header.Hash(), l.head.Hash(); got != want {
		return &chain.MismatchError{Block: l.head.Number, Field: "hash of the header in the feed", Got: got.Hex(), Want: want.Hex()}
	}
	l.sealed, l.frame, l.headed = sealed, sealed.Frame, true
	return nil
}
