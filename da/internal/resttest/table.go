// Package resttest is the table of what a server can do to a client of package rest:
// every status, whole, cut and hanging, and answers of the wrong size. It is for the
// tests of those clients.
package resttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// A Case is a client under test.
type Case struct {
	// Open returns a client of the server at url whose exchanges end after timeout.
	Open func(t testing.TB, url string, timeout time.Duration) chain.DAClient
	// ID of a blob that the server is asked for, and the body of an answer that holds it.
	ID   chain.BlobID
	Blob []byte
	// Commitment answers a Put of Blob; empty if the answer does not matter.
	Commitment []byte
	// Named reports whether bytes have the form of a commitment; nil if the answer to a
	// Put does not matter. For Fuzz.
	Named func(commitment []byte) bool
	// Put400 and Get400 are what status 400 means.
	Put400, Get400 error
	// Limit is the largest answer to a get, in bytes.
	Limit int
}

// ops are the calls of a client.
var ops = []struct {
	name string
	call func(ctx context.Context, c chain.DAClient, k *Case) error
}{
	{"put", func(ctx context.Context, c chain.DAClient, k *Case) error { _, err := c.Put(ctx, k.Blob); return err }},
	{"get", func(ctx context.Context, c chain.DAClient, k *Case) error { _, err := c.Get(ctx, k.ID); return err }},
}

// sentinels are all that an error can match.
var sentinels = []error{da.ErrNotFound, da.ErrTransient, da.ErrBusy, da.ErrFailover, da.ErrDropped, da.ErrTooLarge, da.ErrCorrupt, da.ErrRefused}

// Check fails unless err matches exactly the sentinels wanted.
func Check(t testing.TB, err error, want ...error) {
	t.Helper()
	if (err == nil) != (len(want) == 0) {
		t.Errorf("error is %v, want %v", err, want)
	}
	for _, sentinel := range sentinels {
		wanted := false
		for _, w := range want {
			wanted = wanted || errors.Is(sentinel, w)
		}
		if errors.Is(err, sentinel) != wanted {
			t.Errorf("%v: matches %q is %t, want %t", err, sentinel, !wanted, wanted)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("%v looks as if the caller's context had ended", err)
	}
}

// want is what a status means. Reviewed by hand against the proxy's
// middleware/error.go: it is not computed as the client computes it.
func (k *Case) want(op string, code int) []error {
	switch code {
	case 400:
		if op == "put" {
			return []error{k.Put400}
		}
		return []error{k.Get400}
	case 404, 410:
		if op == "get" {
			return []error{da.ErrNotFound}
		}
	case 413:
		return []error{da.ErrTooLarge}
	case 418:
		if op == "get" {
			return []error{da.ErrDropped}
		}
		return []error{da.ErrTransient}
	case 429:
		return []error{da.ErrBusy, da.ErrTransient}
	case 503:
		return []error{da.ErrFailover}
	case 408, 425, 500, 501, 502, 504, 507, 599:
		return []error{da.ErrTransient}
	}
	return []error{da.ErrRefused}
}

var statuses = []int{201, 202, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 408, 409, 410,
	411, 413, 414, 415, 416, 418, 421, 422, 425, 429, 431, 451, 500, 501, 502, 503, 504, 507, 599}

// Run runs the table.
func Run(t *testing.T, k *Case) {
	for _, op := range ops {
		for _, code := range statuses {
			for _, how := range []string{"whole", "cut", "hang"} {
				t.Run(fmt.Sprintf("%s/%d/%s", op.name, code, how), func(t *testing.T) {
					t.Parallel()
					k.status(t, op.name, op.call, code, how)
				})
			}
		}
		for _, f := range faults {
			t.Run(op.name+"/200/"+f.name, func(t *testing.T) {
				t.Parallel()
				k.fault(t, op.name, op.call, f.timeout, f.answer, f.want)
			})
		}
	}
	for code := -1; code <= 300; code++ {
		k.teapot(t, code)
	}
	t.Run("busy", k.busy)
	t.Run("oversize", k.oversize)
	t.Run("caller leaves", k.leave)
}

const (
	long  = time.Minute
	short = 150 * time.Millisecond
)

func (k *Case) status(t *testing.T, op string, call func(context.Context, chain.DAClient, *Case) error, code int, how string) {
	if how == "hang" && (code == 204 || code == 304) {
		t.Skip("these have no body to hang in")
	}
	var asked atomic.Int32
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body := fmt.Sprintf(`{"StatusCode":3,"Msg":"status %d"}`, code)
		w.Header().Set("Location", "/elsewhere")
		if how != "whole" {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)+10))
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
		if how == "hang" {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})
	timeout, calls := long, 0
	if how == "hang" {
		timeout = short / 4
	}
	for {
		calls++
		err := call(t.Context(), k.Open(t, server.URL, timeout), k)
		if how == "hang" && timeout < long && strings.Contains(err.Error(), "no whole answer") {
			timeout *= 4 // this machine is busy: not even the status came in time
			continue
		}
		Check(t, err, k.want(op, code)...)
		break
	}
	if n := asked.Load(); how != "hang" && int(n) != calls {
		t.Errorf("asked %d times: a redirect was followed", n)
	}
}

// faults are answers with status 200.
var faults = []struct {
	name    string
	timeout time.Duration
	answer  func(k *Case, op string, w http.ResponseWriter, r *http.Request)
	want    func(k *Case, op string) []error
}{
	{"cut", long, func(k *Case, op string, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte{1})
	}, transient},
	{"cut chunked", long, func(k *Case, op string, w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte{1})
		_ = http.NewResponseController(w).Flush()
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close()
		}
	}, transient},
	{"cut at once", long, func(k *Case, op string, w http.ResponseWriter, r *http.Request) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close()
		}
	}, transient},
	{"no HTTP", long, func(k *Case, op string, w http.ResponseWriter, r *http.Request) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_, _ = conn.Write([]byte("220 smtp.example ready\r\n\r\n"))
			conn.Close()
		}
	}, transient},
	{"large head", long, func(k *Case, op string, w http.ResponseWriter, r *http.Request) {
		for i := range 100 {
			w.Header().Set("X-"+strconv.Itoa(i), fmt.Sprintf("%02000d", i))
		}
	}, transient},
	{"hang", short, func(k *Case, op string, w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, transient},
	{"hang within", short, func(k *Case, op string, w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte{1})
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, transient},
	{"trickle", short, func(k *Case, op string, w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte{1})
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}, transient},
	{"empty", long, func(*Case, string, http.ResponseWriter, *http.Request) {}, func(k *Case, op string) []error {
		if op == "put" && len(k.Commitment) == 0 {
			return nil
		}
		return []error{da.ErrTransient}
	}},
	{"other bytes", long, func(k *Case, op string, w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte{0xee, 0xee, 0xee, 0xee})
	}, func(k *Case, op string) []error {
		if op == "put" && len(k.Commitment) == 0 {
			return nil
		}
		return []error{da.ErrCorrupt}
	}},
	{"right", long, func(k *Case, op string, w http.ResponseWriter, r *http.Request) {
		if op == "put" {
			_, _ = w.Write(k.Commitment)
		} else {
			_, _ = w.Write(k.Blob)
		}
	}, func(*Case, string) []error { return nil }},
}

func transient(*Case, string) []error { return []error{da.ErrTransient} }

func (k *Case) fault(t *testing.T, op string, call func(context.Context, chain.DAClient, *Case) error, timeout time.Duration,
	answer func(*Case, string, http.ResponseWriter, *http.Request), want func(*Case, string) []error) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(k, op, w, r) })
	err := call(t.Context(), k.Open(t, server.URL, timeout), k)
	Check(t, err, want(k, op)...)
}

// teapot: a blob is given up for the four codes, and for no other 418.
func (k *Case) teapot(t *testing.T, code int) {
	if code > 6 && code%51 != 0 {
		return
	}
	t.Run(fmt.Sprintf("teapot/%d", code), func(t *testing.T) {
		body, _ := json.Marshal(map[string]any{"StatusCode": code, "Msg": strings.Repeat("0123456789abcdef", 5000)})
		server := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, string(body), http.StatusTeapot) })
		_, err := k.Open(t, server.URL, long).Get(t.Context(), k.ID)
		var dropped *da.DroppedError
		if code < 1 || code > 4 {
			Check(t, err, da.ErrTransient)
			return
		}
		Check(t, err, da.ErrDropped)
		if !errors.As(err, &dropped) || int(dropped.Code) != code || len(dropped.Msg) != 256 || !da.Final(err) {
			t.Errorf("got %v", err)
		}
	})
}

func (k *Case) busy(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, " 8 ": 8 * time.Second, "-1": 0, "soon": 0, "99999999999999999": 10 * time.Minute,
		"99999999999999999999999": 0, "Sun, 06 Nov 1994 08:49:37 GMT": 0, "Fri, 31 Dec 9999 23:59:59 GMT": 10 * time.Minute,
	} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := k.Open(t, server.URL, long).Put(t.Context(), k.Blob)
		Check(t, err, da.ErrBusy, da.ErrTransient)
		if got := da.RetryAfter(err); got != want {
			t.Errorf("Retry-After %q: %s, want %s", value, got, want)
		}
	}
}

// oversize: an answer above the limit is refused, the stated size before memory is
// taken, the unstated one when it comes.
func (k *Case) oversize(t *testing.T) {
	for _, stated := range []bool{true, false} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if stated {
				w.Header().Set("Content-Length", "1000000000000")
			}
			piece := make([]byte, 64<<10)
			for r.Context().Err() == nil {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		})
		client := k.Open(t, server.URL, long)
		for _, op := range ops {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := op.call(t.Context(), client, k)
			runtime.ReadMemStats(&after)
			want := da.ErrTooLarge
			if op.name == "put" {
				want = da.ErrCorrupt // the blob is not too large
			}
			Check(t, err, want)
			if took := after.TotalAlloc - before.TotalAlloc; took > uint64(4*k.Limit)+1<<20 {
				t.Errorf("%s, stated %t: took %d bytes for a limit of %d", op.name, stated, took, k.Limit)
			}
		}
	}
}

// leave: when the caller's context ends, the error is the context's.
func (k *Case) leave(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	client := k.Open(t, server.URL, long)
	for _, op := range ops {
		ctx, cancel := context.WithTimeout(t.Context(), short)
		if err := op.call(ctx, client, k); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, da.ErrTransient) {
			t.Errorf("%s: %v, want the context's error", op.name, err)
		}
		cancel()
	}
}

// serve starts a server that reads the body first, so that it notices when the client
// leaves.
func serve(t testing.TB, f http.HandlerFunc) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		f(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}
