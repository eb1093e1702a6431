package rpc

import "sync/atomic"

// memory is the account of the bytes of requests and answers in flight, without
// large answers in the making (see larges). What does not
// fit is refused, nobody waits.
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
