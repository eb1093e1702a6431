package dashboard

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fill adds a reading each period, of which total is what was counted so far.
func fill(n int, snapshot func(i int) Snapshot) *window {
	w, began := new(window), time.Unix(1000, 0)
	for i := range n {
		w.add(began.Add(time.Duration(i)*period), snapshot(i))
	}
	return w
}

func TestRates(t *testing.T) {
	constant := func(i int) Snapshot { return Snapshot{Transactions: uint64(1000 + 25*i)} }
	require.Zero(t, fill(1, constant).message().TPS, "there is nothing to compare with")
	require.Empty(t, fill(1, constant).message().Rates)
	require.InDelta(t, 100, fill(2, constant).message().TPS, 0)
	w := fill(1000, constant)
	require.Len(t, w.rates, points)
	require.Len(t, w.readings, points+1)
	require.Equal(t, span, w.newest().at.Sub(w.readings[0].at))
	for _, rate := range w.message().Rates {
		require.InDelta(t, 100, rate, 0)
	}
}

// The rate is that of the last second, and a burst is seen for so long.
func TestRateIsOfTheLastSecond(t *testing.T) {
	w := fill(21, func(i int) Snapshot {
		if i < 10 {
			return Snapshot{}
		}
		return Snapshot{Transactions: 40}
	})
	require.Equal(t, []float64{0, 40, 40, 40, 40, 0}, w.rates[8:14])
}

func TestBytesAreOfTheLastMinute(t *testing.T) {
	w := fill(2*points, func(i int) Snapshot {
		s := Snapshot{Transactions: uint64(i), DiffBytes: uint64(50 * i)}
		if i < 10 { // expensive, but long ago
			s.DiffBytes = uint64(1000 * i)
		}
		return s
	})
	require.InDelta(t, 50, w.message().Diff, 0)
	require.Zero(t, w.message().Witness, "no transaction has one")
}

func TestWorstLag(t *testing.T) {
	lag := func(i int) Snapshot {
		s := Snapshot{Nodes: []Node{{Name: "a"}}}
		if i == 3 {
			s.Nodes[0].MiniBlocksBehind = 7
		}
		return s
	}
	require.Equal(t, uint64(7), fill(points, lag).message().Nodes[0].Worst)
	require.Zero(t, fill(2*points, lag).message().Nodes[0].Worst, "that was more than a minute ago")
}

func TestPercentiles(t *testing.T) {
	l := &Latency{
		From:   100 * time.Microsecond,
		Bounds: []time.Duration{200 * time.Microsecond, time.Millisecond, 10 * time.Millisecond},
		Counts: []uint64{0, 0, 0, 0},
	}
	require.Zero(t, l.percentile(50))
	l.Counts = []uint64{10, 80, 9, 1}
	for p, want := range map[float64]time.Duration{
		5: 150 * time.Microsecond, 10: 200 * time.Microsecond, 50: 600 * time.Microsecond, 90: time.Millisecond,
		99: 10 * time.Millisecond, 99.5: 10 * time.Millisecond, 100: 10 * time.Millisecond,
	} {
		require.InDelta(t, want, l.percentile(p), 1, "p%v", p)
	}
}

func TestLatencyIsOfTheLastMinute(t *testing.T) {
	w := fill(2*points, func(i int) Snapshot {
		return Snapshot{Latency: &Latency{
			From: time.Millisecond, Bounds: []time.Duration{2 * time.Millisecond},
			Counts: []uint64{uint64(i), uint64(min(i, 10))}, // slow in the beginning
		}}
	})
	m := w.message().Latency
	require.Equal(t, []uint64{uint64(points), 0}, m.Counts)
	require.Equal(t, uint64(points), m.Total)
	require.Equal(t, int64(1500), m.P50)
	require.Equal(t, uint64(2*points-1), w.newest().Latency.Counts[0], "the reading is not altered")
}
