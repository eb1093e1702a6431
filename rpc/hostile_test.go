package rpc_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc"
)

// open serves a door until the test ends.
func open(t *testing.T, cfg rpc.Config) (*rpc.Server, string) {
	t.Helper()
	door, err := rpc.New(cfg)
	require.NoError(t, err)
	url, stop := start(t, door)
	t.Cleanup(func() { require.NoError(t, stop()) })
	return door, url
}

// A WebSocket message that was begun has to end, whatever signs of life come with it.
func TestDrippingMessage(t *testing.T) {
	cfg := config(t)
	cfg.Limits.ReadTimeout = 300 * time.Millisecond
	door, url := open(t, cfg)
	conn := dial(t, url)
	w, err := conn.NextWriter(websocket.TextMessage)
	require.NoError(t, err)
	_, err = w.Write(make([]byte, 100_000)) // all but the last frame goes out
	require.NoError(t, err)
	require.Eventually(t, func() bool { return door.Stats().MemoryBytes > 0 }, 5*time.Second, time.Millisecond)
	require.Eventually(t, func() bool {
		_ = conn.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Second))
		return door.Stats().WebSockets == 0
	}, 10*time.Second, 20*time.Millisecond)
	require.Zero(t, door.Stats().MemoryBytes)
}

// Requests that are small each are charged when a connection has many of them.
func TestManySmallRequests(t *testing.T) {
	g := newGate(t)
	door, url := open(t, g.config())
	conn := dial(t, url)
	request := readBalance + strings.Repeat(" ", 14<<10-len(readBalance))
	for i := range 64 {
		write(t, conn, request)
		<-g.waiting
		if i == 0 {
			require.Zero(t, door.Stats().MemoryBytes, "a small request is free")
		}
	}
	require.GreaterOrEqual(t, door.Stats().MemoryBytes, int64(62*2*14<<10))
	close(g.opened)
	for range 64 {
		require.Contains(t, read(t, conn), `"slow"`)
	}
	require.Eventually(t, func() bool { return door.Stats().MemoryBytes == 0 }, 5*time.Second, time.Millisecond)
}

// The buffers that a long subscription leaves behind are charged until its WebSocket
// ends, and all of them together take only a part of the memory.
func TestKeptBuffers(t *testing.T) {
	cfg := config(t)
	cfg.Limits.Body, cfg.Limits.Message, cfg.Limits.Memory = 1<<20, 1<<20, 16<<20
	door, url := open(t, cfg)
	long := strings.Replace(subscribeNew, `"id":1`, `"id":"`+strings.Repeat("x", 200<<10)+`"`, 1)
	var conns []*websocket.Conn
	for i := range 2 {
		conn := dial(t, url)
		conns = append(conns, conn)
		for range 3 { // the second finds what the first left
			write(t, conn, long)
			require.Contains(t, read(t, conn), `"result"`)
			kept := int64(i+1) * 4 * int64(len(long))
			require.Eventually(t, func() bool { return door.Stats().MemoryBytes == kept }, 5*time.Second, time.Millisecond)
		}
	}
	third := dial(t, url)
	write(t, third, subscribeNew)
	require.Contains(t, read(t, third), `"result"`)
	write(t, third, long)
	_, _, err := third.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseTryAgainLater), "%v", err)
	for _, conn := range conns {
		require.NoError(t, conn.Close())
	}
	require.Eventually(t, func() bool { return door.Stats().MemoryBytes == 0 }, 5*time.Second, time.Millisecond)
	last := dial(t, url)
	write(t, last, long)
	require.Contains(t, read(t, last), `"result"`)
}

// Nothing is unpacked: not a body that says that it is packed, and not a WebSocket's
// frames, for which it is not even agreed.
func TestNothingIsUnpacked(t *testing.T) {
	url := serve(t, config(t))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := io.WriteString(w, chainID)
	require.NoError(t, errors.Join(err, w.Close()))
	status, answer, _ := request{method: "POST", path: "/", body: packed.String(), header: http.Header{"Content-Encoding": {"gzip"}}}.send(t, url)
	require.Equal(t, 200, status)
	require.Contains(t, answer, "-32700")

	dialer := websocket.Dialer{EnableCompression: true}
	conn, response, err := dialer.Dial(ws(url), nil)
	require.NoError(t, err)
	defer conn.Close()
	require.Empty(t, response.Header.Get("Sec-WebSocket-Extensions"))
	_, err = conn.NetConn().Write([]byte{0xc1, 0x80, 0, 0, 0, 0}) // a final text frame, compressed
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, _, err = conn.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseProtocolError), "%v", err)
}

// Input of odd forms gets an answer, and a soon one.
func TestOddRequests(t *testing.T) {
	url := serve(t, config(t))
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	notification := `{"jsonrpc":"2.0","method":"eth_chainId"}`
	for _, c := range []struct{ body, answer string }{
		{deep(2_000_000), `"code":-32700`},
		{deep(5000), `"code":-32600`},
		{`{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":` + deep(2_000_000) + `}`, `"code":-32700`},
		{`{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[` + deep(5000) + `]}`, `"code":-32602`},
		{`{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[` + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000) + `]}`, `"result":"0x"`},
		{`{"jsonrpc":"2.0","id":1,"id":2,"method":"eth_nothing","method":"eth_chainId"}`, `"id":2,"result":"0x7a69"`}, // the last one counts
		{`{"jsonrpc":"2.0","id":1,"Method":"eth_chainId"}`, `"code":-32600`},                                          // in message.go too
		{"[" + notification + "," + notification + "]", ""},
		{"[" + notification + "," + chainID + "]", `[{"jsonrpc":"2.0","id":1,"result":"0x7a69"}]`},
	} {
		began := time.Now()
		answer := post(t, url, c.body)
		require.Contains(t, answer, c.answer, "%.100s", c.body)
		require.Equal(t, c.answer == "", answer == "", "%.100s", c.body)
		require.Less(t, time.Since(began), 10*time.Second, "%.100s", c.body)
	}
}

// Requests behind one another in a connection are answered in their order, also when
// the client has said that it will send no more.
func TestPipelinedAndHalfClosed(t *testing.T) {
	url := serve(t, config(t))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	for i := range 20 {
		body := strings.Replace(chainID, `"id":1`, fmt.Sprintf(`"id":%d`, i), 1)
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	answers := bufio.NewReader(conn)
	for i := range 20 {
		response, err := http.ReadResponse(answers, nil)
		require.NoError(t, err, i)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":"0x7a69"}`, i), strings.TrimSpace(string(body)))
	}
}
