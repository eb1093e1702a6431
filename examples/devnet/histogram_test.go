package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHistogramBuckets(t *testing.T) {
	for i := range len(new(histogram).buckets) - 1 {
		end := bucketEnd(i)
		require.Equal(t, i, bucketOf(end), "end of bucket %d", i)
		require.Equal(t, i+1, bucketOf(end+1), "start of bucket %d", i+1)
	}
	require.Equal(t, len(new(histogram).buckets)-1, bucketOf(math.MaxInt64))
}

func TestHistogramPercentiles(t *testing.T) {
	var (
		h      histogram
		rng    = rand.New(rand.NewPCG(1, 2))
		values []time.Duration
	)
	require.Zero(t, h.percentile(50))
	for range 10_001 {
		v := time.Duration(math.Exp(rng.Float64() * 23)) // 1 ns to 10 s
		values = append(values, v)
		h.add(v)
	}
	slices.Sort(values)
	for _, p := range []float64{0, 1, 50, 90, 99, 99.9, 100} {
		exact := float64(values[max(0, int(math.Ceil(p/100*float64(len(values))))-1)])
		got := float64(h.percentile(p))
		require.GreaterOrEqual(t, got, exact, "p%v", p)
		require.LessOrEqual(t, got, exact*(1+1.0/64)+1, "p%v", p)
	}
}

func TestHistogramClasses(t *testing.T) {
	var h histogram
	require.Equal(t, []uint64{0, 0}, h.classes([]time.Duration{time.Millisecond}))
	for _, v := range []time.Duration{0, 900, 999, 1100, 1e6, 5e6, math.MaxInt64} {
		h.add(v)
	}
	require.Equal(t, []uint64{3, 1, 2, 1}, h.classes([]time.Duration{1023, 2000, 5_100_000}))
	require.Equal(t, []uint64{7}, h.classes(nil))
}
