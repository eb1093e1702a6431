package sched

import "context"

type restKey struct{}

// WithRest returns a context for work that has something of which others wait for a
// part, as a turn on a processor: rest, which may be called more than once and
// concurrently, gives it back when the work is about to wait.
func WithRest(ctx context.Context, rest func()) context.Context {
	return context.WithValue(ctx, restKey{}, rest)
}

// Rest says that the work of ctx waits from now on, for a network or for what others do.
func Rest(ctx context.Context) {
	if rest, ok := ctx.Value(restKey{}).(func()); ok {
		rest()
	}
}
