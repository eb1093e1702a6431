package fullnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/sched"
)

var (
	// errSilent: blocks are published of which the feed says nothing.
	errSilent = fmt.Errorf("%w: the feed is silent while blocks are published", chain.ErrOutOfStep)
	// errAdrift: the last block did not come by the feed.
	errAdrift = fmt.Errorf("%w: this node is between the data-availability layer and the feed", chain.ErrOutOfStep)
)

// unlessSilent is a ctx that ends, with errSilent as its cause, when the feed has been
// silent for Config.FeedPatience while blocks are published that the node does not have,
// if it can take them from elsewhere.
func (f *Follower) unlessSilent(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if !f.cfg.FromDA {
			return
		}
		for ctx.Err() == nil {
			left := f.cfg.FeedPatience - f.silent()
			if left <= 0 && f.confirm.after(f.Header().Number) {
				cancel(errSilent)
			}
			_ = sched.Sleep(ctx, max(left, f.cfg.FeedPatience/4))
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// silent is for how long the node has listened to the feed in vain: not while it does
// something else, such as waiting until History has taken what came.
func (f *Follower) silent() time.Duration {
	if since := f.listening.Load(); since != nil {
		return time.Since(*since)
	}
	return 0
}

// silence is why following ended with ctx: nil if its owner wanted that.
func silence(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		return &goneError{fmt.Errorf("fullnode: %w", cause)}
	}
	return nil
}
