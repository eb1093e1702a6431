package sequencer

import (
	"context"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
)

// Drain prepares a clean end, while Run runs: it ends admission, which answers ErrClosed
// from then on, executes for up to BlockInterval what was admitted before, seals the open
// block if anything is in it, and opens no other. It returns when all that was acknowledged
// is in sealed blocks that are published and told; then end Run. Without Drain nothing that
// was acknowledged is lost, but what the open block has stays preconfirmed until a sequencer
// runs again.
//
// The error is that of ctx, or matches ErrClosed when Run ended first. Whatever is not done
// then, such as the publication in a data-availability layer that is away, the next
// sequencer does. It may be called again, and concurrently.
func (s *Sequencer) Drain(ctx context.Context) error {
	s.drainOnce.Do(func() { close(s.draining) })
	if err := s.await(ctx, s.drained); err != nil {
		return fmt.Errorf("drain: open block: %w", err)
	}
	if s.closed == nil {
		return nil
	}
	if err := s.await(ctx, s.closed.logged); err != nil {
		return fmt.Errorf("drain: header of block %d: %w", s.closed.env.Number, err)
	}
	if err := s.await(ctx, s.closed.told); err != nil {
		return fmt.Errorf("drain: publication of block %d: %w", s.closed.env.Number, err)
	}
	return nil
}

// await waits for done, the end of ctx or that of Run.
func (s *Sequencer) await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.settled:
	}
	select {
	case <-done: // before the end
		return nil
	default:
		return fmt.Errorf("sequencer stopped: %w", chain.ErrClosed)
	}
}

// endLast is the builder's part: it executes what was admitted, ends the open block, and
// opens no other.
func (s *Sequencer) endLast(ctx context.Context) error {
	if err := s.executeRest(ctx); err != nil {
		return err
	}
	if len(s.current.txs) > 0 {
		if err := s.endBlock(ctx, s.current); err != nil {
			return err
		}
	}
	close(s.drained)
	return nil
}

// executeRest executes what the pool has ready, which has been admitted and grows no more:
// who used Send has been answered, and does not hear of it when it is dropped. Whoever
// waits for Drain waits for it, so it goes on for no longer than a block is open.
func (s *Sequencer) executeRest(ctx context.Context) error {
	s.pool.shut()
	for end := s.cfg.Now().Add(s.cfg.BlockInterval); s.cfg.Now().Before(end); {
		select {
		case <-s.pool.signal:
			if err := s.execute(ctx); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}
