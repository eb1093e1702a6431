package rpc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// pieces are the answers to the calls of a batch, of which each is made by itself. So
// each has a place among large answers for as long as it alone is in the making, and a
// call that sleeps has none. What has been answered waits for the rest on the account
// of memory.
type pieces struct {
	in      *intake
	header  http.Header // of the piece in the making; nobody sees it
	status  int         // that the server below refuses all of them with
	message []byte
	loans   []loan
	lacking bool // memory
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
		left := e.door.cfg.Limits.Timeout - time.Since(began)
		switch {
		case len(p.message) > e.door.cfg.Limits.BatchBytes:
			p.fail(call, codeAnswerSize, "response too large")
		case left <= 0 || !e.exchangePiece(p, call, element, r, left):
			p.fail(call, codeTimeout, "request timed out")
		}
		return !p.lacking && p.status < http.StatusBadRequest && r.Context().Err() == nil
	})
	switch {
	case p.status >= http.StatusBadRequest:
		e.door.refuse(w, p.status, string(bytes.TrimSpace(p.message)))
		return
	case p.lacking:
		e.door.busy(w, errMemory)
		return
	}
	in.end()
	took := time.Since(began)
	var outcomes []outcome
	if len(p.message) > 0 {
		p.message = append(p.message, ']')
		outcomes = parseAnswer(p.message)
		w.Header().Set("Content-Type", "application/json")
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(e.door.cfg.Limits.WriteTimeout))
		_, _ = w.Write(p.message)
	}
	e.door.counters.record(in, outcomes, took)
}

// exchangePiece answers one call. It reports false if there was no place for its answer
// in the time that is left.
func (e *endpoint) exchangePiece(p *pieces, call call, element []byte, r *http.Request, left time.Duration) bool {
	began := time.Now()
	place, err := e.door.larges.take(r.Context(), call.volume(), left)
	if err != nil {
		return false
	}
	if place != nil {
		defer func() { <-place }()
	}
	if element[0] == '[' {
		element = []byte("{}") // as invalid, but alone no batch
	}
	left = max(1, left-time.Since(began)) // 0 is no limit
	r = r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, &http.Server{WriteTimeout: left}))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(element)), int64(len(element))
	e.server.ServeHTTP(p, r)
	return true
}

// fail answers a call that is not executed.
func (p *pieces) fail(call call, code int, why string) {
	if !call.answered() {
		return
	}
	id := call.id
	if id == nil {
		id = []byte("null")
	}
	_, _ = p.Write(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%q}}`, id, code, why))
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

// Write adds an answer, in one piece, if there is memory for it and what it is made of,
// as answer.Write has it.
func (p *pieces) Write(answer []byte) (int, error) {
	n := 3 * int64(len(answer))
	from := p.in.allowance.take(n)
	if p.lacking = from == nil; p.lacking {
		return len(answer), nil
	}
	p.loans = append(p.loans, loan{from, n})
	switch {
	case p.status >= http.StatusBadRequest: // why it is refused
	case len(p.message) == 0:
		p.message = append(p.message, '[')
	default:
		p.message = append(p.message, ',')
	}
	p.message = append(p.message, bytes.TrimSuffix(answer, []byte{'\n'})...)
	return len(answer), nil
}
