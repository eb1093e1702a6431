package sched_test

import (
	"testing"

	"github.com/vivace-chain/vivace/internal/sched"
)

func BenchmarkYield(b *testing.B) {
	for b.Loop() {
		sched.Yield()
	}
}

func TestYieldAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, sched.Yield); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
