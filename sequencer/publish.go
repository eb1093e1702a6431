package sequencer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/sched"
)

// publish puts sealed blocks into the data-availability layer and tells where they
// are. A layer may take ten seconds for a block, and another one for the block after
// it, so up to DAConcurrency of them are on their way at a time and overtake each
// other; what comes of it is taken strictly by number:
//
//	launch  takes the next block and starts to put its three objects, and to read them back
//	land    waits for the oldest block: log where it is, sync, tell
//
// First logged, then told: the names that a layer gives may differ each time that it
// takes the same bytes, and what was told once must stay. A crash between the two
// leaves a block that nobody heard of, so what the log has is told again at the start.
// Names that were not logged when a crash came are nobody's: nothing ever refers to
// them.
func (s *Sequencer) publish(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	// The oldest is in the hands of land, and counts.
	flight := make(chan *block, s.cfg.DAConcurrency-1)
	g.Go(func() error { return s.launch(ctx, g, flight) })
	g.Go(func() error { return s.land(ctx, flight) })
	return g.Wait()
}

// launch starts what puts each block, in order, as flight has room.
func (s *Sequencer) launch(ctx context.Context, g *errgroup.Group, flight chan<- *block) error {
	for {
		var b *block
		select {
		case b = <-s.publishes:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case flight <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		g.Go(func() error {
			if err := s.putBlock(ctx, b); err != nil {
				return fmt.Errorf("block %d: %w", b.header.Number, err)
			}
			return nil
		})
	}
}

// putBlock puts the three objects of a block; beside, they are kept, and history is waited for.
func (s *Sequencer) putBlock(ctx context.Context, b *block) error {
	s.window.fly(1)
	defer s.window.fly(-1)
	p := &b.publication
	p.Block = b.header.ID()
	g, gctx := errgroup.WithContext(ctx)
	for _, o := range []struct {
		kind    da.Kind
		payload []byte
		id      *chain.BlobID
	}{{da.Block, b.body, &p.Body}, {da.Witness, b.witness, &p.Witness}, {da.Diff, b.diff, &p.Diff}} {
		g.Go(func() (err error) {
			*o.id, err = s.putObject(gctx, b, &da.Object{Kind: o.kind, Block: p.Block, Payload: o.payload})
			return err
		})
	}
	g.Go(func() error {
		if err := s.history.Persist(gctx, p.Block.Number); err != nil {
			return fmt.Errorf("history: %w", err)
		}
		return nil
	})
	g.Go(func() error { return s.kept.keep(p.Block.Number, &payloads{b.body, b.witness, b.diff}) })
	if err := g.Wait(); err != nil {
		return err
	}
	b.body, b.witness, b.diff = nil, nil, nil // it may wait long for those before it
	close(b.stored)
	return nil
}

// land tells again what is to be told again, and then takes blocks in order, each when
// all of it is put.
func (s *Sequencer) land(ctx context.Context, flight <-chan *block) error {
	for _, payload := range s.tellAgain {
		if err := s.tellWhatever(ctx, link.TopicPublications, payload); err != nil {
			return err
		}
	}
	s.tellAgain = nil
	for {
		select {
		case b := <-flight:
			if err := s.landBlock(ctx, b); err != nil {
				return err
			}
			s.window.leave()
			s.snapshotAfter(b)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Sequencer) landBlock(ctx context.Context, b *block) error {
	if err := wait(ctx, b.stored); err != nil {
		return err
	}
	p := &b.publication
	payload, err := p.AppendBinary(nil)
	if err != nil {
		return err
	}
	if err := s.enter(ctx, entry{kind: recordPublished, number: p.Block.Number, id: p.Block, payload: payload, block: b}); err != nil {
		return err
	}
	if err := wait(ctx, b.published); err != nil {
		return err
	}
	s.collector.published(p)
	if err := s.tellWhatever(ctx, link.TopicPublications, payload); err != nil {
		return err
	}
	close(b.told)
	return nil
}

// wait waits for done or the end of ctx.
func wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// putWaitMin and putWaitMax bound the time from one try to put an object to the next,
// but for a layer that asks for longer; it is believed retryAfterMax.
const (
	putWaitMin    = 10 * time.Millisecond
	putWaitMax    = 5 * time.Second
	retryAfterMax = 10 * time.Minute
)

// put tries until the layer takes the object or giveUp says that an error is the end
// of it. No error of the layer ends the chain: meanwhile the window fills, admission
// refuses, Stats counts, and an operator mends what no later try would. An error that
// no try can mend is held all the same: another proxy, mode or size may take it.
func (s *Sequencer) put(ctx context.Context, o *da.Object, giveUp func(error) bool) (*storedBlob, error) {
	blob, commitment, err := o.Encode()
	if err != nil {
		return nil, err
	}
	id, err := s.putBlob(ctx, o, blob, giveUp)
	if err != nil {
		return nil, err
	}
	return &storedBlob{o.Block.Number, o.Kind, commitment, id}, nil
}

// putBlob is put of an object that is encoded.
func (s *Sequencer) putBlob(ctx context.Context, o *da.Object, blob []byte, giveUp func(error) bool) (chain.BlobID, error) {
	pause := putWaitMin
	for {
		id, err := s.cfg.DA.Put(ctx, blob)
		switch {
		case err == nil:
			return id, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		s.window.failed(err)
		if giveUp(err) {
			return nil, err
		}
		level := slog.LevelWarn
		if da.Final(err) {
			level = slog.LevelError
		}
		again := max(pause, min(da.RetryAfter(err), retryAfterMax))
		s.cfg.Logger.Log(ctx, level, "data-availability layer does not take an object", "object", o.Kind, "block", o.Block, "error", err, "again in", again)
		if err := sched.Sleep(ctx, again); err != nil {
			return nil, err
		}
		pause = min(2*pause, putWaitMax)
	}
}
