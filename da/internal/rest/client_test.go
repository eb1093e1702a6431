package rest_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"
	"time"

	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/internal/rest"
)

// TestRead: around every edge of buffer and limit, however the bytes come.
func TestRead(t *testing.T) {
	for _, n := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200_000} {
		want := bytes.Repeat([]byte{7}, n)
		for name, how := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "with the end": iotest.DataErrReader, "in halves": iotest.HalfReader,
		} {
			for _, stated := range []int64{-1, int64(n)} {
				for _, limit := range []int{n, n + 1, 1 << 20} {
					got, err := rest.Read(how(bytes.NewReader(want)), stated, limit)
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("%d bytes %s, stated %d, limit %d: %d, %v", n, name, stated, limit, len(got), err)
					}
				}
				if n == 0 {
					continue
				}
				if _, err := rest.Read(how(bytes.NewReader(want)), stated, n-1); !errors.Is(err, da.ErrTooLarge) {
					t.Errorf("%d bytes %s, stated %d, limit one less: %v", n, name, stated, err)
				}
			}
		}
	}
	if _, err := rest.Read(iotest.TimeoutReader(bytes.NewReader(make([]byte, 200_000))), -1, 1<<20); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("%v, want the reader's error", err)
	}
	// What states too much is not even begun.
	if _, err := rest.Read(iotest.ErrReader(errors.New("read")), 101, 100); !errors.Is(err, da.ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

// keeper is a transport that answers before it has read the body, and keeps it.
type keeper struct{ body io.ReadCloser }

func (k *keeper) RoundTrip(r *http.Request) (*http.Response, error) {
	k.body = r.Body
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// TestBlobReturned: when Do returns, the blob is the caller's again, also where the
// transport goes on reading.
func TestBlobReturned(t *testing.T) {
	k := new(keeper)
	client, err := rest.New("http://host", &http.Client{Transport: k})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(t.Context(), rest.Request{Op: "put", Method: http.MethodPost, Body: []byte("blob"), Timeout: time.Minute, Limit: 10}); err != nil {
		t.Fatal(err)
	}
	if n, err := k.body.Read(make([]byte, 4)); n > 0 || err == nil || errors.Is(err, io.EOF) {
		t.Errorf("%d bytes read afterwards, %v", n, err)
	}
}
