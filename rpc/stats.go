package rpc

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Stats is what the door did since it was made, and holds now.
type Stats struct {
	Connections   int // HTTP connections, also idle ones; without WebSockets
	WebSockets    int
	Subscriptions int
	// Refused counts what was turned away before any work: connections and requests
	// above a limit, foreign hosts and origins, bad tokens.
	Refused uint64
	// Bytes of requests and answers in flight, and the most there ever were.
	MemoryBytes, MemoryPeak int64
	// Methods by name. What nobody registered is under OtherMethod, so callers cannot
	// make the map grow. A batch counts its calls, each with the batch's latency.
	Methods map[string]MethodStats
}

// OtherMethod stands in Stats for requests that name no method that is served.
const OtherMethod = "other"

// MethodStats is what happened to the calls of a method.
type MethodStats struct {
	Requests uint64
	// Errors by class: see ErrorClass.
	Errors map[string]uint64
	// Latency has, for each of LatencyBounds and for what is above the last, how many
	// calls took at most so long and longer than the bound before.
	Latency [len(latencyBounds) + 1]uint64
	// LatencySum is the time that all took together.
	LatencySum time.Duration
}

var latencyBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// LatencyBounds are the upper bounds of the classes of MethodStats.Latency.
func LatencyBounds() []time.Duration { return latencyBounds[:] }

// ErrorClass names the class of a JSON-RPC error code: parse, request, method,
// params, internal, revert, server (-32000 to -32099) or application.
func ErrorClass(code int) string {
	switch {
	case code == codeParse:
		return "parse"
	case code == codeRequest:
		return "request"
	case code == codeMethod:
		return "method"
	case code == -32602:
		return "params"
	case code == -32603:
		return "internal"
	case code == 3:
		return "revert"
	case code <= -32000 && code >= -32099:
		return "server"
	}
	return "application"
}

const (
	codeParse   = -32700
	codeRequest = -32600
	codeMethod  = -32601
	// What go-ethereum's server says of what it did not finish, or not begin.
	codeTimeout    = -32002
	codeAnswerSize = -32003
)

// counters are behind Stats.
type counters struct {
	webSockets atomic.Int64
	refused    atomic.Uint64

	mu      sync.Mutex
	methods map[string]*MethodStats
}

// record counts the calls of a request, with the outcomes that its answer has, in the
// order of the calls that wanted one, and the time.
func (c *counters) record(in *intake, outcomes []outcome, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range in.calls {
		var o outcome
		if call.answered() && len(outcomes) > 0 {
			o, outcomes = outcomes[0], outcomes[1:]
		}
		// A name is known once a request of its own ended in a way that shows that
		// there is such a method, so the names are at most those that are registered.
		// Which outcome is whose in a batch, callers can confuse.
		learn := !in.batch && call.id != nil && (!o.failed || reached(o.code))
		c.method(call.method, learn).add(o, took)
	}
}

// method is the entry of a name, if it is known or to be learned, or else that of
// OtherMethod.
func (c *counters) method(name string, learn bool) *MethodStats {
	if m := c.methods[name]; m != nil {
		return m
	}
	if !learn {
		name = OtherMethod
	}
	if c.methods == nil {
		c.methods = make(map[string]*MethodStats)
	}
	if c.methods[name] == nil {
		c.methods[name] = new(MethodStats)
	}
	return c.methods[name]
}

// reached reports whether an error with this code came out of a method.
func reached(code int) bool {
	return code != codeParse && code != codeRequest && code != codeMethod && code != codeTimeout && code != codeAnswerSize
}

func (m *MethodStats) add(o outcome, took time.Duration) {
	m.Requests++
	m.LatencySum += took
	class := 0
	for class < len(latencyBounds) && took > latencyBounds[class] {
		class++
	}
	m.Latency[class]++
	if o.failed {
		if m.Errors == nil {
			m.Errors = make(map[string]uint64)
		}
		m.Errors[ErrorClass(o.code)]++
	}
}

func (c *counters) snapshot() map[string]MethodStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]MethodStats, len(c.methods))
	for name, m := range c.methods {
		one := *m
		one.Errors = maps.Clone(m.Errors)
		out[name] = one
	}
	return out
}
