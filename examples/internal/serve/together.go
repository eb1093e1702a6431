package serve

import (
	"context"
	"errors"
)

// Together runs a role and its door until ctx ends or one of them does. The door ends
// first: what clients were promised an answer to, the role still answers.
func Together(ctx context.Context, role, door func(context.Context) error) error {
	roleCtx, stopRole := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRole()
	doorCtx, stopDoor := context.WithCancel(ctx)
	defer stopDoor()

	ended := make(chan error, 1)
	go func() {
		err := role(roleCtx)
		stopDoor() // a role that failed has no answers
		ended <- err
	}()
	err := door(doorCtx)
	stopRole()
	return errors.Join(err, <-ended)
}
