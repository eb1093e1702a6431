package fullnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/rlp"
	"github.com/vivace-chain/vivace/internal/sched"
)

// A delivery is a body as it came.
type delivery struct {
	chain.MiniBody
	bytes, receipts uint64 // of the message, and of it the receipts
}

func (d *delivery) read(msg []byte) error {
	if err := d.UnmarshalBinary(msg); err != nil {
		return err
	}
	var frame common.Hash
	r := rlp.NewReader(msg).List()
	_, _ = r.Uint64(), r.Uint64()
	r.Fixed(frame[:])
	r.Raw() // transactions
	d.bytes, d.receipts = uint64(len(msg)), uint64(len(r.Raw()))
	return nil
}

func (k *keeper) subscribe(ctx context.Context, from uint64) (err error) {
	k.after = from
	k.bodies, err = k.subscriber.Subscribe(ctx, link.TopicBodies, from)
	return err
}

// read is the next body. Without an error it is nil when there was none for so long,
// while the feed waits or a block is to be executed again, that the blocks that want one
// were given up.
func (k *keeper) read(ctx context.Context) (*delivery, error) {
	if body := k.ahead; body != nil {
		k.ahead = nil
		return body, nil
	}
	for {
		seq, msg, err := k.message(ctx)
		if err != nil || msg == nil {
			return nil, err
		}
		body := new(delivery)
		if err := body.read(msg); err != nil {
			k.refuse(fmt.Errorf("body message %d: %w", seq, err))
			continue
		}
		if id := (MiniID{body.Number, body.Index}); k.newest.before(id) {
			k.newest, k.moved = id, time.Time{}
		}
		return body, nil
	}
}

// left is how long a body may be waited for. One who left bodies out, or let them trickle,
// so that no block is executed again while the state before it is there, would be at ease if
// only a full backlog, or silence, were reason to have a block from the layer. What the
// keeper does before it listens is not the stream's silence.
func (k *keeper) left() time.Duration {
	left := k.patience
	if k.moved.IsZero() {
		k.moved = time.Now()
	} else {
		left = time.Until(k.moved.Add(k.patience))
	}
	if k.node.cfg.Reexecute != nil {
		left = min(left, k.patience-k.waited)
	}
	return left
}

// listen waits for the next message of a body, and reports whether it came too late.
func (k *keeper) listen(ctx context.Context, left time.Duration) (seq uint64, msg []byte, late bool, err error) {
	began, sealed := time.Now(), k.sealed(k.wanted)
	patient, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	seq, msg, err = k.bodies(patient)
	if sealed {
		k.waited += time.Since(began)
	}
	return seq, msg, patient.Err() != nil, err
}

// message is the next message of a body; see read. A stream that brings nothing but
// damage and repetitions is as good as silent.
func (k *keeper) message(ctx context.Context) (uint64, []byte, error) {
	for {
		left := k.left()
		if left <= 0 {
			k.moved, k.waited = time.Time{}, 0
			if k.full() || k.node.cfg.Reexecute != nil {
				k.giveUp(fmt.Errorf("%w: no body for %s", chain.ErrNotFound, k.patience), k.unable()...)
				return 0, nil, nil
			}
			continue
		}
		seq, msg, late, err := k.listen(ctx, left)
		switch {
		case err == nil:
			k.after = seq + 1
			return seq, msg, nil
		case ctx.Err() != nil:
			return 0, nil, ctx.Err()
		case late: // the subscription may have ended with its context
			if err := k.subscribe(ctx, k.after); err != nil {
				return 0, nil, err
			}
		case errors.Is(err, chain.ErrOutOfStep) && k.after != link.Oldest:
			// The keeper was too slow: what it wants shows as missing, or is there. It may
			// be so again after the next message, and that must not keep a processor busy.
			_ = sched.Sleep(ctx, retryMin)
			if err := k.subscribe(ctx, link.Oldest); err != nil {
				return 0, nil, err
			}
		default:
			return 0, nil, err
		}
	}
}
