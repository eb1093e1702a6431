package realtime

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/ethereum/go-ethereum/rpc"
)

// A Line is a connection that takes notifications as they are on the wire, which
// spares each subscriber two more passes over a text that all share: go-ethereum's
// notifier checks and copies it for each of them.
type Line interface {
	// Begin waits until the connection has room and it is the stream's turn: few of
	// all streams are at work at a time. An error, and no turn, says that ctx or the
	// connection ended.
	Begin(ctx context.Context) error
	// End ends the turn.
	End()
	// Send, in a turn, puts a message, given in parts, behind all that was sent over
	// the connection before. The parts are copied. When there is no room it waits, and
	// for another turn. Errors are those of Begin, but the turn remains.
	Send(ctx context.Context, parts ...[]byte) error
}

// An outlet sends a subscriber's notifications. Until the answer with the
// subscription's id is sent, go-ethereum's notifier keeps everything it is given; who
// resumes far back and does not read would have it keep all that the feed has. So
// until then the outlet gives it one, and waits.
type outlet struct {
	ctx      context.Context // ends with the subscription
	notifier *rpc.Notifier
	id       rpc.ID
	line     Line   // nil if the connection is none: then all goes through the notifier
	head     []byte // of a notification over line
	open     bool   // the notifier sends what it is given
	direct   bool   // the notifier has sent all that it was given, and gets no more
	turn     bool   // of line
}

func newOutlet(ctx context.Context, notifier *rpc.Notifier, id rpc.ID, line Line) *outlet {
	return &outlet{
		ctx: ctx, notifier: notifier, id: id, line: line,
		head: []byte(`{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"` + string(id) + `","result":`),
	}
}

// begin comes before what is sent of an event, and end after it.
func (o *outlet) begin() error {
	if !o.direct {
		return nil
	}
	err := o.line.Begin(o.ctx)
	o.turn = err == nil
	return err
}

func (o *outlet) end() {
	if o.turn {
		o.line.End()
		o.turn = false
	}
}

// send returns when text is sent, or is to be sent before what comes after it.
func (o *outlet) send(text json.RawMessage) error {
	switch {
	case !o.open:
		return o.sendFirst(text)
	case o.turn:
		return o.line.Send(o.ctx, o.head, text, []byte("}}"))
	}
	// The notifier may still be sending the first, which this one waits for.
	err := o.notifier.Notify(o.id, text)
	o.direct = o.line != nil
	return err
}

func (o *outlet) sendFirst(text json.RawMessage) error {
	held := &heldText{text: text, taken: make(chan struct{})}
	if err := o.notifier.Notify(o.id, held); err != nil {
		return err
	}
	select {
	case <-held.taken:
		o.open = true
		return nil
	case <-o.ctx.Done():
		return o.ctx.Err()
	}
}

// A heldText tells when it is encoded, which is when it is sent.
type heldText struct {
	text  json.RawMessage
	once  sync.Once
	taken chan struct{}
}

// MarshalJSON implements json.Marshaler.
func (h *heldText) MarshalJSON() ([]byte, error) {
	h.once.Do(func() { close(h.taken) })
	return h.text, nil
}
