package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations in buckets whose width is at most 1/64 of their
// value: every percentile is within 1.6 %, in a fixed 30 KiB however many values
// there are. All methods may be called concurrently.
//
// Values below 64 ns have a bucket each. Above, a value belongs to the bucket of
// its 7 highest bits: the position of the highest, and the 6 after it.
type histogram struct {
	count   atomic.Uint64
	buckets [(64 - histogramBits) << histogramBits]atomic.Uint64
}

const histogramBits = 6

func (h *histogram) add(d time.Duration) {
	h.count.Add(1)
	h.buckets[bucketOf(uint64(max(d, 0)))].Add(1)
}

func bucketOf(v uint64) int {
	if v < 1<<histogramBits {
		return int(v)
	}
	exp := bits.Len64(v) - histogramBits - 1
	return exp<<histogramBits + int(v>>exp)
}

// bucketEnd is the highest value of a bucket.
func bucketEnd(i int) uint64 {
	if i < 1<<histogramBits {
		return uint64(i)
	}
	exp := i>>histogramBits - 1
	return uint64(i-exp<<histogramBits+1)<<exp - 1
}

// classes are how many values each bound is the first to reach, and how many are above
// all bounds, which rise. Values whose bucket goes beyond a bound count as above it.
func (h *histogram) classes(bounds []time.Duration) []uint64 {
	counts, class := make([]uint64, len(bounds)+1), 0
	for i := range h.buckets {
		for class < len(bounds) && bucketEnd(i) > uint64(bounds[class]) {
			class++
		}
		counts[class] += h.buckets[i].Load()
	}
	return counts
}

// percentile is the least duration that at least p % of all do not exceed, rounded
// up to the end of its bucket; 0 when there are none.
func (h *histogram) percentile(p float64) time.Duration {
	total := h.count.Load()
	if total == 0 {
		return 0
	}
	rank := max(1, uint64(float64(total)*p/100+0.999999))
	for i := range h.buckets {
		n := h.buckets[i].Load()
		if n >= rank {
			return time.Duration(bucketEnd(i))
		}
		rank -= n
	}
	return time.Duration(bucketEnd(len(h.buckets) - 1)) // values are still arriving
}
