package rpc

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	pingInterval = 30 * time.Second
	// silence is how long a WebSocket may say nothing, not even that it is there.
	silence = 75 * time.Second
	// closeTimeout is how long the frame that ends a WebSocket may take.
	closeTimeout = time.Second
	// lingerTimeout is how long the client may take after it to end what it is sending.
	lingerTimeout = 2 * time.Second
	// writeTurn is how long a socket keeps others from writing.
	writeTurn = time.Millisecond
)

var upgrader = websocket.Upgrader{
	ReadBufferSize:  4096,
	WriteBufferSize: 4096,
	WriteBufferPool: new(sync.Pool),
	CheckOrigin:     func(*http.Request) bool { return true }, // route has
	Error: func(w http.ResponseWriter, _ *http.Request, status int, _ error) {
		http.Error(w, "WebSocket handshake failed", status)
	},
}

// A socket is an open WebSocket. One goroutine reads it; each message is answered by
// one of its own, of which there are as many as there are slots.
type socket struct {
	endpoint *endpoint
	conn     *websocket.Conn
	cancel   func()
	request  *http.Request // what the messages are as HTTP requests, without a body
	slots    chan struct{}
	flying   sync.WaitGroup
	// allowance is that of all messages in flight.
	allowance allowance
	amid      bool // a message; only its reader knows

	writing sync.Mutex   // around writes, but of frames that end conn
	status  atomic.Int32 // of an answer that was refused; then the socket ends
	ending  atomic.Bool
	ended   chan struct{} // closed in the end

	subscribing sync.Mutex // around subscriber, calls of it, and kept
	subscriber  *subscriber
	kept        int64 // bytes of memory that the subscriber keeps
}

// serveSocket turns a request into a WebSocket, and returns when that is closed.
func (e *endpoint) serveSocket(w http.ResponseWriter, r *http.Request) {
	limits := &e.door.cfg.Limits
	defer e.door.counters.webSockets.Add(-1)
	if e.door.counters.webSockets.Add(1) > int64(limits.WebSockets) {
		w.Header().Set("Retry-After", "1")
		e.door.refuse(w, http.StatusServiceUnavailable, "too many WebSockets")
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		e.door.counters.refused.Add(1)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &socket{
		endpoint: e, conn: conn, cancel: cancel, ended: make(chan struct{}), slots: make(chan struct{}, limits.InFlight),
		allowance: newAllowance(&e.door.memory),
		request: (&http.Request{
			Method: http.MethodPost, URL: &url.URL{Path: r.URL.Path}, Proto: r.Proto, Host: r.Host, RemoteAddr: r.RemoteAddr,
			Header: http.Header{
				"Content-Type": {"application/json"}, "Origin": r.Header["Origin"], "User-Agent": r.Header["User-Agent"],
			},
		}).WithContext(ctx),
	}
	if !e.door.enter(s) {
		s.close(websocket.CloseGoingAway)
		return
	}
	defer e.door.leave(s)
	s.run()
}

// run serves the WebSocket until it ends.
func (s *socket) run() {
	pinging := make(chan struct{})
	stop := make(chan struct{})
	go func() { defer close(pinging); s.ping(stop) }()
	code := s.readAll()
	if !s.ending.Load() {
		s.cancel() // nobody waits for answers any more
	}
	s.flying.Wait()
	s.closeSubscriber()
	s.close(code)
	close(stop)
	<-pinging
}

// refuse makes the socket end with the code that stands for an HTTP status.
func (s *socket) refuse(status int) {
	s.status.Store(int32(status))
	_ = s.conn.SetReadDeadline(time.Now())
}

// close ends the connection with a close frame.
func (s *socket) close(code int) {
	if code != 0 {
		frame := websocket.FormatCloseMessage(code, "")
		_ = s.conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(closeTimeout))
	}
	if code == websocket.CloseMessageTooBig || code == websocket.CloseTryAgainLater {
		s.linger()
	}
	_ = s.conn.Close() // there is nothing to do for one that is broken
}

// linger reads on without looking, for a while, until the client has closed too. A
// connection closed with bytes that nobody read is reset, and a client that is still
// sending finds that out before it finds the close frame.
func (s *socket) linger() {
	conn := s.conn.NetConn()
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	for {
		if _, err := io.CopyN(io.Discard, conn, pauseBytes); err != nil {
			return
		}
		s.endpoint.door.turns.pause()
	}
}

// drain makes the socket end when what is in flight is answered.
func (s *socket) drain() {
	s.ending.Store(true)
	_ = s.conn.SetReadDeadline(time.Now())
}

// readAll starts an answer to each message, which takes a slot for each of its calls,
// if there are so many. It returns the code of the close frame that is due, 0 for none.
func (s *socket) readAll() int {
	limits := &s.endpoint.door.cfg.Limits
	s.conn.SetReadLimit(int64(limits.Message)) // it answers with CloseMessageTooBig itself
	s.conn.SetPongHandler(func(string) error {
		if s.amid { // has a time of its own
			return nil
		}
		return s.wait(silence)
	})
	s.conn.SetPingHandler(func(data string) error {
		_ = s.control(websocket.PongMessage, []byte(data)) // the next read fails if the connection did
		return nil
	})
	s.conn.SetCloseHandler(func(code int, _ string) error {
		_ = s.control(websocket.CloseMessage, websocket.FormatCloseMessage(code, "")) // the next read fails
		return nil
	})
	for {
		s.slots <- struct{}{}
		if s.wait(silence) != nil {
			return 0
		}
		in := &intake{door: s.endpoint.door, allowance: s.allowance}
		if err := s.read(in); err != nil {
			in.forget()
			return s.farewell(err)
		}
		weight := max(1, min(len(in.calls), cap(s.slots)))
		for range weight - 1 {
			s.slots <- struct{}{}
		}
		s.flying.Add(1)
		go func() {
			defer s.flying.Done()
			defer in.done()
			s.handle(in)
			for range weight {
				<-s.slots
			}
		}()
	}
}

// read reads a message. From its beginning on the client has as long for it as for a
// request over HTTP, whatever else it says meanwhile: it takes memory.
func (s *socket) read(in *intake) error {
	_, r, err := s.conn.NextReader()
	if err != nil {
		return err
	}
	limits := &s.endpoint.door.cfg.Limits
	if err := s.wait(limits.ReadTimeout); err != nil {
		return err
	}
	s.amid = true
	defer func() { s.amid = false }()
	return in.read(s.request.Context(), r, limits.Message)
}

// farewell is the code with which to answer what ended the reading.
func (s *socket) farewell(err error) int {
	switch status := s.status.Load(); {
	case s.ending.Load():
		return websocket.CloseGoingAway
	case errors.Is(err, errMemory), errors.Is(err, errTurn), status == http.StatusServiceUnavailable:
		s.endpoint.door.counters.refused.Add(1)
		return websocket.CloseTryAgainLater
	case errors.Is(err, errTooLarge), errors.Is(err, websocket.ErrReadLimit):
		s.endpoint.door.counters.refused.Add(1)
		return websocket.CloseMessageTooBig
	}
	return 0
}

// wait gives the client a while to say something.
func (s *socket) wait(while time.Duration) error {
	if err := s.conn.SetReadDeadline(time.Now().Add(while)); err != nil {
		return err
	}
	if s.ending.Load() || s.status.Load() != 0 { // who wanted that came first, or his deadline is now gone
		return s.conn.SetReadDeadline(time.Now())
	}
	return nil
}

func (s *socket) ping(stop chan struct{}) {
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			if s.control(websocket.PingMessage, nil) != nil {
				return // the reader sees the silence
			}
		}
	}
}

// handle answers a message. The subscriber takes nothing but subscriptions: it has no
// limits for others.
func (s *socket) handle(in *intake) {
	subscriptions := 0
	for _, call := range in.calls {
		if call.subscribes() {
			subscriptions++
		}
	}
	w := &socketWriter{socket: s}
	switch {
	case subscriptions == 0, in.tooMany(), len(in.body) > subscriptionSize, !in.valid:
		s.endpoint.exchange(in, w, s.request)
	case subscriptions < len(in.calls):
		s.endpoint.door.counters.refused.Add(1)
		refuseEach(w, in.calls, "a batch with subscriptions can have no other calls")
	default:
		s.subscribe(in, w)
	}
}

// send writes a message, given in parts. A client that does not take it in time is cut
// off.
func (s *socket) send(parts ...[]byte) error {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	frame := append(net.Buffers{appendFrameHeader(nil, size)}, parts...)
	s.writing.Lock()
	defer s.writing.Unlock()
	conn := s.conn.NetConn()
	err := conn.SetWriteDeadline(time.Now().Add(s.endpoint.door.cfg.Limits.WriteTimeout))
	if err == nil {
		_, err = frame.WriteTo(conn)
	}
	if err != nil {
		s.cancel() // whoever works for this client may stop
		_ = conn.Close()
	}
	return err
}

// sendFrames writes whole messages. Frames that are made here come between those that
// conn makes: while they are written there are no others, but the one with which conn ends
// when its client breaks the protocol.
//
// It has a turn of Server.streaming, but one whose client does not take it at once goes
// on without, and keeps nobody waiting.
func (s *socket) sendFrames(frames []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.endpoint.door.streaming <- struct{}{}
	n, err := s.writeRaw(frames, writeTurn)
	<-s.endpoint.door.streaming
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_, err = s.writeRaw(frames[n:], s.endpoint.door.cfg.Limits.WriteTimeout)
	}
	if err != nil {
		s.cancel() // whoever works for this client may stop
		_ = s.conn.Close()
	}
	return err
}

func (s *socket) writeRaw(frames []byte, within time.Duration) (int, error) {
	conn := s.conn.NetConn()
	if err := conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return 0, err
	}
	return conn.Write(frames)
}

// control sends a ping, a pong or the answer to a close, which a message that is being written is not cut
// short for.
func (s *socket) control(kind int, data []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.conn.WriteControl(kind, data, time.Now().Add(closeTimeout))
}

// A socketWriter is the ResponseWriter of the answer to one message.
type socketWriter struct {
	socket *socket
	header http.Header
	status int
}

// Header implements http.ResponseWriter; nobody sees it.
func (w *socketWriter) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

// WriteHeader implements http.ResponseWriter. A status that says that there is no
// answer ends the socket.
func (w *socketWriter) WriteHeader(status int) {
	if w.status = status; status >= http.StatusBadRequest {
		w.socket.refuse(status)
	}
}

// Write sends the answer.
func (w *socketWriter) Write(p []byte) (int, error) {
	return len(p), w.writeParts(p)
}

func (w *socketWriter) writeParts(parts ...[]byte) error {
	if w.status >= http.StatusBadRequest {
		return nil
	}
	return w.socket.send(parts...)
}
