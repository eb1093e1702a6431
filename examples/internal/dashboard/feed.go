package dashboard

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// viewersMost is how many may look on.
	viewersMost = 64
	// pendingMost is how many messages a viewer may leave unread, besides those that
	// are in the connection's buffers: two seconds' worth.
	pendingMost = 8
	// writeTimeout is how long a viewer may take for one message.
	writeTimeout = 5 * time.Second
	// writeBuffer is the connection's own, in bytes. The system's default holds minutes
	// of messages, and it would take as long to notice that nobody reads.
	writeBuffer = 32 << 10
	// farewell is how long the close frame may take.
	farewell = 500 * time.Millisecond
	// readLimit is the longest message a viewer may send. It has nothing to say.
	readLimit = 512
)

// upgrader takes pages of the same host only, as it does by default.
var upgrader = websocket.Upgrader{ReadBufferSize: 512, WriteBufferSize: 4096, WriteBufferPool: new(sync.Pool)}

// A feed sends each message to all viewers. It waits for none of them.
type feed struct {
	done sync.WaitGroup // viewers

	mu      sync.Mutex
	viewers map[*viewer]struct{} // nil once closed
	newest  *websocket.PreparedMessage
}

func newFeed() *feed { return &feed{viewers: make(map[*viewer]struct{})} }

// A viewer is a page somewhere.
type viewer struct {
	pending chan *websocket.PreparedMessage
	leave   func() // ends it; may be called more than once
	left    chan struct{}
}

// ServeHTTP turns a request into a viewer, and returns when it has left.
func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	left := make(chan struct{})
	v := &viewer{
		pending: make(chan *websocket.PreparedMessage, pendingMost),
		left:    left, leave: sync.OnceFunc(func() { close(left) }),
	}
	if !f.enter(v) {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "no room for another viewer", http.StatusServiceUnavailable)
		return
	}
	defer f.exit(v)
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the answer is given
	}
	if tcp, ok := conn.NetConn().(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(writeBuffer) // else it is noticed later
	}
	v.serve(conn)
}

// enter takes a place, before the upgrade costs anything, and gives the viewer what is
// newest.
func (f *feed) enter(v *viewer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.viewers == nil || len(f.viewers) >= viewersMost {
		return false
	}
	f.viewers[v] = struct{}{}
	f.done.Add(1)
	if f.newest != nil {
		v.pending <- f.newest
	}
	return true
}

func (f *feed) exit(v *viewer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.viewers, v)
	f.done.Done()
}

// send gives a message to all, and ends those who have too many already.
func (f *feed) send(m *message) {
	text, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("dashboard: %v", err)) // a message has nothing that JSON has not
	}
	prepared, err := websocket.NewPreparedMessage(websocket.TextMessage, text)
	if err != nil {
		panic(fmt.Sprintf("dashboard: %v", err)) // nothing is written yet
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.newest = prepared
	for v := range f.viewers {
		select {
		case v.pending <- prepared:
		default:
			v.leave()
		}
	}
}

// close ends all viewers and waits until they have left.
func (f *feed) close() {
	f.mu.Lock()
	for v := range f.viewers {
		v.leave()
	}
	f.viewers = nil
	f.mu.Unlock()
	f.done.Wait()
}

// serve writes until the viewer leaves, from whichever side.
func (v *viewer) serve(conn *websocket.Conn) {
	var reading sync.WaitGroup
	reading.Go(func() {
		defer v.leave()
		conn.SetReadLimit(readLimit)
		_, _, _ = conn.NextReader() // a close frame, an end, or what nobody asked for
	})
	// A write that waits for somebody who does not read ends when the connection does.
	reading.Go(func() {
		<-v.left
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""), time.Now().Add(farewell))
		_ = conn.Close()
	})
	for v.write(conn) {
	}
	v.leave()
	reading.Wait()
}

func (v *viewer) write(conn *websocket.Conn) bool {
	select {
	case <-v.left:
		return false
	case m := <-v.pending:
		_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		return conn.WritePreparedMessage(m) == nil
	}
}
