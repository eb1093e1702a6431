package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// An endpoint is one of the door's paths with JSON-RPC behind it.
type endpoint struct {
	door   *Server
	server *rpc.Server
}

// exchange answers one request, whose body was read: over w, in one Write, unless
// nothing in it wants an answer.
func (e *endpoint) exchange(w http.ResponseWriter, r *http.Request, body []byte) {
	limits := &e.door.cfg.Limits
	request := parseRequest(body, limits.BatchItems+1)
	if len(request.calls) > limits.BatchItems {
		e.door.counters.refused.Add(1)
		refuseBatch(w, request)
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, e.door.timer))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer := &answer{ResponseWriter: w, memory: &e.door.memory, timeout: limits.WriteTimeout, began: time.Now()}
	e.server.ServeHTTP(answer, r)
	if answer.refused {
		e.door.counters.refused.Add(1)
		return
	}
	if answer.took == 0 {
		answer.took = time.Since(answer.began)
	}
	e.door.counters.record(request, answer.outcomes, answer.took)
}

// refuseBatch answers a batch with too many calls as the server below would, which
// makes an object of each element first: of three bytes in a request, a hundred and
// fifty.
func refuseBatch(w http.ResponseWriter, request parsedRequest) {
	id := json.RawMessage("null")
	for _, call := range request.calls {
		if call.id != nil && call.method != "" && json.Valid(call.id) && call.id[0] != '{' && call.id[0] != '[' {
			id = call.id
			break
		}
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `[{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":"batch too large"}}]`, id, codeRequest)
}

// An answer notes what is written to a client, and how long it took to have it.
type answer struct {
	http.ResponseWriter
	memory   *memory
	timeout  time.Duration // for the client to take it
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
// taken it.
func (a *answer) Write(p []byte) (int, error) {
	if a.refused {
		return a.ResponseWriter.Write(p)
	}
	a.took = time.Since(a.began)
	if n := 2 * int64(len(p)); n > freeBytes { // with the result that it was made of
		if !a.memory.take(n) {
			a.Header().Del("Content-Length")
			http.Error(a, errMemory.Error(), http.StatusServiceUnavailable)
			return len(p), nil
		}
		defer a.memory.give(n)
	}
	a.outcomes = parseAnswer(p)
	// Not every writer has a deadline; http.Server's own comes later.
	_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(time.Now().Add(a.timeout))
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
	body, give, err := e.door.memory.read(r.Body, limits.Body)
	defer give()
	switch {
	case errors.Is(err, errTooLarge):
		e.door.refuse(w, http.StatusRequestEntityTooLarge, "content length too large")
	case errors.Is(err, errMemory):
		w.Header().Set("Retry-After", "1")
		e.door.refuse(w, http.StatusServiceUnavailable, err.Error())
	case err != nil:
		e.door.refuse(w, http.StatusBadRequest, "request cannot be read")
	default:
		e.exchange(w, r, body)
	}
}

// refuse answers what is turned away before any work.
func (s *Server) refuse(w http.ResponseWriter, status int, why string) {
	s.counters.refused.Add(1)
	http.Error(w, why, status)
}
