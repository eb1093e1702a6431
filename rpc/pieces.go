package rpc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/vivace-chain/vivace/internal/sched"
)

// chunkBytes is the size from which the answers to a batch go on in another buffer: one
// that grows to many megabytes is copied again and again, and while memory is copied
// nothing else can stop the processor, not even for the collector.
const chunkBytes = 64 << 10

// pieceCalls is how many small calls are a piece: enough to hide what a request costs
// the server below, some 10 us, and few enough for others to have their turn soon.
const pieceCalls = 10

// pieces are the answers to a batch. Its calls are answered a few at a time, and those
// that are not small each by itself. So each piece has a turn, and a place among large
// answers, while it alone is in the making, and a call that sleeps has none. What has been
// answered waits for the rest on the account of memory.
type pieces struct {
	in       *intake
	request  net.Buffers // of the piece in the making: parts of the batch
	calls    []call      // of it
	header   http.Header // of its answer; nobody sees it
	status   int         // that the server below refuses all of them with
	refusal  []byte      // and why
	chunks   [][]byte    // of the message
	size     int         // of the message
	results  int         // bytes of results and errors in it
	outcomes []outcome
	loans    []loan
	lacking  bool // memory
}

// exchangePieces answers a batch of valid JSON as exchange does, and its calls in the
// order and within the bounds that the server below has for a batch.
func (e *endpoint) exchangePieces(in *intake, w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	p := &pieces{in: in, header: make(http.Header)}
	defer p.giveBack()
	next := 0
	elements(in.body, func(element []byte) bool {
		call := in.calls[next]
		next++
		if call.volume() != small || len(p.calls) == pieceCalls {
			e.exchangePiece(p, r, began)
		}
		p.append(call, element)
		if call.volume() != small {
			e.exchangePiece(p, r, began)
		}
		return p.goesOn() && r.Context().Err() == nil
	})
	e.exchangePiece(p, r, began)
	switch {
	case p.status >= http.StatusBadRequest:
		e.door.refuse(w, p.status, string(bytes.TrimSpace(p.refusal)))
		return
	case p.lacking:
		e.door.busy(w, errMemory)
		return
	}
	took := time.Since(began)
	w.Header().Set("Content-Type", "application/json")
	if p.size > 0 {
		p.add(nil, ']')
		p.send(w)
	}
	e.door.counters.record(in, p.outcomes, took)
}

// append adds a call to the piece that is next.
func (p *pieces) append(c call, element []byte) {
	separator := comma
	if len(p.calls) == 0 {
		separator = opening
	}
	p.request = append(p.request, separator, element)
	p.calls = append(p.calls, c)
}

var opening, comma, closing = []byte{'['}, []byte{','}, []byte{']'}

// goesOn reports whether there is an answer that may still be sent.
func (p *pieces) goesOn() bool { return !p.lacking && p.status < http.StatusBadRequest }

// exchangePiece answers what was appended. What there is no time for any more, or no
// room, gets an error.
func (e *endpoint) exchangePiece(p *pieces, r *http.Request, began time.Time) {
	if len(p.calls) == 0 || !p.goesOn() {
		return
	}
	if p.results > e.door.cfg.Limits.BatchBytes {
		p.fail(0, codeAnswerSize, "response too large")
	} else {
		answered := len(p.outcomes)
		if left := e.door.cfg.Limits.Timeout - time.Since(began); left > 0 {
			e.servePiece(p, r, left)
		}
		p.fail(len(p.outcomes)-answered, codeTimeout, "request timed out")
	}
	p.request, p.calls = p.request[:0], p.calls[:0]
}

// servePiece answers the first calls of the piece: none if there was no turn for it, or no
// place for its answer, in the time that is left; and when this is over meanwhile, the
// server below may answer the rest, or forget it.
func (e *endpoint) servePiece(p *pieces, r *http.Request, left time.Duration) {
	began := time.Now()
	place, err := e.door.larges.take(r.Context(), p.calls[0].volume(), left)
	if err != nil {
		return
	}
	if place != nil {
		defer func() { <-place }()
	}
	take := e.door.turns.take
	if p.calls[0].volume() > small {
		take = e.door.turns.takeHeavy
	}
	turn, err := take(r.Context(), max(1, left-time.Since(began)))
	if err != nil {
		return
	}
	defer turn.end()
	ctx := sched.WithRest(r.Context(), turn.end)
	defer sched.Yield()
	if e.sendPiece(ctx, p, r.Header, left-time.Since(began)) {
		return
	}
	r = r.WithContext(context.WithValue(ctx, http.ServerContextKey, newTimer(left-time.Since(began))))
	request := append(p.request, closing)
	r.ContentLength = 0
	for _, part := range request {
		r.ContentLength += int64(len(part))
	}
	r.Body = io.NopCloser(&request)
	e.server.ServeHTTP(p, r)
}

// fail answers the calls of the piece that have no answer yet: all but the first ones.
func (p *pieces) fail(first, code int, why string) {
	for _, call := range p.calls {
		if !call.answered() || !p.goesOn() {
			continue
		}
		if first > 0 {
			first--
			continue
		}
		id := call.id
		if id == nil {
			id = []byte("null")
		}
		_, _ = p.Write(fmt.Appendf(nil, `[{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%q}}]`, id, code, why))
	}
}

func (p *pieces) giveBack() {
	for _, l := range p.loans {
		l.from.give(l.n)
	}
}

// Header implements http.ResponseWriter.
func (p *pieces) Header() http.Header { return p.header }

// WriteHeader implements http.ResponseWriter.
func (p *pieces) WriteHeader(status int) { p.status = status }

// Write adds the answers to a piece, which come as one array, if there is memory for
// them, with their slice's room to grow.
func (p *pieces) Write(answer []byte) (int, error) {
	if p.status >= http.StatusBadRequest {
		p.refusal = bytes.Clone(answer)
		return len(answer), nil
	}
	n := 2 * int64(len(answer))
	from := p.in.allowance.take(n)
	if p.lacking = from == nil; p.lacking {
		return len(answer), nil
	}
	p.loans = append(p.loans, loan{from, n})
	for _, o := range parseAnswer(answer) {
		p.outcomes = append(p.outcomes, o)
		p.results += o.size
	}
	separator := byte(',')
	if p.size == 0 {
		separator = '['
	}
	p.add(bytes.TrimSuffix(bytes.TrimSuffix(answer[1:], []byte{'\n'}), []byte{']'}), separator)
	return len(answer), nil
}

// add puts answer, with separator before it, at the end of the message.
func (p *pieces) add(answer []byte, separator byte) {
	last := len(p.chunks) - 1
	if last < 0 || len(p.chunks[last])+len(answer) > chunkBytes {
		p.chunks = append(p.chunks, make([]byte, 0, 1+len(answer)))
		last++
	}
	p.chunks[last] = append(append(p.chunks[last], separator), answer...)
	p.size += 1 + len(answer)
}

// send writes the message, over a WebSocket as one.
func (p *pieces) send(w http.ResponseWriter) {
	if s, ok := w.(*socketWriter); ok {
		_ = s.writeParts(p.chunks...)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(p.size))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(p.in.door.cfg.Limits.WriteTimeout))
	for _, chunk := range p.chunks {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}
