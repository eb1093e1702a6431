package role

import (
	"context"
	"errors"
	"time"

	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/sched"
)

const (
	joinAgain    = time.Second
	joinAgainMax = 30 * time.Second
)

// join makes the node. A snapshot that the layer does not give now, it may give later: that
// is waited for, as the sequencer is. Without an error the node is nil if ctx has ended.
func join(ctx context.Context, cfg fullnode.Config) (*fullnode.Follower, error) {
	for wait := joinAgain; ; wait = min(2*wait, joinAgainMax) {
		f, err := fullnode.New(ctx, cfg)
		var missing *fullnode.SnapshotError
		switch {
		case err == nil:
			return f, nil
		case ctx.Err() != nil:
			return nil, nil
		case !errors.As(err, &missing):
			return nil, err
		}
		pause := max(wait, da.RetryAfter(err))
		cfg.Logger.Warn("no snapshot to begin at, asking again", "block", missing.Block, "err", missing.Err, "in", pause)
		if sched.Sleep(ctx, pause) != nil {
			return nil, nil
		}
	}
}
