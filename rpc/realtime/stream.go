package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// codeLagged is the code of the error of who fell behind what is kept, or asks for
// it. The data is a lagData.
const codeLagged = -32050

type lagData struct {
	Missed hexutil.Uint64 `json:"missed,omitempty"` // events; absent where it is not known
	Oldest hexutil.Uint64 `json:"oldest"`           // sequence that can be resumed from
}

// lagged is the error of who lags. If no mini-block is kept, the oldest to resume from is
// the first of those that come next.
func (s *Service) lagged(lag *history.LagError, text string) *wire.Error {
	oldest := lag.Oldest
	if oldest == 0 {
		oldest = history.SeqOf(s.firstUnsealed(), 0)
	}
	return &wire.Error{
		Code:    codeLagged,
		Message: fmt.Sprintf("%s; resume from %#x", text, uint64(oldest)),
		Data:    lagData{hexutil.Uint64(lag.Missed), hexutil.Uint64(oldest)},
		Err:     lag,
	}
}

// firstUnsealed is the number of the oldest block that is not sealed, which need not
// have begun.
func (s *Service) firstUnsealed() uint64 {
	if open := s.backend.History().Unsealed(); len(open) > 0 {
		return open[0].Number()
	}
	return s.backend.History().Head().Number + 1
}

// aheadMax is how many blocks further than the first unsealed one a caller may be, who
// has seen them at a node that is ahead of this one.
const aheadMax = 1024

// tooFarAhead is the error of who names a block that is not worth waiting for, or nil.
func (s *Service) tooFarAhead(what string, block uint64) error {
	first := s.firstUnsealed()
	if block <= first || block-first <= aheadMax {
		return nil
	}
	return wire.InvalidParams("%s is of block %d, too far ahead: block %d is not sealed yet", what, block, first)
}

// A stream is what one subscriber gets.
type stream struct {
	service *Service
	feed    *history.Subscription
	// events turns an event into notifications.
	events func(history.Event, send) error
	// minis: the notifications are of mini-blocks, so the subscriber has to know
	// when some were dropped.
	minis bool
	// bytes is about how much memory the subscriber's filter takes.
	bytes int
	// from is the first mini-block wanted: the subscriber has those before it.
	from history.Seq
}

// send sends one notification. An error says that the connection is gone.
type send func(json.RawMessage) error

// start subscribes the caller of ctx to st, which lacks only service and feed.
func (s *Service) start(ctx context.Context, resume *Resume, st *stream) (*rpc.Subscription, error) {
	notifier, ok := rpc.NotifierFromContext(ctx)
	if !ok {
		return nil, rpc.ErrNotificationsUnsupported
	}
	conn, _ := rpc.ClientFromContext(ctx) // one for each connection
	release, err := s.slots.take(conn, st.bytes)
	if err != nil {
		return nil, err
	}
	st.service = s
	if st.minis && s.backend.History().HeadersOnly() {
		release()
		return nil, wire.HeadersOnly("mini-blocks")
	}
	if err := st.open(resume); err != nil {
		release()
		return nil, err
	}
	sub := notifier.CreateSubscription()
	alive, cancel := whileSubscribed(sub)
	out := newOutlet(alive, notifier, sub.ID, s.line(ctx))
	go func() {
		defer release()
		defer cancel()
		st.run(out)
	}()
	return sub, nil
}

// line is the connection that the caller of ctx came over, or nil.
func (s *Service) line(ctx context.Context) Line {
	if s.cfg.Line == nil {
		return nil
	}
	return s.cfg.Line(ctx)
}

// open begins to read the feed, from the place that the caller names or from now.
func (st *stream) open(resume *Resume) (err error) {
	store := st.service.backend.History()
	if resume == nil {
		st.feed = store.Subscribe()
		return nil
	}
	mini := fmt.Sprintf("mini-block %#x", uint64(resume.From))
	if err := st.service.tooFarAhead(mini, uint64(resume.From)>>24); err != nil {
		return err
	}
	st.from = resume.From
	st.feed, err = store.SubscribeFrom(st.from)
	var lag *history.LagError
	if errors.As(err, &lag) {
		return st.service.lagged(lag, mini+" is not kept any more")
	}
	return err
}

// whileSubscribed is a context that ends when the client unsubscribes or is gone.
func whileSubscribed(sub *rpc.Subscription) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-sub.Err():
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// run sends what comes, until the subscription ends, the subscriber is gone or has to
// be told that the stream ends here.
func (st *stream) run(out *outlet) {
	for {
		event, err := st.feed.Next(out.ctx)
		if out.ctx.Err() != nil || out.begin() != nil {
			return
		}
		err = st.pass(event, err, out.send)
		out.end()
		if err != nil {
			return
		}
	}
}

// pass sends what is to be sent of an event, or of the error instead of it. It returns
// an error when that was the last.
func (st *stream) pass(event history.Event, err error, out send) error {
	if err == nil {
		err = st.take(event, out)
	}
	var dropped *history.DroppedError
	if errors.As(err, &dropped) {
		err = st.dropped(dropped.First, out)
	}
	if err != nil {
		st.end(err, out)
	}
	return err
}

// take sends what the subscriber wants of an event.
func (st *stream) take(event history.Event, out send) error {
	if event.Mini != nil && event.Mini.Seq < st.from {
		return nil // the node is behind the one where the subscriber saw it
	}
	return st.events(event, out)
}

// dropped tells the subscriber to forget all mini-blocks from a block on.
func (st *stream) dropped(block uint64, out send) error {
	if !st.minis {
		return nil
	}
	first := history.SeqOf(block, 0)
	st.from = min(st.from, first) // what the subscriber had is to come again
	return out(fmt.Appendf(nil, `{"dropped":{"sequence":"%#x"}}`, uint64(first)))
}

// end sends why the stream ends, as its last notification. If the connection is what
// failed, so does this.
func (st *stream) end(err error, out send) {
	var (
		lag   *history.LagError
		coded *wire.Error
	)
	switch {
	case errors.As(err, &lag):
		missed := "events"
		if lag.Missed > 0 {
			missed = fmt.Sprintf("%d events", lag.Missed)
		}
		coded = st.service.lagged(lag, fmt.Sprintf("subscriber lags: %s missed", missed))
	case !errors.As(err, &coded):
		coded = wire.Errorf(wire.CodeInternal, "subscription ended: %w", err)
	}
	type jsonError struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}
	text, err := json.Marshal(map[string]jsonError{"error": {coded.Code, coded.Message, coded.Data}})
	if err == nil {
		_ = out(text) // nothing is left to do for who does not hear
	}
}
