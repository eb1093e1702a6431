package rpc

import "sync/atomic"

// memory is an account of bytes of requests and answers in flight, without
// large answers in the making (see larges). What does not fit is refused, nobody
// waits.
type memory struct {
	limit int64
	used  atomic.Int64
	peak  atomic.Int64
}

// take reserves n bytes, if that many are left.
func (m *memory) take(n int64) bool {
	used := m.used.Add(n)
	if used > m.limit {
		m.used.Add(-n)
		return false
	}
	for peak := m.peak.Load(); used > peak && !m.peak.CompareAndSwap(peak, used); {
		peak = m.peak.Load()
	}
	return true
}

func (m *memory) give(n int64) { m.used.Add(-n) }

// An allowance is what one connection takes of memory: so much of its own that an
// ordinary client never asks for more, and the rest from what all share. The number of
// connections bounds the former.
type allowance struct{ own, shared *memory }

func newAllowance(shared *memory) allowance {
	return allowance{&memory{limit: connectionBytes}, shared}
}

// take reserves n bytes. Who has them gives them back to where they are from, which is
// nil if they are not left.
func (a allowance) take(n int64) (from *memory) {
	switch {
	case a.own.take(n):
		return a.own
	case a.shared.take(n):
		return a.shared
	}
	return nil
}
