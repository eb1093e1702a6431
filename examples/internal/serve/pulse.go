package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// A Pulse is whether somebody whom a program asks still answers. The zero value is one
// who does. All methods may be called concurrently.
type Pulse struct {
	mu     sync.Mutex
	errors uint64
	since  time.Time // of the first error after the last answer; zero if there is none
	newest error
}

// Note notes an answer, if err is nil, or that there was none.
func (p *Pulse) Note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.newest = err
	switch {
	case err == nil:
		p.since = time.Time{}
		return
	case p.since.IsZero():
		p.since = time.Now()
	}
	p.errors++
}

// Errors is how often there was no answer.
func (p *Pulse) Errors() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errors
}

// silent is for how long there has been no answer, at a time, and why.
func (p *Pulse) silent(now time.Time) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		return 0, nil
	}
	return now.Sub(p.since), p.newest
}

// Transport is t with p noting what it brings: an answer is one that blames nobody, or
// the asker.
func (p *Pulse) Transport(t *http.Transport) http.RoundTripper { return &transport{t, p} }

type transport struct {
	*http.Transport
	pulse *Pulse
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.Transport.RoundTrip(r)
	switch {
	case errors.Is(r.Context().Err(), context.Canceled): // nobody wants an answer any more
	case err == nil && response.StatusCode >= http.StatusInternalServerError:
		t.pulse.Note(fmt.Errorf("%s: %s", r.URL.Host, response.Status))
	default:
		t.pulse.Note(err)
	}
	return response, err
}

// Layer is a data-availability layer with p noting what it answers. That it does not have
// something, or not any more, is an answer.
func (p *Pulse) Layer(client chain.DAClient) chain.DAClient { return &layer{client, p} }

type layer struct {
	chain.DAClient
	pulse *Pulse
}

// Get implements chain.DAClient.
func (l *layer) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	blob, err := l.DAClient.Get(ctx, id)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
	case errors.Is(err, da.ErrNotFound), errors.Is(err, da.ErrDropped):
		l.pulse.Note(nil)
	default:
		l.pulse.Note(err)
	}
	return blob, err
}
