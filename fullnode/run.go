package fullnode

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Run follows the feed until ctx ends, and returns nil then. Another error says
// what was refused, and why. The node stands, byte for byte, where it stood before
// that message, or, if it was a header, at the block before, without the
// mini-blocks that the header does not bear out. Or Config.History failed, and the
// error says so. Run may be called again to go on from there, at any time: history is
// told anew what it does not have sealed.
//
// A node that finds its next message gone from the feed, or the feed silent while blocks
// are published, begins anew at a snapshot, if Config.FromSnapshot lets it, or takes blocks
// from the data-availability layer until the feed keeps what is next, if Config.FromDA
// does. Until then Refused says why. Where it began anew, History has a gap.
func (f *Follower) Run(ctx context.Context) error {
	for attempts := 0; ; {
		f.bad.Store(nil)
		head := f.head
		err := error(&goneError{errAdrift})
		if !f.adrift {
			err = f.run(ctx, f.follow)
		}
		if gone := (*goneError)(nil); !errors.As(err, &gone) {
			return err
		}
		if ctx.Err() != nil {
			return nil // whatever was to be done about it
		}
		if f.head != head {
			attempts = 0
		}
		f.bad.Store(&err)
		if err := f.rejoin(ctx, &attempts, err); err != nil || ctx.Err() != nil {
			if err != nil {
				f.bad.Store(&err)
			}
			return err
		}
	}
}

// run takes blocks by feed, and does beside it all else that goes on meanwhile.
func (f *Follower) run(ctx context.Context, feed func(context.Context) error) error {
	g, inner := errgroup.WithContext(ctx)
	inner, stop := context.WithCancel(inner)
	g.Go(func() error {
		defer stop()
		return feed(inner)
	})
	for _, hear := range []func(context.Context){f.confirm.hearPublications, f.confirm.hearAttestations} {
		g.Go(func() error {
			hear(inner)
			return nil
		})
	}
	if f.cfg.History != nil {
		g.Go(func() error { return f.keep(inner) })
	}
	err := g.Wait()
	if f.dropped {
		f.cfg.History.Drop()
		f.dropped = false
	}
	return err
}

// keep brings History what it is to have.
func (f *Follower) keep(ctx context.Context) error {
	k := keeper{backlog: f.backlog, history: f.cfg.History, subscriber: f.cfg.Subscriber, patience: f.cfg.BacklogPatience, node: f}
	err := k.keep(ctx)
	if ctx.Err() != nil {
		return nil // the end of Run, or the feed's error
	}
	if wrong := (*VerifyError)(nil); !errors.As(err, &wrong) {
		err = &historyError{err}
	}
	f.bad.Store(&err)
	return err
}

// A historyError is Config.History's own.
type historyError struct{ error }

func (e *historyError) Error() string { return fmt.Sprintf("fullnode: history: %v", e.error) }

func (e *historyError) Unwrap() error { return e.error }
