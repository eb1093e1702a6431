package rpc_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc"
)

func TestBatchLimits(t *testing.T) {
	cfg := config(t)
	cfg.Limits.BatchItems, cfg.Limits.BatchBytes = 10, 200
	url := serve(t, cfg)
	batch := func(n int) string { return "[" + strings.Repeat(chainID+",", n-1) + chainID + "]" }

	require.Equal(t, 10, strings.Count(post(t, url, batch(10)), `"0x7a69"`))
	answer := post(t, url, batch(11))
	require.Contains(t, answer, `"code":-32600,"message":"batch too large"`)
	require.NotContains(t, answer, "0x7a69")
	conn := dial(t, url)
	write(t, conn, strings.ReplaceAll(batch(11), "eth_chainId", "eth_subscribe"))
	require.Equal(t, `[{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"batch too large"}}]`, read(t, conn))

	// The results of web3_sha3 are 66 bytes each: the fourth goes beyond 200.
	sha3 := `{"jsonrpc":"2.0","id":1,"method":"web3_sha3","params":["0x"]}`
	var answers []struct{ Error *struct{ Code int } }
	require.NoError(t, json.Unmarshal([]byte(post(t, url, "["+strings.Repeat(sha3+",", 6)+sha3+"]")), &answers))
	require.Len(t, answers, 7)
	for i, a := range answers {
		require.Equal(t, i >= 3, a.Error != nil, i)
		require.True(t, a.Error == nil || a.Error.Code == -32003, i)
	}
}

func TestBodyLimit(t *testing.T) {
	cfg := config(t)
	cfg.Limits.Body = 4096
	url := serve(t, cfg)
	pad := func(size int) string { return chainID + strings.Repeat(" ", size-len(chainID)) }
	for size, status := range map[int]int{4095: 200, 4096: 200, 4097: 413, 1 << 20: 413} {
		got, _, _ := request{method: "POST", path: "/", body: pad(size)}.send(t, url)
		require.Equal(t, status, got, size)

		// A size that is not announced is seen as it comes.
		response, err := http.Post(url, "application/json", struct{ io.Reader }{strings.NewReader(pad(size))})
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, status, response.StatusCode, "%d, chunked", size)
	}
}

// A size that is announced is refused before anything of it has come.
func TestAnnouncedBody(t *testing.T) {
	url := serve(t, config(t))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000000000\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
}

// A batch with too many calls takes no memory for them.
func TestBatchMemory(t *testing.T) {
	door, err := rpc.New(config(t))
	require.NoError(t, err)
	defer door.Close()
	batch := "[" + strings.Repeat("{},", 1_600_000) + chainID + "]"
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(batch))
	request.Host = "localhost"
	recorder := httptest.NewRecorder()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	door.Handler().ServeHTTP(recorder, request)
	runtime.ReadMemStats(&after)
	require.Contains(t, recorder.Body.String(), "batch too large")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8*len(batch)))
}

func TestHeaderLimit(t *testing.T) {
	cfg := config(t)
	cfg.Limits.Header = 4096
	url := serve(t, cfg)
	status, _, _ := request{method: "POST", path: "/", body: chainID, header: http.Header{"X": {strings.Repeat("x", 32<<10)}}}.send(t, url)
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, status)
}

// What does not fit into the memory for requests and answers is refused, and what is
// in flight goes on.
func TestMemoryLimit(t *testing.T) {
	g := newGate(t)
	cfg := g.config()
	cfg.Limits.Body, cfg.Limits.Message, cfg.Limits.Memory = 1<<20, 1<<20, 10<<20
	door, err := rpc.New(cfg)
	require.NoError(t, err)
	url, stop := start(t, door)
	defer func() { require.NoError(t, stop()) }()
	large := readBalance + strings.Repeat(" ", 1<<20-len(readBalance))
	answers := make(chan string, 2)
	for range 2 { // of 2 MiB each, with the copy
		go func() { answers <- post(t, url, large) }()
		<-g.waiting
	}
	status, _, header := request{method: "POST", path: "/", body: large}.send(t, url)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "1", header.Get("Retry-After"))
	require.Contains(t, post(t, url, chainID), "0x7a69", "small requests go on")
	close(g.opened)
	for range 2 {
		require.Contains(t, <-answers, "result")
	}
	require.Contains(t, post(t, url, large), "result")
	require.Zero(t, door.Stats().MemoryBytes)
	require.LessOrEqual(t, door.Stats().MemoryPeak, cfg.Limits.Memory/2)
	require.EqualValues(t, 1, door.Stats().Refused)
}

// An answer for which there is no memory is no half answer.
func TestMemoryLimitOfAnswers(t *testing.T) {
	cfg := config(t)
	cfg.Limits.Body, cfg.Limits.Message, cfg.Limits.Memory = 64<<10, 64<<10, 256<<10
	url := serve(t, cfg)
	sha3 := `{"jsonrpc":"2.0","id":1,"method":"web3_sha3"}`
	for n, status := range map[int]int{100: 200, 999: 503} {
		batch := "[" + strings.Repeat(sha3+",", n-1) + sha3 + "]"
		got, answer, _ := request{method: "POST", path: "/", body: batch}.send(t, url)
		require.Equal(t, status, got)
		require.Equal(t, status == 200, json.Valid([]byte(answer)), answer)
	}
}

// Connections that say nothing make room for new ones; when all are busy, the new one
// goes.
func TestConnectionLimit(t *testing.T) {
	g := newGate(t)
	cfg := g.config()
	cfg.Limits.Connections = 3
	door, err := rpc.New(cfg)
	require.NoError(t, err)
	url, stop := start(t, door)
	defer func() { require.NoError(t, stop()) }()
	address := strings.TrimPrefix(url, "http://")
	connect := func() net.Conn {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		return conn
	}
	ask := func(conn net.Conn, body string) {
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	answer := func(conn net.Conn) (int, error) {
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	idle := make([]net.Conn, 3)
	for i := range idle {
		idle[i] = connect()
		require.Eventually(t, func() bool { return door.Stats().Connections == i+1 }, 5*time.Second, time.Millisecond)
	}
	busy := make([]net.Conn, 3)
	for i := range busy {
		busy[i] = connect()
		ask(busy[i], readBalance)
		<-g.waiting
		_, err := idle[i].Read(make([]byte, 1))
		require.Error(t, err, "the longest idle one goes")
		require.Equal(t, 3, door.Stats().Connections)
	}
	_, err = connect().Read(make([]byte, 1))
	require.Error(t, err, "all are busy")
	close(g.opened)
	for i := range busy {
		status, err := answer(busy[i])
		require.NoError(t, err)
		require.Equal(t, 200, status)
	}
	last := connect()
	ask(last, chainID)
	status, err := answer(last)
	require.NoError(t, err)
	require.Equal(t, 200, status)
}

// A request that takes too long is answered with an error.
func TestTimeout(t *testing.T) {
	g := newGate(t)
	cfg := g.config()
	cfg.Limits.Timeout = 300 * time.Millisecond
	url := serve(t, cfg)
	time.AfterFunc(500*time.Millisecond, func() { close(g.opened) })
	require.Contains(t, post(t, url, readBalance), `"code":-32002`)
}

func TestStats(t *testing.T) {
	node := config(t)
	door, err := rpc.New(node)
	require.NoError(t, err)
	url, stop := start(t, door)
	defer func() { require.NoError(t, stop()) }()
	conn := dial(t, url)
	for range 3 {
		post(t, url, chainID)
		write(t, conn, chainID)
		read(t, conn)
	}
	post(t, url, `[`+chainID+`,{"jsonrpc":"2.0","method":"eth_chainId"},{"jsonrpc":"2.0","id":2,"method":"eth_made0Up"},`+chainID+`]`)
	post(t, url, `{"jsonrpc":"2.0","id":2,"method":"eth_getBalance"}`)
	for i := range 500 {
		post(t, url, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_made%dUp"}`, i))
		post(t, url, fmt.Sprintf(`{"jsonrpc":"2.0","method":"eth_made%dUp"}`, i))
	}
	// An answer among calls shifts the outcomes of the others.
	post(t, url, `[{"jsonrpc":"2.0","id":1,"result":"0x1"},{"jsonrpc":"2.0","id":1,"method":"eth_shifted"},`+chainID+`]`)
	post(t, url, `{`)
	post(t, url, `{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x00"]}`)

	stats := door.Stats()
	require.Equal(t, 1, stats.WebSockets)
	require.Len(t, stats.Methods, 4, "names that callers make up are not kept")
	chain := stats.Methods["eth_chainId"]
	require.EqualValues(t, 10, chain.Requests)
	require.Empty(t, chain.Errors)
	require.Positive(t, chain.LatencySum)
	var counted uint64
	for _, n := range chain.Latency {
		counted += n
	}
	require.EqualValues(t, 10, counted)
	require.Len(t, chain.Latency, len(rpc.LatencyBounds())+1)
	require.Equal(t, map[string]uint64{"params": 1}, stats.Methods["eth_getBalance"].Errors)
	require.Equal(t, map[string]uint64{"server": 1}, stats.Methods["eth_sendRawTransaction"].Errors)
	require.Equal(t, map[string]uint64{"method": 502, "parse": 1}, stats.Methods[rpc.OtherMethod].Errors)
	require.EqualValues(t, 1004, stats.Methods[rpc.OtherMethod].Requests)
}

func TestHealth(t *testing.T) {
	var reasons []rpc.Reason
	cfg := config(t)
	cfg.Ready = func() []rpc.Reason { return reasons }
	url := serve(t, cfg)
	get := func(path, accept string) (int, string) {
		status, body, header := request{method: "GET", path: path, header: http.Header{"Accept": {accept}}}.send(t, url)
		require.Equal(t, "no-store", header.Get("Cache-Control"))
		return status, body
	}
	status, body := get("/healthz/ready", "application/json")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"status":"ok","reasons":[]}`, body)
	reasons = []rpc.Reason{{Check: "head", Detail: "12 blocks behind"}}
	status, body = get("/healthz/ready", "application/json")
	require.Equal(t, 503, status)
	require.JSONEq(t, `{"status":"unavailable","reasons":[{"check":"head","detail":"12 blocks behind"}]}`, body)
	status, body = get("/healthz", "*/*")
	require.Equal(t, 503, status)
	require.Equal(t, "unavailable\nhead: 12 blocks behind\n", body)
	status, body = get("/healthz/live", "*/*")
	require.Equal(t, 200, status)
	require.Equal(t, "ok\n", body)
}
