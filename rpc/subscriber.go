package rpc

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// subscriptionSize is the largest message that may begin or end subscriptions, in
// bytes. A filter of 1000 addresses and 1000 topics has 114 KB.
const subscriptionSize = 256 << 10

// A subscriber is a connection to go-ethereum's server that lasts as long as a socket
// does. It carries calls that begin and end subscriptions, one at a time, and what
// these deliver.
type subscriber struct {
	socket  *socket
	in      chan []byte
	rest    []byte      // of a message, for the next Read
	replies chan []byte // one for each message
	once    sync.Once
	closed  chan struct{}
	done    chan struct{} // closed when the server let go of it
}

var _ rpc.Conn = (*subscriber)(nil)

var errNoReply = errors.New("no reply to a subscription")

// subscribe passes a message to the subscriber and waits for its reply, which has
// been sent then.
func (s *socket) subscribe(in *intake, w http.ResponseWriter) {
	s.subscribing.Lock()
	defer s.subscribing.Unlock()
	began := time.Now()
	if !s.keep(len(in.body)) {
		s.endpoint.door.busy(w, errMemory)
		return
	}
	if s.subscriber == nil {
		s.subscriber = newSubscriber(s)
	}
	reply, err := s.subscriber.ask(in.body, s.endpoint.door.cfg.Limits.Timeout)
	if err != nil {
		_ = s.conn.Close()
		return
	}
	s.endpoint.door.counters.record(in, parseAnswer(reply), time.Since(began))
}

// keep reserves what messages of a size leave behind until the socket ends: the server
// keeps the largest buffers that it ever had, one to read into, with room to grow, and
// one to write from. It reports false if there is no room for them.
func (s *socket) keep(size int) bool {
	door, more := s.endpoint.door, 4*int64(size)-s.kept
	switch {
	case s.kept+more <= bulkBytes || more <= 0:
		return true
	case !door.buffers.take(more):
		return false
	case !door.memory.take(more):
		door.buffers.give(more)
		return false
	}
	s.kept += more
	return true
}

func (s *socket) closeSubscriber() {
	s.subscribing.Lock()
	defer s.subscribing.Unlock()
	if s.subscriber != nil {
		_ = s.subscriber.Close()
		<-s.subscriber.done
	}
	s.endpoint.door.memory.give(s.kept)
	s.endpoint.door.buffers.give(s.kept)
}

func newSubscriber(s *socket) *subscriber {
	u := &subscriber{
		socket: s, in: make(chan []byte), replies: make(chan []byte, 1),
		closed: make(chan struct{}), done: make(chan struct{}),
	}
	go func() {
		defer close(u.done)
		s.endpoint.server.ServeCodec(rpc.NewCodec(u), 0)
	}()
	return u
}

// ask passes a message on. The caller has checked that it is JSON, and that it has a
// call that wants an answer.
func (u *subscriber) ask(body []byte, timeout time.Duration) (reply []byte, err error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case u.in <- body:
	case <-u.closed:
		return nil, io.ErrClosedPipe
	}
	select {
	case reply = <-u.replies:
		return reply, nil
	case <-u.closed:
		return nil, io.ErrClosedPipe
	case <-timer.C:
		return nil, errNoReply
	}
}

// Read gives the server the messages, one behind the other.
func (u *subscriber) Read(p []byte) (int, error) {
	if len(u.rest) == 0 {
		select {
		case u.rest = <-u.in:
		case <-u.closed:
			return 0, io.EOF
		}
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

// Write sends what the server says: one message in each call.
func (u *subscriber) Write(p []byte) (int, error) {
	message := bytes.TrimSuffix(p, []byte{'\n'})
	if err := u.send(message); err != nil {
		_ = u.Close() // nobody shall wait for a reply that is lost
		return 0, err
	}
	if !isNotification(message) {
		select {
		case u.replies <- bytes.Clone(message):
		case <-u.closed:
		}
	}
	return len(p), nil
}

// send sends a message, if there is memory for it to wait in until the client has
// taken it.
func (u *subscriber) send(message []byte) error {
	n := 2 * int64(len(message))
	from := u.socket.allowance.take(n)
	if from == nil {
		return errMemory
	}
	defer from.give(n)
	return u.socket.send(message)
}

// Close implements rpc.Conn.
func (u *subscriber) Close() error {
	u.once.Do(func() { close(u.closed) })
	return nil
}

// SetWriteDeadline does nothing: the socket has its own.
func (u *subscriber) SetWriteDeadline(time.Time) error { return nil }
