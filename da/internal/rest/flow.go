package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// stallMax is how long the body of an answer may stand still: who has begun to send it has
// it. Of a network that was away, or is overloaded, TCP's next try may be as far off as the
// last one is past, and a new connection is there before.
const stallMax = 5 * time.Second

// errStalled: the rest of a body did not come.
var errStalled = errors.New("the answer stands still")

// read reads the body of an answer, and gives it up by stop when it stands still for stall.
func read(resp *http.Response, limit int, stall time.Duration, stop context.CancelCauseFunc) ([]byte, error) {
	why := fmt.Errorf("%w: nothing came for %s", errStalled, stall)
	timer := time.AfterFunc(stall, func() { stop(why) })
	defer timer.Stop()
	return Read(&flow{resp.Body, timer, stall}, resp.ContentLength, limit)
}

// A flow is read with a timer that begins anew with what comes.
type flow struct {
	io.Reader
	timer *time.Timer
	stall time.Duration
}

// Read implements io.Reader.
func (f *flow) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if n > 0 {
		f.timer.Reset(f.stall)
	}
	return n, err
}
