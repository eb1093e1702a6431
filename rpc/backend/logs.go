package backend

import (
	"context"

	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// logsStep is how many logs are asked for at once: what history finds is in memory
// before its size is known.
const logsStep = 500

// Logs is history's Logs with a bound on size, too: what is found takes at most
// bytesMax bytes, about, as JSON, unless it is a single log. q.Max is 1 at least. More
// says that either bound cut it short.
func Logs(ctx context.Context, b Backend, q *history.LogQuery, bytesMax int) (found []history.FoundLog, more bool, err error) {
	for step, size := *q, 0; ; {
		step.Max = min(q.Max-len(found), logsStep)
		part, more, err := b.History().Logs(ctx, &step)
		if err != nil {
			return nil, false, err
		}
		for i := range part {
			if size += wire.NewFoundLog(&part[i]).Size(); size > bytesMax && len(found)+i > 0 {
				return append(found, part[:i]...), true, nil
			}
		}
		found = append(found, part...)
		if !more || len(found) == q.Max {
			return found, more, nil
		}
		last := &found[len(found)-1]
		step.From, step.After = last.Block.Number(), &history.LogPosition{Block: last.Block.Number(), Index: last.Index}
	}
}
