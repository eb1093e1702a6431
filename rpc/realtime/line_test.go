package realtime

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// A socket is a connection that is a Line, too: what comes over either is in one order.
type socket struct {
	t       *testing.T
	service *Service
	in      *io.PipeReader
	calls   *io.PipeWriter
	replies chan struct{} // one for each reply that may be sent
	room    chan struct{} // one for each message that Send takes; nil: any
	turns   chan struct{}
	closed  chan struct{}
	once    sync.Once

	mu     sync.Mutex
	said   [][]byte
	direct []bool // which of them came by Send
	begun  int
}

func (d *door) socket(t *testing.T) *socket {
	s := &socket{
		t: t, service: d.service, replies: make(chan struct{}, 100), turns: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	s.in, s.calls = io.Pipe()
	d.service.cfg.Line = func(context.Context) Line { return s }
	server := rpc.NewServer()
	require.NoError(t, server.RegisterName("eth", d.service.Eth(false)))
	go server.ServeCodec(rpc.NewCodec(s), 0)
	t.Cleanup(func() { _ = s.Close(); server.Stop() })
	return s
}

func (s *socket) Read(p []byte) (int, error) { return s.in.Read(p) }

func (s *socket) Write(p []byte) (int, error) {
	if !bytes.Contains(p, []byte(`"eth_subscription"`)) {
		select {
		case <-s.replies:
		case <-s.closed:
			return 0, io.ErrClosedPipe
		}
	}
	s.say(bytes.TrimSpace(bytes.Clone(p)), false)
	return len(p), nil
}

func (s *socket) Close() error {
	s.once.Do(func() { close(s.closed); _ = s.in.Close() })
	return nil
}

func (s *socket) SetWriteDeadline(time.Time) error { return nil }

func (s *socket) gone() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func (s *socket) Begin(ctx context.Context) error {
	if s.gone() {
		return io.ErrClosedPipe
	}
	select {
	case s.turns <- struct{}{}:
	case <-s.closed:
		return io.ErrClosedPipe
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
	return nil
}

func (s *socket) End() { <-s.turns }

func (s *socket) Send(ctx context.Context, parts ...[]byte) error {
	if s.gone() {
		return io.ErrClosedPipe
	}
	if s.room != nil {
		select {
		case <-s.room:
		case <-s.closed:
			return io.ErrClosedPipe
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if len(s.turns) == 0 {
		s.t.Error("sent without a turn")
	}
	s.say(bytes.Join(parts, nil), true)
	return nil
}

func (s *socket) say(message []byte, direct bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said, s.direct = append(s.said, message), append(s.direct, direct)
}

func (s *socket) count() (messages, turns int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.said), s.begun
}

func (s *socket) call(format string, args ...any) {
	s.t.Helper()
	_, err := fmt.Fprintf(s.calls, format, args...)
	require.NoError(s.t, err)
}

// follow subscribes to mini-blocks from the first on.
func (s *socket) follow() {
	s.call(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["miniBlocks",{"from":"%#x"}]}`, uint64(history.SeqOf(1, 0)))
}

// A message is what a client makes of one.
type message struct {
	JSONRPC string
	ID      int
	Method  string
	Result  any
	Params  struct {
		Subscription string
		Result       map[string]any
	}
}

// heard waits for messages, and returns all there are.
func (s *socket) heard(least int) (out []message) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%d messages", least), func() bool { n, _ := s.count(); return n >= least })
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range s.said {
		var m message
		require.NoError(s.t, json.Unmarshal(text, &m), "%s", text)
		out = append(out, m)
	}
	return out
}

// over checks that the subscription ended, the turns are given back and nothing comes
// any more.
func (s *socket) over(d *door) {
	s.t.Helper()
	eventually(s.t, "ended", func() bool { return d.service.Subscriptions() == 0 && len(s.turns) == 0 })
	before, turns := s.count()
	d.node.Mini(d.emit(0, 1, 99, 0))
	time.Sleep(20 * time.Millisecond)
	after, now := s.count()
	require.Equal(s.t, before, after, "nothing is sent after the end")
	require.Equal(s.t, turns, now)
}

// TestLineOrder: the answer comes first, however long it takes, then the notifications in
// order, all but the first two over the line and in the form that the notifier has.
func TestLineOrder(t *testing.T) {
	const minis = 30
	d := open(t, rpctest.Options{}, Config{}, false)
	s := d.socket(t)
	for i := range uint64(minis) {
		d.node.Mini(d.emit(0, 1, i+1, 0))
	}
	s.follow()
	time.Sleep(30 * time.Millisecond)
	messages, turns := s.count()
	require.Zero(t, messages, "nothing before the answer")
	require.Zero(t, turns)
	s.replies <- struct{}{}
	got := s.heard(1 + minis)
	require.Equal(t, 1, got[0].ID)
	id := got[0].Result
	require.IsType(t, "", id)
	for i, m := range got[1:] {
		require.Equal(t, "2.0", m.JSONRPC)
		require.Equal(t, "eth_subscription", m.Method)
		require.Equal(t, id, m.Params.Subscription)
		require.Equal(t, uint64(history.SeqOf(1, uint32(i))), number(t, m.Params.Result["sequence"]))
		require.Equal(t, i >= 2, s.direct[1+i], "notification %d", i)
	}
	_, turns = s.count()
	require.Equal(t, minis-2, turns, "one for each event")
	require.Empty(t, s.turns, "and given back")
}

// TestLineUnsubscribe: who unsubscribes while the line has no room hears of nothing after
// the answer to that.
func TestLineUnsubscribe(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	s := d.socket(t)
	s.room = make(chan struct{}, 1)
	for i := range uint64(10) {
		d.node.Mini(d.emit(0, 1, i+1, 0))
	}
	s.replies <- struct{}{}
	s.room <- struct{}{} // for one
	s.follow()
	id := s.heard(4)[0].Result
	eventually(t, "waits for room", func() bool { _, turns := s.count(); return turns == 2 })
	s.replies <- struct{}{}
	s.call(`{"jsonrpc":"2.0","id":2,"method":"eth_unsubscribe","params":[%q]}`, id)
	got := s.heard(5)
	require.Len(t, got, 5)
	require.Equal(t, true, got[4].Result)
	require.Equal(t, 2, got[4].ID)
	s.over(d)
}

// TestLineClosed: a connection that closes ends the stream, wherever that is.
func TestLineClosed(t *testing.T) {
	for name, busy := range map[string]bool{"while it waits for room": true, "while nothing happens": false} {
		t.Run(name, func(t *testing.T) {
			d := open(t, rpctest.Options{}, Config{}, false)
			s := d.socket(t)
			if busy {
				s.room = make(chan struct{})
			}
			for i := range uint64(3) {
				d.node.Mini(d.emit(0, 1, i+1, 0))
			}
			s.replies <- struct{}{}
			s.follow()
			s.heard(3)
			eventually(t, "the third has a turn", func() bool { _, turns := s.count(); return turns == 1 })
			require.NoError(t, s.Close())
			s.over(d)
		})
	}
}

// TestLineFails: the stream ends with what the line says, also where go-ethereum's server
// does not know yet that the connection is gone.
func TestLineFails(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	s := d.socket(t)
	for range 2 {
		d.node.Mini()
	}
	s.replies <- struct{}{}
	s.follow()
	s.heard(3)
	close(s.closed) // and the server goes on reading
	s.once.Do(func() {})
	t.Cleanup(func() { _ = s.in.Close() })
	d.node.Mini()
	s.over(d)
}

// TestLineLag: who falls behind while the line has no room is told so, over the line, as
// the last thing.
func TestLineLag(t *testing.T) {
	d := open(t, rpctest.Options{History: func(c *history.Config) { c.FeedBytes = 30 << 10 }}, Config{}, false)
	s := d.socket(t)
	s.room = make(chan struct{}, 100)
	for range 3 {
		d.node.Mini()
	}
	s.replies <- struct{}{}
	s.follow()
	s.heard(3)
	eventually(t, "waits for room", func() bool { _, turns := s.count(); return turns == 1 })
	for i := range uint64(60) {
		d.node.Mini(d.emit(0, 1, i+1, 20))
	}
	for range 50 {
		s.room <- struct{}{}
	}
	got := s.heard(5)
	require.Len(t, got, 5, "the one that waited, and the error")
	require.Equal(t, uint64(history.SeqOf(1, 2)), number(t, got[3].Params.Result["sequence"]))
	failure := got[4].Params.Result["error"].(map[string]any)
	require.EqualValues(t, codeLagged, failure["code"])
	require.Equal(t, got[0].Result, got[4].Params.Subscription)
	require.True(t, s.direct[4])
	s.over(d)
}
