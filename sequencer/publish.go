package sequencer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/link"
)

// publish puts sealed blocks into the data-availability layer, in order, and
// tells where they are.
func (s *Sequencer) publish(ctx context.Context) error {
	for {
		select {
		case b := <-s.publishes:
			if err := s.publishBlock(ctx, b); err != nil {
				return fmt.Errorf("block %d: %w", b.header.Number, err)
			}
			if b.header.Number%uint64(s.cfg.SnapshotBlocks) == 0 {
				if err := s.takeSnapshot(ctx, b); err != nil {
					return fmt.Errorf("snapshot at block %d: %w", b.header.Number, err)
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Sequencer) publishBlock(ctx context.Context, b *block) error {
	id := b.header.ID()
	p := &chain.Publication{Block: id}
	g, gctx := errgroup.WithContext(ctx)
	for _, o := range []struct {
		kind    da.Kind
		payload []byte
		id      *chain.BlobID
	}{{da.Block, b.body, &p.Body}, {da.Witness, b.witness, &p.Witness}, {da.Diff, b.diff, &p.Diff}} {
		g.Go(func() (err error) {
			*o.id, err = s.put(gctx, &da.Object{Kind: o.kind, Block: id, Payload: o.payload})
			return err
		})
	}
	g.Go(func() error {
		if err := s.history.Persist(gctx, id.Number); err != nil {
			return fmt.Errorf("history: %w", err)
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	payload, err := p.AppendBinary(nil)
	if err != nil {
		return err
	}
	// First told, then logged: a crash between the two tells it twice. The other way
	// round provers would never hear of the block, and nothing after it be proven.
	if _, err := s.tell(ctx, link.TopicPublications, payload); err != nil {
		return err
	}
	return s.enter(ctx, entry{kind: recordPublished, number: id.Number, id: id, payload: payload})
}

// tell publishes a message, if anybody follows, and returns its number in the topic.
func (s *Sequencer) tell(ctx context.Context, topic string, msg []byte) (seq uint64, err error) {
	if s.cfg.Publisher == nil {
		return 0, nil
	}
	return s.cfg.Publisher.Publish(ctx, topic, msg)
}

// put tries until the layer takes the object. While it does not, the queue in
// front of us fills, and admission refuses.
func (s *Sequencer) put(ctx context.Context, o *da.Object) (chain.BlobID, error) {
	wait := 10 * time.Millisecond
	for {
		id, _, err := da.Put(ctx, s.cfg.DA, o)
		switch {
		case err == nil:
			return id, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, chain.ErrTooLarge):
			return nil, err // no later try can go better
		}
		s.cfg.Logger.Warn("data-availability layer does not take an object", "object", o.Kind, "block", o.Block, "error", err, "again in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		wait = min(2*wait, 5*time.Second)
	}
}
