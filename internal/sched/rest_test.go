package sched_test

import (
	"context"
	"testing"

	"github.com/vivace-chain/vivace/internal/sched"
)

func TestRest(t *testing.T) {
	rests := 0
	ctx, cancel := context.WithCancel(sched.WithRest(t.Context(), func() { rests++ }))
	defer cancel()
	sched.Rest(t.Context())
	sched.Rest(ctx)
	if rests != 1 {
		t.Fatalf("%d rests", rests)
	}
}
