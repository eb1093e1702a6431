package dashboard

import (
	"math"
	"slices"
	"time"
)

const (
	// period is the time between readings.
	period = 250 * time.Millisecond
	// span is how far back the page looks.
	span = time.Minute
	// instant is what a rate is taken over that counts as present.
	instant = time.Second
)

// points is how many rates the page's chart has.
const points = int(span / period)

// A window is the last minute of readings, oldest first, never empty once something was
// added.
type window struct {
	readings []reading
	rates    []float64 // transactions per second, as they were at each but the first
}

type reading struct {
	at time.Time
	Snapshot
}

func (w *window) add(at time.Time, s Snapshot) {
	w.readings = last(append(w.readings, reading{at, s}), points+1)
	if len(w.readings) > 1 { // there is something to compare with
		w.rates = last(append(w.rates, w.present(transactions)), points)
	}
}

// last drops from the front what is too much.
func last[T any](s []T, most int) []T {
	return slices.Delete(s, 0, max(0, len(s)-most))
}

func (w *window) newest() *reading { return &w.readings[len(w.readings)-1] }

// present is what a total grows by in a second, now.
func (w *window) present(total func(*Snapshot) uint64) float64 {
	newest := w.newest()
	from := newest
	for i := len(w.readings) - 2; i >= 0 && newest.at.Sub(from.at) < instant; i-- {
		from = &w.readings[i]
	}
	return ratio(float64(total(&newest.Snapshot)-total(&from.Snapshot)), newest.at.Sub(from.at).Seconds())
}

// growth is what a total grew by in the window.
func (w *window) growth(total func(*Snapshot) uint64) float64 {
	return float64(total(&w.newest().Snapshot) - total(&w.readings[0].Snapshot))
}

// per is how much one total grew for each that another one did.
func (w *window) per(total, each func(*Snapshot) uint64) float64 {
	return ratio(w.growth(total), w.growth(each))
}

// most is the largest value that a node had, by its place in the list.
func (w *window) most(node int, value func(*Node) uint64) (out uint64) {
	for i := range w.readings {
		if nodes := w.readings[i].Nodes; node < len(nodes) {
			out = max(out, value(&nodes[node]))
		}
	}
	return out
}

// latency is how many receipts took how long, in the window; nil if nobody measured.
func (w *window) latency() *Latency {
	newest := w.newest().Latency
	if newest == nil {
		return nil
	}
	out := *newest
	out.Counts = slices.Clone(newest.Counts)
	if oldest := w.readings[0].Latency; oldest != nil {
		for i, n := range oldest.Counts {
			out.Counts[i] -= n
		}
	}
	return &out
}

// percentile is what p % of the durations do not exceed, taken as evenly spread over
// their class; 0 if there are none, and the last bound if it is above that.
func (l *Latency) percentile(p float64) time.Duration {
	rank := p / 100 * float64(l.total())
	low := l.From
	for i, high := range l.Bounds {
		n := float64(l.Counts[i])
		if n > 0 && n >= rank {
			return low + time.Duration(rank/n*float64(high-low))
		}
		rank -= n
		low = high
	}
	if l.total() == 0 {
		return 0
	}
	return low
}

func (l *Latency) total() (n uint64) {
	for _, c := range l.Counts {
		n += c
	}
	return n
}

// ratio divides, and is 0 when there is nothing to divide by.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// round keeps as many digits behind the point as a reader can use.
func round(v float64, digits int) float64 {
	shift := math.Pow10(digits)
	return math.Round(v*shift) / shift
}
