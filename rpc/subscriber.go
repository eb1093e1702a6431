package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/rpc/realtime"
)

// subscriptionSize is the largest message that may begin or end subscriptions, in
// bytes. A filter of 1000 addresses and 1000 topics has 114 KB.
const subscriptionSize = 256 << 10

// A subscriber is a connection to go-ethereum's server that lasts as long as a socket
// does: when it ends first, for want of memory or of a reply, the socket ends as for an
// answer that is refused. It carries calls that begin and end subscriptions, one at a time, and what
// these deliver.
type subscriber struct {
	socket  *socket
	name    string // unique at the door
	outbox  *outbox
	in      chan []byte
	rest    []byte      // of a message, for the next Read
	made    func()      // called when a reply is, and waits for the client
	replies chan []byte // one for each message
	once    sync.Once
	closed  chan struct{}
	done    chan struct{} // closed when the server let go of it and nothing is written any more
}

var (
	_ rpc.Conn           = (*subscriber)(nil)
	_ rpc.ConnRemoteAddr = (*subscriber)(nil)
	_ realtime.Line      = (*subscriber)(nil)
)

var errNoReply = errors.New("no reply to a subscription")

// subscribe passes a message to the subscriber and waits for its reply, which has
// been sent then.
func (s *socket) subscribe(in *intake, w http.ResponseWriter) {
	s.subscribing.Lock()
	defer s.subscribing.Unlock()
	if s.subscriber != nil && !s.subscriber.ready(s.request.Context()) {
		return // with it the socket ends
	}
	if in.begin(s.request.Context()) != nil {
		s.endpoint.door.busy(w, errTurn)
		return
	}
	began := time.Now()
	if !s.keep(len(in.body)) {
		s.endpoint.door.busy(w, errMemory)
		return
	}
	if s.subscriber == nil {
		s.subscriber = newSubscriber(s)
	}
	s.subscriber.made = in.turn.end
	reply, err := s.subscriber.ask(in.body, s.endpoint.door.cfg.Limits.Timeout)
	if err != nil {
		_ = s.subscriber.Close()
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
		_ = s.conn.NetConn().SetWriteDeadline(time.Now().Add(closeTimeout)) // of what is being written
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
	u.outbox = newOutbox(s.allowance, u.closed)
	door := s.endpoint.door
	u.name = fmt.Sprintf("%s#%d", s.request.RemoteAddr, door.named.Add(1))
	door.lines.Store(u.name, u)
	go func() {
		defer close(u.done)
		defer door.lines.Delete(u.name)
		written := make(chan struct{})
		go func() { defer close(written); u.write() }()
		s.endpoint.server.ServeCodec(rpc.NewCodec(u), 0)
		<-written
		s.refuse(http.StatusServiceUnavailable) // subscriptions that end do not end silently
	}()
	return u
}

// write writes what is in the outbox until the subscriber is closed.
func (u *subscriber) write() {
	if u.outbox.run(u.socket.sendFrames) != nil {
		_ = u.Close() // nobody shall wait for a reply that is lost
	}
}

// line is the connection of a call that subscribes, or nil if it is none of the door's
// WebSockets.
func (s *Server) line(ctx context.Context) realtime.Line {
	// The name is all that go-ethereum's server hands on of a connection.
	if u, ok := s.lines.Load(rpc.PeerInfoFromContext(ctx).RemoteAddr); ok {
		return u.(*subscriber)
	}
	return nil
}

// RemoteAddr implements rpc.ConnRemoteAddr.
func (u *subscriber) RemoteAddr() string { return u.name }

// ready waits until there is room for a reply, so that nobody has a turn while it is the
// client that is waited for. It reports false if the subscriber has ended: then a call that
// got no reply may still be going on.
func (u *subscriber) ready(ctx context.Context) bool {
	if u.outbox.wait(ctx) != nil {
		return false
	}
	select {
	case <-u.closed:
		return false
	default:
		return true
	}
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

// Begin implements realtime.Line.
func (u *subscriber) Begin(ctx context.Context) error {
	if err := u.outbox.wait(ctx); err != nil {
		return err
	}
	u.socket.endpoint.door.streaming <- struct{}{}
	return nil
}

// End implements realtime.Line.
func (u *subscriber) End() { <-u.socket.endpoint.door.streaming }

// Send implements realtime.Line.
func (u *subscriber) Send(ctx context.Context, parts ...[]byte) error {
	if u.outbox.full() != nil {
		u.End()
		err := u.outbox.wait(ctx)
		u.socket.endpoint.door.streaming <- struct{}{}
		if err != nil {
			return err
		}
	}
	_, err := u.outbox.put(parts...)
	if errors.Is(err, errMemory) {
		_ = u.Close()
	}
	return err
}

// Write sends what the server says: one message in each call. A reply is written when
// it returns.
func (u *subscriber) Write(p []byte) (int, error) {
	message := bytes.TrimSuffix(p, []byte{'\n'})
	reply := !isNotification(message)
	if reply {
		u.made()
	}
	err := u.outbox.wait(context.Background())
	var b *batch
	if err == nil {
		b, err = u.outbox.put(message)
	}
	if err != nil {
		_ = u.Close() // nobody shall wait for a reply that is lost
		return 0, err
	}
	if reply {
		message = bytes.Clone(message)
		select {
		case <-b.written:
			u.replies <- message // ask takes each before the next
		case <-u.closed:
		}
	}
	return len(p), nil
}

// Close implements rpc.Conn.
func (u *subscriber) Close() error {
	u.once.Do(func() { close(u.closed) })
	return nil
}

// SetWriteDeadline does nothing: the socket has its own.
func (u *subscriber) SetWriteDeadline(time.Time) error { return nil }
