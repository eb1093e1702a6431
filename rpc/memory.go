package rpc

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// errMemory says that too much is in flight to take more.
var errMemory = errors.New("server is busy: too many bytes in flight")

// memory is the account of the bytes of requests and answers in flight. What does not
// fit is refused, nobody waits.
type memory struct {
	limit int64
	used  atomic.Int64
	peak  atomic.Int64
}

// freeBytes is what every request and every answer may take without asking. The
// number of connections bounds it.
const freeBytes = 32 << 10

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

// read reads r to its end, at most limit bytes, and reserves memory as the bytes
// come, not as they are announced. They are copied once more by the server below, so
// each counts twice. give returns what was reserved and must be called in any case.
// The error matches errTooLarge or errMemory, or is r's.
func (m *memory) read(r io.Reader, limit int) (body []byte, give func(), err error) {
	var reserved int64
	give = func() { m.give(reserved) }
	body = make([]byte, 0, 512)
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > limit:
			return nil, give, fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
		case errors.Is(err, io.EOF):
			return body, give, nil
		case err != nil:
			return nil, give, err
		case len(body) < cap(body):
			continue
		}
		size := min(2*cap(body), limit+1)
		if want := 2 * int64(size); want > freeBytes {
			if !m.take(want - reserved) {
				return nil, give, errMemory
			}
			reserved = want
		}
		grown := make([]byte, len(body), size)
		copy(grown, body)
		body = grown
	}
}

var errTooLarge = errors.New("request is too large")
