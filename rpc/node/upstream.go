package node

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
	"github.com/vivace-chain/vivace/rpc/realtime"
)

const (
	// readsMax is how many reads are with the sequencer at a time; others wait. It
	// bounds what strangers can make of a full node who ask it for what does not exist.
	readsMax = 64
	// readTime is how long the sequencer may take for one, the waiting included.
	readTime = 10 * time.Second
	// complaintPause is how long after a line in the log the next one comes at the
	// earliest: a sequencer that is away would fill it.
	complaintPause = time.Second
)

// errNotReachable is all that a client is told of what went wrong on the way: where the
// sequencer is, is not for strangers.
var errNotReachable = &wire.Error{Code: wire.CodeServer, Message: "sequencer not reachable"}

// An upstream is the sequencer, as a full node reaches it. Its errors are rpc.Errors
// that name no address, or that of the caller's context.
type upstream struct {
	client     *rpc.Client // nil if there is none
	log        *slog.Logger
	reads      chan struct{} // one for each that is on its way
	complained atomic.Int64  // when the log was told last, in Unix nanoseconds
}

// Dial makes a client of a sequencer's door, over HTTP or WebSocket, for FullnodeOptions.
// The caller closes it. Over HTTP it keeps the connections that a full node uses at a
// time; http.DefaultTransport keeps two and makes most of them anew for each call.
func Dial(ctx context.Context, address string) (*rpc.Client, error) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second,
		MaxIdleConnsPerHost: 2 * readsMax, // reads, and what has an effect
	}
	return rpc.DialOptions(ctx, address, rpc.WithHTTPClient(&http.Client{Transport: transport}))
}

func newUpstream(client *rpc.Client, log *slog.Logger) *upstream {
	return &upstream{client: client, log: log, reads: make(chan struct{}, readsMax)}
}

// send calls a method that has an effect.
func (u *upstream) send(ctx context.Context, out any, method string, params ...any) error {
	if u.client == nil {
		return errNotReachable
	}
	return u.worded(ctx, method, u.client.CallContext(ctx, out, method, params...))
}

// read calls a method that has none.
func (u *upstream) read(ctx context.Context, method string, params ...any) (json.RawMessage, error) {
	answers, err := u.readAll(ctx, readTime, question{method, params})
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

// A question is a call of a method that has no effect.
type question struct {
	method string
	params []any
}

// readAll asks several questions at once, within limit.
func (u *upstream) readAll(ctx context.Context, limit time.Duration, questions ...question) ([]json.RawMessage, error) {
	if u.client == nil {
		return nil, errNotReachable
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case u.reads <- struct{}{}:
		defer func() { <-u.reads }()
	case <-limited.Done():
		return nil, u.worded(ctx, questions[0].method, limited.Err())
	}
	var (
		answers = make([]json.RawMessage, len(questions))
		batch   = make([]rpc.BatchElem, len(questions))
	)
	for i, q := range questions {
		batch[i] = rpc.BatchElem{Method: q.method, Args: q.params, Result: &answers[i]}
	}
	if len(batch) == 1 {
		batch[0].Error = u.client.CallContext(limited, &answers[0], batch[0].Method, batch[0].Args...)
	} else if err := u.client.BatchCallContext(limited, batch); err != nil {
		return nil, u.worded(ctx, batch[0].Method, err)
	}
	for _, q := range batch {
		if q.Error != nil {
			return nil, u.worded(ctx, q.Method, q.Error)
		}
	}
	return answers, nil
}

// worded is an error as callers get it. What the sequencer said has its code, text and
// data; but that it does not serve a method would read as if this node did not.
func (u *upstream) worded(ctx context.Context, method string, err error) error {
	coded := rpc.Error(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded) && coded.ErrorCode() == wire.CodeMethodNotFound:
		u.complain("The sequencer does not serve a method that this node needs.", method, err)
		return wire.Errorf(wire.CodeServer, "the sequencer does not serve %s", method)
	case coded != nil:
		return refusal(coded)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	u.complain("The sequencer does not answer.", method, err)
	return errNotReachable
}

func (u *upstream) complain(what, method string, err error) {
	now, last := time.Now().UnixNano(), u.complained.Load()
	if now-last >= int64(complaintPause) && u.complained.CompareAndSwap(last, now) {
		u.log.Warn(what, "method", method, "err", err)
	}
}

// errExpired says that the sequencer's time for a transaction is over.
var errExpired = errors.New(realtime.Expired)

// refusal is an error of the sequencer, with its code, text and data, that matches
// the sentinel from which wire.SendError made it there: so the door, which asks for
// them, answers as the sequencer's does.
func refusal(coded rpc.Error) *wire.Error {
	out := &wire.Error{Code: coded.ErrorCode(), Message: coded.Error(), Err: coded}
	if withData := rpc.DataError(nil); errors.As(coded, &withData) {
		out.Data = withData.ErrorData()
	}
	switch {
	case out.Code == wire.CodeLimitExceeded:
		out.Err = chain.ErrBusy
	case out.Code != wire.CodeServer:
	case strings.HasPrefix(out.Message, realtime.Expired):
		out.Err = errExpired
	case strings.HasPrefix(out.Message, "node is shutting down"):
		out.Err = chain.ErrClosed
	}
	return out
}
