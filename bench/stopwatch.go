package bench

import (
	"testing"
	"time"
)

// A stopwatch is a benchmark's timer with the processor's time beside it: that of
// all threads, garbage collection too. On a busy machine its ratios are steadier
// than the clock's, and it shows work that an implementation does on the side.
type stopwatch struct {
	b       *testing.B
	running bool
	began   time.Duration // of processor time
	cpu     time.Duration
}

// newStopwatch returns a stopwatch that runs. It is made right before the loop,
// which resets the benchmark's own timer, and runs whenever the loop's condition is
// looked at.
func newStopwatch(b *testing.B) *stopwatch {
	return &stopwatch{b: b, running: true, began: processorTime()}
}

// start lets the time run, if it does not.
func (s *stopwatch) start() {
	if s.running {
		return
	}
	s.running = true
	s.b.StartTimer()
	s.began = processorTime()
}

// stop holds the time, if it runs.
func (s *stopwatch) stop() {
	if !s.running {
		return
	}
	s.cpu += processorTime() - s.began
	s.running = false
	s.b.StopTimer()
}

// rate reports n per operation as a rate per second.
func (s *stopwatch) rate(unit string, n float64) {
	if elapsed := s.b.Elapsed(); elapsed > 0 {
		s.b.ReportMetric(n*float64(s.b.N)/elapsed.Seconds(), unit)
	}
}

// cost reports the time of one of n per operation, in nanoseconds.
func (s *stopwatch) cost(unit string, n float64) {
	s.b.ReportMetric(float64(s.b.Elapsed().Nanoseconds())/(n*float64(s.b.N)), unit)
}

// processor reports the processor time of an operation, where it is known.
func (s *stopwatch) processor() {
	if s.cpu > 0 {
		s.b.ReportMetric(float64(s.cpu.Nanoseconds())/float64(s.b.N), "cpu-ns/op")
	}
}
