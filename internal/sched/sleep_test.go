package sched_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vivace-chain/vivace/internal/sched"
)

func TestSleep(t *testing.T) {
	began := time.Now()
	if err := sched.Sleep(t.Context(), 10*time.Millisecond); err != nil || time.Since(began) < 10*time.Millisecond {
		t.Errorf("slept %v, %v", time.Since(began), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := sched.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slept on: %v", err)
	}
}
