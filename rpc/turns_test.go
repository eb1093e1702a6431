package rpc

import (
	"context"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

func requireNoTurn(t *testing.T, door *Server) {
	t.Helper()
	require.Empty(t, door.turns.slots)
	require.Empty(t, door.turns.extra)
	require.Empty(t, door.turns.heavies)
}

// dialDoor opens a WebSocket at a door, until the test ends.
func dialDoor(t *testing.T, door *Server) *websocket.Conn {
	t.Helper()
	server := httptest.NewServer(door.Handler())
	t.Cleanup(server.Close)
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(server.URL, "http", "ws", 1), nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	return conn
}

// socketOf is the only socket of a door.
func socketOf(door *Server) (s *socket) {
	door.mu.Lock()
	defer door.mu.Unlock()
	for s = range door.open {
	}
	return s
}

// A turn ends when its time is over, when it is ended, once and for all, and is not had
// for more than it is worth.
func TestTurn(t *testing.T) {
	turns := newTurns(1)
	turns.seeSmall()
	turns.lasts = 20 * time.Millisecond
	first, err := turns.take(t.Context(), time.Second)
	require.NoError(t, err)
	turns.seeSmall()
	second, err := turns.take(t.Context(), 10*time.Second) // goes on while the first does
	require.NoError(t, err)
	first.end()
	require.Len(t, turns.slots, 1, "the second's")
	turns.lasts = time.Hour
	second.end()
	second.end()
	require.Empty(t, turns.slots)

	turns.seeSmall()
	third, err := turns.take(t.Context(), time.Second)
	require.NoError(t, err)
	turns.seeSmall()
	_, err = turns.take(t.Context(), 5*time.Millisecond)
	require.ErrorIs(t, err, errTurn)
	turns.small.Store(0)
	spare, err := turns.take(t.Context(), 0)
	require.NoError(t, err, "there are no small requests")
	require.Len(t, turns.extra, 1)
	time.AfterFunc(10*time.Millisecond, spare.end)
	spare, err = turns.take(t.Context(), 10*time.Second) // waits for it
	require.NoError(t, err)
	require.Len(t, turns.extra, 1)
	spare.end()
	require.Empty(t, turns.extra)
	third.end()
	require.Empty(t, turns.slots)
	var none *turn
	none.end()
}

// Behind many who have heavy work, who has little waits for a few of them only.
func TestHeavyTurns(t *testing.T) {
	turns := newTurns(1)
	turns.lasts = time.Hour
	turns.extra <- struct{}{} // there is one turn
	first, err := turns.take(t.Context(), time.Second)
	require.NoError(t, err)
	had := make(chan string, 20)
	stand := func(name string, take func(context.Context, time.Duration) (*turn, error)) {
		one, err := take(t.Context(), time.Minute)
		if err != nil {
			name = err.Error()
		}
		had <- name
		one.end()
	}
	for range 10 {
		go stand("heavy", turns.takeHeavy)
	}
	require.Eventually(t, func() bool { return len(turns.heavies) == cap(turns.heavies) }, 10*time.Second, time.Millisecond)
	time.Sleep(50 * time.Millisecond) // they stand in line
	go stand("light", turns.take)
	time.Sleep(50 * time.Millisecond) // behind two of them
	first.end()
	var order []string
	for range 11 {
		order = append(order, <-had)
	}
	require.LessOrEqual(t, slices.Index(order, "light"), cap(turns.heavies), order)
	require.Contains(t, order, "light")
	require.NotContains(t, order, errTurn.Error())
	require.Eventually(t, func() bool { return len(turns.slots)+len(turns.heavies) == 0 }, 10*time.Second, time.Millisecond)

	for range cap(turns.heavies) {
		turns.heavies <- struct{}{}
	}
	_, err = turns.takeHeavy(t.Context(), time.Millisecond)
	require.ErrorIs(t, err, errTurn)
	<-turns.heavies
	turns.slots <- struct{}{}
	_, err = turns.takeHeavy(t.Context(), time.Millisecond)
	require.ErrorIs(t, err, errTurn)
	require.Len(t, turns.heavies, cap(turns.heavies)-1, "gave its place back")
}

// Who sends half of a message has no turn, so others' batches are answered.
func TestHalfMessagesHaveNoTurn(t *testing.T) {
	door := quietDoor(t, Limits{Bulk: 1, Timeout: 5 * time.Second})
	door.turns.lasts = time.Hour
	door.turns.extra <- struct{}{} // there is one turn
	for range 40 {
		w, err := dialDoor(t, door).NextWriter(websocket.TextMessage)
		require.NoError(t, err)
		_, err = io.WriteString(w, "["+strings.Repeat(chainIDCall+",", 3000)) // all but the last frame goes out
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return door.memory.used.Load() >= 40*(256<<10) }, 10*time.Second, time.Millisecond)
	require.Empty(t, door.turns.slots)
	_, answer := askDoor(door, "["+chainIDCall+"]")
	require.Equal(t, `[{"jsonrpc":"2.0","id":1,"result":"0x7a69"}]`, answer)
}

// A subscription has a turn until its reply is made, and none while the client is waited
// for: neither to take the reply, nor to take what came before.
func TestSubscriptionHasNoTurnWhileItWaits(t *testing.T) {
	door := quietDoor(t, Limits{Bulk: 1})
	door.turns.lasts = time.Hour
	door.turns.extra <- struct{}{}
	conn := dialDoor(t, door)
	subscribe := func() {
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`)))
	}
	reply := func() {
		_, message, err := conn.ReadMessage()
		require.NoError(t, err)
		require.Contains(t, string(message), `"result"`)
	}
	subscribe()
	reply()
	requireFree := func() {
		t.Helper()
		require.Eventually(t, func() bool { return len(door.turns.slots) == 0 }, 10*time.Second, time.Millisecond)
	}
	requireFree()
	s := socketOf(door)
	outbox := s.subscriber.outbox

	s.writing.Lock() // the client takes nothing
	subscribe()
	require.Eventually(t, func() bool { return door.services.realtime.Subscriptions() == 2 }, 10*time.Second, time.Millisecond)
	requireFree()
	s.writing.Unlock()
	reply()

	s.writing.Lock()
	_, err := outbox.put(make([]byte, outboxBytes))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(outbox.filled) == 0 }, 10*time.Second, time.Millisecond)
	_, err = outbox.put(make([]byte, outboxBytes))
	require.NoError(t, err)
	subscribe()
	require.Never(t, func() bool { return len(door.turns.slots) > 0 }, 100*time.Millisecond, time.Millisecond)
	s.writing.Unlock()
	for range 2 {
		_, message, err := conn.ReadMessage()
		require.NoError(t, err)
		require.Len(t, message, outboxBytes)
	}
	reply()
	requireFree()
}

// The answer to a client's close frame waits for what is being written, and is not put into
// the midst of it.
func TestCloseWaitsForFrames(t *testing.T) {
	door := quietDoor(t, Limits{})
	conn := dialDoor(t, door)
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(chainIDCall)))
	_, _, err := conn.ReadMessage()
	require.NoError(t, err)
	s := socketOf(door)
	s.writing.Lock()
	require.NoError(t, conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second)))
	read := make(chan error, 1)
	go func() {
		_, _, err := conn.ReadMessage()
		read <- err
	}()
	require.Never(t, func() bool { return len(read) > 0 }, 100*time.Millisecond, time.Millisecond)
	s.writing.Unlock()
	require.True(t, websocket.IsCloseError(<-read, websocket.CloseNormalClosure))
}

// What is asked of a subscriber that has ended, as one that did not reply in time, is not
// confused with what may still be going on in it.
func TestSubscriberThatEnded(t *testing.T) {
	door := quietDoor(t, Limits{Bulk: 1})
	conn := dialDoor(t, door)
	message := []byte(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`)
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, message))
	_, _, err := conn.ReadMessage()
	require.NoError(t, err)
	s := socketOf(door)
	_ = s.subscriber.Close()
	made := 0
	s.subscriber.made = func() { made++ }
	in := &intake{door: door, allowance: s.allowance, body: message, valid: true}
	in.calls, _ = parseRequest(message, 2)
	s.subscribe(in, &socketWriter{socket: s})
	require.Nil(t, in.turn)
	s.subscriber.made()
	require.Equal(t, 1, made, "it is still that of the call before")
	_, _, err = conn.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseTryAgainLater), "%v", err)
}
