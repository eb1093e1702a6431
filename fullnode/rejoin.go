package fullnode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/sched"
)

// A goneError says that the feed does not keep the node's next message any more.
type goneError struct{ error }

func (e *goneError) Unwrap() error { return e.error }

const (
	// rejoinAttempts in a row, with their delays, take longer than the next snapshot.
	rejoinAttempts = 16
	// rejoinDoublings is how often the delay doubles.
	rejoinDoublings = 5
)

// errInVain: whenever the node came back, it was as before.
var errInVain = errors.New("each brought no block")

// rejoin takes another way to where the feed is kept, because of why. It counts attempts,
// of which there may have been some since the last block, and returns why, with what
// failed then, after the last. It ends with ctx. Neither half of a run is going on.
func (f *Follower) rejoin(ctx context.Context, attempts *int, why error) error {
	ways := f.ways(why)
	if len(ways) == 0 {
		return why
	}
	f.cfg.Logger.Warn("the feed does not keep what this node needs", "head", f.head.ID(), "err", why)
	for failed := error(nil); ; {
		if *attempts > 0 {
			_ = sched.Sleep(ctx, f.cfg.RejoinDelay<<min(*attempts-1, rejoinDoublings))
		}
		if ctx.Err() != nil {
			return nil
		}
		if *attempts++; *attempts > rejoinAttempts {
			return fmt.Errorf("%w; after %d attempts to come back: %w", why, rejoinAttempts, cmp.Or(failed, errInVain))
		}
		head := f.head
		if failed = f.comeBack(ctx, ways); failed == nil || final(failed) {
			return failed
		}
		if f.head != head {
			*attempts = 0
		}
		if ctx.Err() == nil {
			f.cfg.Logger.Warn("cannot come back yet", "attempt", *attempts, "err", failed)
		}
	}
}

// ways are those that Config allows, in the order in which they are tried: a snapshot,
// which is quick, and then the data-availability layer. The latter is first if by it
// history gets all blocks, and is the only one when the feed does not speak, which a
// snapshot does not change.
func (f *Follower) ways(why error) (ways []func(context.Context) error) {
	if f.cfg.renews() && !errors.Is(why, errSilent) {
		ways = append(ways, f.beginAnew)
	}
	if f.cfg.FromDA {
		ways = append(ways, func(ctx context.Context) error { return f.run(ctx, f.catchUp) })
		if f.cfg.History != nil && (f.cfg.Reexecute != nil || !f.cfg.bodies()) {
			slices.Reverse(ways)
		}
	}
	return ways
}

// comeBack tries one way after the other. Without an error it has come back, or ctx has
// ended.
func (f *Follower) comeBack(ctx context.Context, ways []func(context.Context) error) error {
	var failed []error
	for _, way := range ways {
		err := way(ctx)
		if err == nil || final(err) {
			return err
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// final reports an error after which no other way is taken: what is wrong is the block
// itself, or our own history.
func final(err error) bool {
	var (
		wrong *VerifyError
		own   *historyError
	)
	return errors.As(err, &wrong) || errors.As(err, &own)
}

// chooseAnew is the snapshot at which to begin anew: from it on the feed is kept, and it
// takes nothing back.
func (f *Follower) chooseAnew(ctx context.Context) (*chain.SnapshotOffer, error) {
	c, err := f.choices(ctx)
	if err != nil {
		return nil, err
	}
	switch head := f.head.ID(); {
	case c.kept == nil:
		return nil, fmt.Errorf("%w: no snapshot from which on the feed is kept", chain.ErrNotFound)
	case c.kept.Block.Number < head.Number:
		return nil, fmt.Errorf("%w: snapshot of block %s, before %s", chain.ErrOutOfStep, c.kept.Block, head)
	case c.kept.Block.Number == head.Number && c.kept.Block != head:
		return nil, &chain.MismatchError{Block: head.Number, Field: "hash of the snapshot's block", Got: c.kept.Block.Hash.Hex(), Want: head.Hash.Hex()}
	}
	return c.kept, nil
}

// beginAnew goes to another place, or changes nothing. The blocks that have no header are
// given up, by history when the run goes on; those that have one, it may still get. The store before stays open for
// who reads it; it is in memory, and goes with its last reader.
func (f *Follower) beginAnew(ctx context.Context) error {
	p, err := f.join(ctx, f.chooseAnew)
	if err != nil {
		return err
	}
	skipped := p.head.Number - f.head.Number
	if err := f.stand(p); err != nil {
		return err
	}
	f.blocks, f.adrift = nil, false
	if f.backlog != nil {
		f.backlog.drop()
		f.backlog.skip(p.head)
	}
	f.cfg.Logger.Info("began anew at a snapshot", "block", p.head.ID(), "skipped", skipped)
	f.count(func(s *Stats) {
		s.Rejoins, s.Skipped = s.Rejoins+1, s.Skipped+skipped
		if f.cfg.Reexecute != nil {
			s.unverified(skipped)
		}
	})
	return nil
}
