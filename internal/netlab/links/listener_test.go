package links

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// A listener notes when a door tells of each mini-block. All listeners are in this
// process, and so have one clock.
type listener struct {
	*machine
	conn *websocket.Conn

	mu   sync.Mutex
	at   map[uint64]time.Time // by the mini-block's number
	err  error                // of something that was not a mini-block
	done chan struct{}
}

// listen subscribes to miniBlocks by WebSocket, over the node's loopback, until the test
// ends.
func (m *machine) listen(ctx context.Context) *listener {
	m.Helper()
	dialer := websocket.Dialer{NetDialContext: m.node.Dial}
	conn, answer, err := dialer.DialContext(ctx, strings.Replace(url, "http", "ws", 1), nil)
	require.NoError(m, err)
	require.NoError(m, answer.Body.Close())
	l := &listener{machine: m, conn: conn, at: make(map[uint64]time.Time), done: make(chan struct{})}
	require.NoError(m, conn.WriteMessage(websocket.TextMessage,
		[]byte(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["miniBlocks"]}`)))
	_, first, err := conn.ReadMessage()
	require.NoError(m, err)
	require.NotContains(m, string(first), "error")
	go l.read()
	m.Cleanup(func() { l.stop() })
	return l
}

func (l *listener) read() {
	defer close(l.done)
	for {
		_, text, err := l.conn.ReadMessage()
		now := time.Now()
		if err != nil {
			return // closed; that it was too early shows in what is missing
		}
		number, err := miniNumber(text)
		l.mu.Lock()
		if err != nil {
			l.err = errors.Join(l.err, err)
		} else {
			l.at[number] = now
		}
		l.mu.Unlock()
	}
}

// miniNumber finds the number of a mini-block in its message. To parse all of it would take
// the time that is measured.
func miniNumber(text []byte) (uint64, error) {
	_, rest, ok := bytes.Cut(text, []byte(`"mini_block_number":"0x`))
	digits, _, end := bytes.Cut(rest, []byte(`"`))
	if !ok || !end {
		return 0, fmt.Errorf("no mini-block: %.200s", text)
	}
	return strconv.ParseUint(string(digits), 16, 64)
}

// heard is when what has a number from first to last came.
func (l *listener) heard(first, last uint64) map[uint64]time.Time {
	l.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.NoError(l, l.err)
	out := maps.Clone(l.at)
	maps.DeleteFunc(out, func(n uint64, _ time.Time) bool { return n < first || n > last })
	return out
}

// newest is the highest number that came.
func (l *listener) newest() (n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.at {
		n = max(n, k)
	}
	return n
}

func (l *listener) stop() {
	_ = l.conn.Close()
	<-l.done
}
