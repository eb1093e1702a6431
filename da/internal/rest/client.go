package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// wordsMax is how much of an answer that is not 200 is read, in bytes: enough for the
// JSON of a dropped blob, which quotes the certificate in hex.
const wordsMax = 256 << 10

// A Client asks one server. It may be used concurrently.
type Client struct {
	base  string
	http  http.Client
	stall time.Duration // stallMax, but in tests
}

// New returns a client of the server at base, an http or https URL without query.
// Of hc, which may be nil, everything but the handling of redirects is used.
func New(base string, hc *http.Client) (*Client, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("%q is not the http or https URL of a server", base)
	}
	c := &Client{base: strings.TrimRight(base, "/"), stall: stallMax}
	if hc != nil {
		c.http = *hc
	} else {
		c.http.Transport = transport
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// transport is shared, so that clients of one server share connections. It takes
// nothing compressed: what an answer becomes is what was counted. Four seconds are enough
// for three tries of TCP, a second and two apart: who does not answer them is not there, and
// somebody else can be asked.
var transport = &http.Transport{
	Proxy:                  http.ProxyFromEnvironment,
	DialContext:            (&net.Dialer{Timeout: 4 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
	TLSHandshakeTimeout:    10 * time.Second,
	MaxIdleConnsPerHost:    32,
	IdleConnTimeout:        30 * time.Second,
	MaxResponseHeaderBytes: 64 << 10,
	DisableCompression:     true,
	ForceAttemptHTTP2:      true,
}

// A Request is one exchange.
type Request struct {
	Op      string // for errors
	Method  string
	Path    string // after the base, with its query
	Body    []byte // of a POST; not used any more when Do returns
	Timeout time.Duration
	Limit   int   // of the answer, in bytes
	On400   error // what status 400 means
}

// Do sends a request and returns the body of an answer with status 200. When the
// caller's context ends, the error is the context's. Otherwise it matches one of
// package da's: ErrTransient for anything about the connection or the deadline,
// ErrTooLarge for an answer over the limit (ErrCorrupt to a POST), and for other
// statuses see statusError.
func (c *Client) Do(ctx context.Context, r Request) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	inner, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	body, err := c.exchange(inner, &r)
	var broken *brokenError
	switch {
	case err == nil:
		return body, nil
	case !errors.As(err, &broken):
		return nil, err
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", r.Op, ctx.Err())
	case inner.Err() != nil:
		return nil, fmt.Errorf("%w: %s: no whole answer within %s", da.ErrTransient, r.Op, r.Timeout)
	}
	// Not wrapped: a deadline of the transport's must not look like the caller's.
	return nil, fmt.Errorf("%w: %s: %v", da.ErrTransient, r.Op, broken.err)
}

// A brokenError is an exchange that did not come to its end.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }

func (c *Client) exchange(ctx context.Context, r *Request) ([]byte, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	req, err := http.NewRequestWithContext(ctx, r.Method, c.base+r.Path, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", da.ErrRefused, r.Op, err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	if r.Method == http.MethodPost {
		req.Header.Set("Content-Type", "application/octet-stream")
		source := &source{blob: r.Body}
		defer source.release()
		source.attach(req)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var named *url.Error // names the URL, which holds the whole commitment
		if errors.As(err, &named) {
			err = named.Err
		}
		return nil, &brokenError{err}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, wordsMax)) // the status says enough
		return nil, statusError(r, resp.StatusCode, resp.Header, said)
	}
	body, err := read(resp, r.Limit, c.stall, stop)
	switch {
	case errors.Is(err, da.ErrTooLarge) && r.Method == http.MethodPost: // what was put is not too large
		return nil, &chain.CorruptError{What: "answer to " + r.Op, Offset: -1, Err: errors.New(err.Error())}
	case errors.Is(err, da.ErrTooLarge):
		return nil, fmt.Errorf("%s: answer: %w", r.Op, err)
	case errors.Is(context.Cause(ctx), errStalled) && err != nil:
		return nil, &brokenError{context.Cause(ctx)}
	case err != nil:
		return nil, &brokenError{err}
	}
	return body, nil
}

// Read reads at most limit bytes; stated is how many there will be, negative if that
// is not known. Memory grows with what has come. The error is the reader's, or
// matches ErrTooLarge: at once if stated is too much.
func Read(r io.Reader, stated int64, limit int) ([]byte, error) {
	tooLarge := func(n int64) error {
		return fmt.Errorf("%w: %d bytes or more, at most %d allowed", da.ErrTooLarge, n, limit)
	}
	if stated > int64(limit) {
		return nil, tooLarge(stated)
	}
	most := limit + 1 // one more shows that there is more
	if stated >= 0 {
		most = int(stated) + 1
	}
	buf := make([]byte, 0, min(most, 64<<10))
	for {
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), max(len(buf)+1, min(2*cap(buf), most)))
			copy(grown, buf)
			buf = grown
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > limit:
			return nil, tooLarge(int64(len(buf)))
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return nil, err
		}
	}
}

// A source lends a blob to the transport, which may go on reading after the answer
// has come, until release takes it back.
type source struct {
	mu   sync.Mutex
	blob []byte
	gone bool
}

func (s *source) attach(req *http.Request) {
	req.ContentLength = int64(len(s.blob))
	if len(s.blob) == 0 {
		req.Body, req.GetBody = http.NoBody, func() (io.ReadCloser, error) { return http.NoBody, nil }
		return
	}
	req.Body = &upload{source: s}
	req.GetBody = func() (io.ReadCloser, error) { return &upload{source: s}, nil }
}

func (s *source) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blob, s.gone = nil, true
}

// An upload is one reading of a source. It has no WriteTo: that would hand out the
// blob itself.
type upload struct {
	source *source
	at     int
}

func (u *upload) Read(p []byte) (int, error) {
	u.source.mu.Lock()
	defer u.source.mu.Unlock()
	switch {
	case u.source.gone:
		return 0, errors.New("the request is over")
	case u.at == len(u.source.blob):
		return 0, io.EOF
	}
	n := copy(p, u.source.blob[u.at:])
	u.at += n
	return n, nil
}

func (u *upload) Close() error { return nil }
