package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/internal/sched"
)

// An endpoint is one of the door's paths with JSON-RPC behind it.
type endpoint struct {
	door   *Server
	server *rpc.Server
	sender sender // of the eth namespace; nil if that is not served
}

// exchange answers one request, which was read: over w, in one Write, unless nothing
// in it wants an answer.
func (e *endpoint) exchange(in *intake, w http.ResponseWriter, r *http.Request) {
	if in.tooMany() {
		e.door.counters.refused.Add(1)
		refuseBatch(w, in.calls, "batch too large")
		return
	}
	if in.batch && in.valid { // else nothing of it is executed
		e.exchangePieces(in, w, r)
		return
	}
	if err := in.begin(r.Context()); err != nil {
		e.door.busy(w, err)
		return
	}
	ctx := context.WithValue(r.Context(), http.ServerContextKey, e.door.timer)
	if in.turn != nil {
		ctx = sched.WithRest(ctx, in.turn.end)
	}
	r = r.WithContext(ctx)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(in.body)), int64(len(in.body))
	answer := &answer{ResponseWriter: w, in: in, began: time.Now()}
	e.server.ServeHTTP(answer, r)
	if answer.refused {
		e.door.counters.refused.Add(1)
		return
	}
	if answer.took == 0 {
		answer.took = time.Since(answer.began)
	}
	e.door.counters.record(in, answer.outcomes, answer.took)
}

// newTimer is what tells the server below, by the request's context, that it has so long
// for an answer. It ends 100 ms before a write would time out.
func newTimer(left time.Duration) *http.Server {
	return &http.Server{WriteTimeout: max(1, left+100*time.Millisecond)} // 0 is no limit
}

// refuseBatch answers a batch of which nothing is executed, with the first call's id.
// If it has too many calls, the server below would answer the same, but makes an
// object of each element first: of three bytes in a request, a hundred and fifty.
func refuseBatch(w http.ResponseWriter, calls []call, why string) {
	var id []byte
	for _, call := range calls {
		if id = call.validID(); id != nil && call.method != "" {
			break
		}
		id = nil
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(appendRefusal([]byte{'['}, id, why), ']'))
}

// refuseEach answers all calls of a batch of which nothing is executed.
func refuseEach(w http.ResponseWriter, calls []call, why string) {
	message := []byte{'['}
	for _, call := range calls {
		if !call.answered() {
			continue
		}
		if len(message) > 1 {
			message = append(message, ',')
		}
		message = appendRefusal(message, call.validID(), why)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(message, ']'))
}

// appendRefusal appends the answer to a call with an id, null if that is nil.
func appendRefusal(dst, id []byte, why string) []byte {
	if id == nil {
		id = []byte("null")
	}
	return fmt.Appendf(dst, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%q}}`, id, codeRequest, why)
}

// An answer notes what is written to a client, and how long it took to have it.
type answer struct {
	http.ResponseWriter
	in       *intake
	began    time.Time
	took     time.Duration
	outcomes []outcome
	refused  bool
}

// WriteHeader notes that the server below refused the request.
func (a *answer) WriteHeader(status int) {
	a.refused = status >= http.StatusBadRequest
	a.ResponseWriter.WriteHeader(status)
}

// Write sends the answer, if there is memory for it to wait in until the client has
// taken it. Meanwhile others are made. What waits is the message and the result that
// it was made of, each in a slice that had room to grow: three times its size.
func (a *answer) Write(p []byte) (int, error) {
	if a.refused {
		return a.ResponseWriter.Write(p)
	}
	a.took = time.Since(a.began)
	n := 3 * int64(len(p))
	from := a.in.allowance.take(n)
	if from == nil {
		a.Header().Del("Content-Length")
		http.Error(a, errMemory.Error(), http.StatusServiceUnavailable)
		return len(p), nil // in.done follows when the answer is garbage
	}
	defer from.give(n)
	a.in.end()
	a.outcomes = parseAnswer(p)
	// Not every writer has a deadline; http.Server's own comes later.
	_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(time.Now().Add(a.in.door.cfg.Limits.WriteTimeout))
	return a.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Flush implements http.Flusher.
func (a *answer) Flush() {
	if f, ok := a.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// ServeHTTP answers a POST.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	limits := &e.door.cfg.Limits
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		e.door.refuse(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	case r.ContentLength > int64(limits.Body):
		e.door.refuse(w, http.StatusRequestEntityTooLarge, "content length too large")
		return
	}
	in := &intake{door: e.door, allowance: newAllowance(&e.door.memory)}
	defer in.forget()
	switch err := in.read(r.Context(), r.Body, limits.Body); {
	case errors.Is(err, errTooLarge):
		e.door.refuse(w, http.StatusRequestEntityTooLarge, "content length too large")
	case errors.Is(err, errMemory), errors.Is(err, errTurn):
		e.door.busy(w, err)
	case err != nil:
		e.door.refuse(w, http.StatusBadRequest, "request cannot be read")
	default:
		defer e.door.connections.serving(r.Context())()
		e.exchange(in, w, r)
	}
}

// busy refuses what may succeed later.
func (s *Server) busy(w http.ResponseWriter, why error) {
	w.Header().Set("Retry-After", "1")
	s.refuse(w, http.StatusServiceUnavailable, why.Error())
}

// refuse answers what is turned away before any work.
func (s *Server) refuse(w http.ResponseWriter, status int, why string) {
	s.counters.refused.Add(1)
	http.Error(w, why, status)
}
