package rpc_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// gate is a node whose state cannot be read until it is opened: requests that read
// state stay in flight.
type gate struct {
	*rpctest.Node
	waiting chan struct{} // gets one for each that waits
	opened  chan struct{}
}

func newGate(tb testing.TB) *gate {
	return &gate{rpctest.Dev(tb, rpctest.Options{}), make(chan struct{}, 1000), make(chan struct{})}
}

func (g *gate) config() rpc.Config { return rpc.Config{Backend: g, Engine: g.Engine()} }

func (g *gate) Latest() (chain.StateView, *chain.Env) {
	g.waiting <- struct{}{}
	<-g.opened
	return g.Node.Latest()
}

const readBalance = `{"jsonrpc":"2.0","id":"slow","method":"eth_getBalance","params":["0x00000000000000000000000000000000000000aa","latest"]}`

func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), ws(url), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	return conn
}

func write(t *testing.T, conn *websocket.Conn, message string) {
	t.Helper()
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(message)))
}

func read(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	_, message, err := conn.ReadMessage()
	require.NoError(t, err)
	return string(message)
}

func TestWebSocket(t *testing.T) {
	conn := dial(t, serve(t, config(t)))
	for _, c := range []struct{ message, answer string }{
		{chainID, `{"jsonrpc":"2.0","id":1,"result":"0x7a69"}`},
		{"[" + chainID + "," + chainID + "]", `[{"jsonrpc":"2.0","id":1,"result":"0x7a69"},{"jsonrpc":"2.0","id":1,"result":"0x7a69"}]`},
		{`{"jsonrpc":"2.0","id":"a\"b","method":"eth_chainId"}`, `{"jsonrpc":"2.0","id":"a\"b","result":"0x7a69"}`},
		{`{`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`},
		{`[]`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"empty batch"}}`},
		{`{"jsonrpc":"2.0","id":1,"method":"eth_nothing"}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"the method eth_nothing does not exist/is not available"}}`},
	} {
		write(t, conn, c.message)
		require.Equal(t, c.answer, read(t, conn))
	}
	// What wants no answer gets none, and does not hold up what comes after.
	write(t, conn, `{"jsonrpc":"2.0","method":"eth_chainId"}`)
	write(t, conn, `{"jsonrpc":"2.0","method":"eth_subscribe","params":["newHeads"]}`)
	write(t, conn, `{"jsonrpc":"2.0","id":1,"result":"0x1"}`)
	write(t, conn, chainID)
	require.Equal(t, `{"jsonrpc":"2.0","id":1,"result":"0x7a69"}`, read(t, conn))
}

// A request that takes long holds up no other.
func TestWebSocketConcurrency(t *testing.T) {
	g := newGate(t)
	conn := dial(t, serve(t, g.config()))
	write(t, conn, readBalance)
	<-g.waiting
	write(t, conn, chainID)
	require.Contains(t, read(t, conn), "0x7a69")
	close(g.opened)
	require.Contains(t, read(t, conn), `"slow"`)
}

// Further requests than Limits.InFlight are not even read.
func TestWebSocketInFlight(t *testing.T) {
	g := newGate(t)
	cfg := g.config()
	cfg.Limits.InFlight = 4
	conn := dial(t, serve(t, cfg))
	const sent = 20
	for range sent {
		write(t, conn, readBalance)
	}
	for range cfg.Limits.InFlight {
		<-g.waiting
	}
	select {
	case <-g.waiting:
		t.Fatalf("more than %d requests of a WebSocket execute", cfg.Limits.InFlight)
	case <-time.After(50 * time.Millisecond):
	}
	close(g.opened)
	for range sent {
		require.Contains(t, read(t, conn), `"slow"`)
	}
}

func TestSubscriptions(t *testing.T) {
	node := rpctest.Dev(t, rpctest.Options{})
	door, err := rpc.New(rpc.Config{Backend: node, Engine: node.Engine()})
	require.NoError(t, err)
	url, stop := start(t, door)
	client, err := ethclient.DialContext(t.Context(), ws(url))
	require.NoError(t, err)
	heads := make(chan *types.Header, 10)
	sub, err := client.SubscribeNewHead(t.Context(), heads)
	require.NoError(t, err)
	require.Equal(t, 1, door.Stats().Subscriptions)
	want := node.Seal(node.Transfer(0, common.Address{1}, 1))
	require.Equal(t, want.Hash(), (<-heads).Hash())
	sub.Unsubscribe()
	require.Eventually(t, func() bool { return door.Stats().Subscriptions == 0 }, 5*time.Second, time.Millisecond)

	// Those in a batch work too, and end with their connection.
	conn := dial(t, url)
	write(t, conn, `[{"jsonrpc":"2.0","id":1,"method":"eth_unsubscribe","params":["0x1"]},{"jsonrpc":"2.0","id":2,"method":"eth_subscribe","params":["newHeads"]},{"jsonrpc":"2.0","id":3,"method":"eth_subscribe","params":["nothing"]}]`)
	var answers []struct {
		ID     int
		Result string
		Error  struct{ Code int }
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, conn)), &answers))
	require.Len(t, answers, 3)
	require.NotEmpty(t, answers[1].Result)
	require.Equal(t, -32601, answers[2].Error.Code)
	for range 3 {
		node.Seal()
		require.Contains(t, read(t, conn), answers[1].Result)
	}
	require.Equal(t, 1, door.Stats().Subscriptions)
	write(t, conn, `{"jsonrpc":"2.0","id":4,"method":"eth_subscribe","params":["newHeads"]} and more`)
	require.Contains(t, read(t, conn), "-32700")
	write(t, conn, `{"jsonrpc":"2.0","id":5,"method":"eth_subscribe","params":["logs",{}]}`)
	require.Contains(t, read(t, conn), `"id":5,"result"`)
	require.Equal(t, 2, door.Stats().Subscriptions)
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool { return door.Stats().Subscriptions == 0 }, 5*time.Second, time.Millisecond)
	client.Close()
	require.NoError(t, stop())
	require.Zero(t, door.Stats().WebSockets)
}

// A door that stops answers what is in flight, says goodbye to WebSockets, and takes
// nothing new meanwhile.
func TestDrain(t *testing.T) {
	g := newGate(t)
	cfg := g.config()
	cfg.Limits.InFlight = 1
	door, err := rpc.New(cfg)
	require.NoError(t, err)
	url, stop := start(t, door)
	busy, idle := dial(t, url), dial(t, url)
	write(t, idle, `{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`)
	require.Contains(t, read(t, idle), "result")
	write(t, busy, readBalance)
	answered := make(chan string, 1)
	go func() { answered <- post(t, url, readBalance) }()
	<-g.waiting
	<-g.waiting
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()

	_, _, err = idle.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseGoingAway), "%v", err)
	_, _, err = websocket.DefaultDialer.Dial(ws(url), nil)
	require.Error(t, err)
	select {
	case <-stopped:
		t.Fatal("stopped with requests in flight")
	case <-time.After(20 * time.Millisecond):
	}
	close(g.opened)
	require.Contains(t, read(t, busy), `"slow"`)
	_, _, err = busy.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseGoingAway), "%v", err)
	require.Contains(t, <-answered, `"slow"`)
	require.NoError(t, <-stopped)
	require.Zero(t, door.Stats().WebSockets)
}

// What does not end in time is cut off.
func TestDrainTimeout(t *testing.T) {
	g := newGate(t)
	cfg := g.config()
	cfg.Limits.Drain = 50 * time.Millisecond
	door, err := rpc.New(cfg)
	require.NoError(t, err)
	url, stop := start(t, door)
	conn := dial(t, url)
	write(t, conn, readBalance)
	<-g.waiting
	require.NoError(t, stop())
	_, _, err = conn.ReadMessage()
	require.Error(t, err)
	close(g.opened)
}

// A listener that breaks ends Serve.
func TestServeFails(t *testing.T) {
	door, err := rpc.New(config(t))
	require.NoError(t, err)
	require.Error(t, door.Serve(context.Background(), brokenListener{}))
}

// A client that does not read is cut off, and what waited for it is let go.
func TestSlowReader(t *testing.T) {
	for name, message := range map[string]string{
		"answers":       "[" + strings.Repeat(chainID+",", 999) + chainID + "]",
		"subscriptions": `[` + strings.Repeat(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]},`, 999) + `{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}]`,
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			cfg.Limits.WriteTimeout = 200 * time.Millisecond
			door, err := rpc.New(cfg)
			require.NoError(t, err)
			url, stop := start(t, door)
			defer func() { require.NoError(t, stop()) }()
			conn := dial(t, url)
			for range 1000 { // 40 MB of answers, and more
				if conn.WriteMessage(websocket.TextMessage, []byte(message)) != nil {
					break
				}
			}
			require.Eventually(t, func() bool { return door.Stats().WebSockets == 0 }, 20*time.Second, 10*time.Millisecond)
			require.Zero(t, door.Stats().MemoryBytes)
			require.Eventually(t, func() bool { return door.Stats().Subscriptions == 0 }, 20*time.Second, 10*time.Millisecond)
			require.Less(t, door.Stats().MemoryPeak, int64(64<<20), "bytes in flight for one who does not read")
		})
	}
}

func TestWebSocketLimits(t *testing.T) {
	cfg := config(t)
	cfg.Limits.Body, cfg.Limits.Message, cfg.Limits.WebSockets = 1<<10, 1<<20, 2
	door, err := rpc.New(cfg)
	require.NoError(t, err)
	url, stop := start(t, door)
	defer func() { require.NoError(t, stop()) }()

	conn := dial(t, url)
	pad := func(size int) string { return chainID + strings.Repeat(" ", size-len(chainID)) }
	write(t, conn, pad(1<<20))
	require.Contains(t, read(t, conn), "0x7a69")
	write(t, conn, pad(1<<20+1))
	_, _, err = conn.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseMessageTooBig), "%v", err)
	require.Eventually(t, func() bool { return door.Stats().WebSockets == 0 }, 5*time.Second, time.Millisecond)

	dial(t, url)
	dial(t, url)
	_, response, err := websocket.DefaultDialer.Dial(ws(url), nil)
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.Equal(t, 2, door.Stats().WebSockets)
}

// A client learns that its message is too large also if it hears nothing before it has
// sent all of it.
func TestTooLargeMessage(t *testing.T) {
	conn := dial(t, serve(t, config(t)))
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, make([]byte, 60<<20)))
	_, _, err := conn.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseMessageTooBig), "%v", err)
	require.NoError(t, conn.Close())
}
