package serve

import (
	"context"
	"errors"
	"sync"
)

// Under runs a role with what carries it, such as its place in a network: these end after
// the role, so that its last word gets out. When one of them ends by itself, the role is
// ended too.
func Under(role func(context.Context) error, supports ...func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		roleCtx, stopRole := context.WithCancel(ctx)
		defer stopRole()
		supportCtx, stopSupports := context.WithCancel(context.WithoutCancel(ctx))
		defer stopSupports()
		var (
			running sync.WaitGroup
			errs    = make([]error, len(supports)+1)
		)
		for i, support := range supports {
			running.Go(func() {
				defer stopRole()
				errs[i] = support(supportCtx)
			})
		}
		errs[len(supports)] = role(roleCtx)
		stopSupports()
		running.Wait()
		return errors.Join(errs...)
	}
}
