package realtime

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/ethereum/go-ethereum/rpc"
)

// An outlet sends a subscriber's notifications. Until the answer with the
// subscription's id is sent, go-ethereum's notifier keeps everything it is given; who
// resumes far back and does not read would have it keep all that the feed has. So
// until then the outlet gives it one, and waits.
type outlet struct {
	ctx      context.Context // ends with the subscription
	notifier *rpc.Notifier
	id       rpc.ID
	open     bool // the notifier sends what it is given
}

// send returns when text is sent.
func (o *outlet) send(text json.RawMessage) error {
	if o.open {
		return o.notifier.Notify(o.id, text)
	}
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
