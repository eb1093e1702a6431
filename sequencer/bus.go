package sequencer

import (
	"context"

	"github.com/vivace-chain/vivace/internal/link"
)

// A Bus carries messages between roles in one process: give the same one to a
// sequencer, full nodes and provers. Who falls too far behind it tells so.
type Bus = link.Bus

// NewBus makes a Bus that keeps about keepBytes of messages per topic for those who
// lag or join.
func NewBus(keepBytes int) *Bus { return link.NewBus(keepBytes) }

// nobody is a Subscriber to which nobody speaks.
type nobody struct{}

func (nobody) Subscribe(context.Context, string, uint64) (func(context.Context) (uint64, []byte, error), error) {
	return func(ctx context.Context) (uint64, []byte, error) {
		<-ctx.Done()
		return 0, nil, ctx.Err()
	}, nil
}
