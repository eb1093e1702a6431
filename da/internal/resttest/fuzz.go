package resttest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// Fuzz feeds a client with answers as they are on the wire: status, header Retry-After,
// and a body whose stated length may be another; negative: it ends with the connection.
// Whatever comes, a Get is right, a Put gives a name that is in the answer and has the
// form of one, or the error is the one that the status means.
func Fuzz(f *testing.F, k *Case, open func(t testing.TB, hc *http.Client) chain.DAClient) {
	f.Add(true, 200, "", k.Blob, int64(-1))
	f.Add(true, 200, "", k.Blob, int64(len(k.Blob)-1))
	f.Add(false, 200, "", k.Commitment, int64(len(k.Commitment)))
	f.Add(true, 418, "", []byte(`{"StatusCode":2,"Msg":"old"}`), int64(-1))
	f.Add(false, 429, "12", []byte("slow down"), int64(-1))
	f.Fuzz(func(t *testing.T, get bool, status int, retryAfter string, body []byte, stated int64) {
		a := newAnswer(status, retryAfter, body, stated)
		client := open(t, &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return a.response(r) })})
		var (
			err error
			op  = "put"
		)
		if get {
			var blob []byte
			op = "get"
			if blob, err = client.Get(t.Context(), k.ID); err == nil && !bytes.Equal(blob, k.Blob) {
				t.Fatalf("taken for the blob: %x", blob)
			}
		} else {
			var id chain.BlobID
			if id, err = client.Put(t.Context(), k.Blob); err == nil && !k.gave(id, a.body) {
				t.Fatalf("put under %x", id)
			}
		}
		k.checkAnswered(t, a, op, err)
	})
}

// checkAnswered: err is what the answer means.
func (k *Case) checkAnswered(t testing.TB, a *answer, op string, err error) {
	t.Helper()
	var dropped *da.DroppedError
	switch _, broken := a.response(nil); {
	case broken != nil:
		Check(t, err, da.ErrTransient)
	case a.status == http.StatusOK && a.whole && op == "get" && bytes.Equal(a.body, k.Blob):
		Check(t, err)
	case a.status == http.StatusOK && !a.whole && err == nil:
		t.Fatalf("half an answer is taken: %q", a.raw)
	case a.status == http.StatusTeapot && !errors.As(err, &dropped):
		Check(t, err, da.ErrTransient)
	case a.status == http.StatusTeapot:
		Check(t, err, da.ErrDropped)
		if op == "put" || dropped.Code < 1 || dropped.Code > 4 {
			t.Fatalf("given up: %v", err)
		}
	case slices.Contains(statuses, a.status):
		Check(t, err, k.want(op, a.status)...)
	case err == nil && a.status != http.StatusOK:
		t.Fatalf("status %d is taken for 200", a.status)
	case err != nil && !slices.ContainsFunc(sentinels, func(s error) bool { return errors.Is(err, s) }):
		t.Fatalf("untyped error: %v", err)
	}
	if pause := da.RetryAfter(err); pause < 0 || pause > 10*time.Minute || pause > 0 && a.status != http.StatusTooManyRequests {
		t.Fatalf("status %d: again in %s", a.status, pause)
	}
}

// gave reports whether an answer to a Put gave that id.
func (k *Case) gave(id chain.BlobID, answer []byte) bool {
	if k.Named == nil {
		return bytes.Equal(id, k.ID)
	}
	return k.Named(answer) && bytes.Equal(id, da.Bind(answer, k.Blob))
}

// An answer is what a server writes.
type answer struct {
	raw    []byte
	status int
	body   []byte // what comes of it
	whole  bool   // as much comes as is stated
}

func newAnswer(status int, retryAfter string, body []byte, stated int64) *answer {
	a := &answer{status: status, body: body, whole: stated <= int64(len(body))}
	header := http.Header{"Retry-After": {retryAfter}, "Location": {"http://elsewhere/"}}
	if stated >= 0 {
		header.Set("Content-Length", fmt.Sprint(stated))
		a.body = body[:min(stated, int64(len(body)))]
	}
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "HTTP/1.1 %03d \r\n", status)
	_ = header.Write(&raw) // to memory
	raw.WriteString("\r\n")
	raw.Write(body)
	a.raw = raw.Bytes()
	return a
}

// response is the answer as a client reads it; an error if it is not HTTP.
func (a *answer) response(r *http.Request) (*http.Response, error) {
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(a.raw)), r)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
