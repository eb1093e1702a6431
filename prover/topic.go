package prover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/link"
)

// A Subscriber gives access to topics, each a sequence of messages whose numbers
// ascend. Package internal/link has transports that implement it.
type Subscriber interface {
	// Subscribe reads a topic from message number from on. The function it
	// returns waits for the next message; msg is valid until the next call.
	Subscribe(ctx context.Context, topic string, from uint64) (next func(context.Context) (seq uint64, msg []byte, err error), err error)
}

// A Publisher appends messages to topics.
type Publisher interface {
	// Publish does not keep msg.
	Publish(ctx context.Context, topic string, msg []byte) (seq uint64, err error)
}

// FromTopic is the Source of a prover that follows publications, from number from on,
// and publishes attestations. It asks nobody, so there are no leases: each prover that
// follows proves every block.
func FromTopic(s Subscriber, p Publisher, from uint64) Source {
	return &topicSource{subscriber: s, publisher: p, from: from}
}

type topicSource struct {
	subscriber Subscriber
	publisher  Publisher
	from       uint64
	next       func(context.Context) (uint64, []byte, error) // nil before the first Lease
}

// Lease implements Source.
func (t *topicSource) Lease(ctx context.Context, _ int) ([]Job, error) {
	if t.next == nil {
		next, err := t.subscriber.Subscribe(ctx, link.TopicPublications, t.from)
		if err != nil {
			return nil, err
		}
		t.next = next
	}
	seq, msg, err := t.next(ctx)
	if err != nil {
		return nil, lasting(fmt.Errorf("read publications: %w", err))
	}
	jobs := make([]Job, 1)
	if err := jobs[0].Publication.UnmarshalBinary(msg); err != nil {
		return nil, fmt.Errorf("publication %d: %w", seq, err)
	}
	return jobs, nil
}

// lasting keeps a transport's own corruption, after which nothing can be read, from
// being taken for that of a message.
func lasting(err error) error {
	if errors.Is(err, chain.ErrCorrupt) {
		return fmt.Errorf("%v", err)
	}
	return err
}

// Renew implements Source.
func (*topicSource) Renew(context.Context, uint64) (time.Time, error) {
	return time.Time{}, ErrLeaseLost
}

// Release implements Source.
func (*topicSource) Release(context.Context, uint64, error) error { return nil }

// Submit implements Source. Whatever keeps a topic from taking a message passes.
func (t *topicSource) Submit(ctx context.Context, a *chain.Attestation) error {
	msg, err := a.AppendBinary(nil)
	if err != nil {
		return err
	}
	if _, err := t.publisher.Publish(ctx, link.TopicAttestations, msg); err != nil {
		return fmt.Errorf("%w: %w", da.ErrTransient, err)
	}
	return nil
}
