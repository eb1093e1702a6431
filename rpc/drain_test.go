package rpc_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// A caller sends one request after the other over a connection, and over another when it
// is told that there will be no more answers, until it finds no door.
type caller struct {
	address string
	next    func() (body string)
	pause   time.Duration // between requests

	answered atomic.Int64
	lost     []error // requests that were sent, and had no answer
}

func (c *caller) run() {
	for {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			return
		}
		if err := c.converse(conn); err != nil {
			c.lost = append(c.lost, err)
		}
		_ = conn.Close()
	}
}

// converse sends requests until the door says that it will close the connection.
func (c *caller) converse(conn net.Conn) error {
	in := bufio.NewReader(conn)
	for nth := 1; ; nth++ {
		body := c.next()
		_, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		if err != nil {
			return fmt.Errorf("request %d of its connection: %w", nth, err)
		}
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			return fmt.Errorf("answer %d of its connection: %w", nth, err)
		}
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(text), `"result"`) {
			return fmt.Errorf("answer %d of its connection: %s %q, %w", nth, response.Status, text, err)
		}
		c.answered.Add(1)
		if response.Close {
			return nil
		}
		time.Sleep(c.pause)
	}
}

// busyMachine is longer than a process that is ready waits for a processor.
const busyMachine = time.Minute

// Who talks to a door that stops has an answer to every request, and then finds none.
func TestDrainLosesNothing(t *testing.T) {
	const rounds, callers = 5, 16
	node := rpctest.Dev(t, rpctest.Options{})
	for range rounds {
		door, err := rpc.New(rpc.Config{Backend: node, Engine: node.Engine(), Limits: rpc.Limits{Drain: busyMachine}})
		require.NoError(t, err)
		door.Linger(busyMachine) // but for the callers: it ends with the last of their connections
		url, stop := start(t, door)
		var (
			all     []*caller
			running sync.WaitGroup
		)
		for i := range callers {
			c := &caller{address: strings.TrimPrefix(url, "http://"), next: func() string { return chainID }, pause: time.Duration(i%4) * 200 * time.Microsecond}
			if i < callers/4 {
				c.next = func() string { return sendRaw(node.Transfer(i, common.Address{1}, 1).Raw()) }
			}
			all = append(all, c)
			running.Go(c.run)
		}
		for _, c := range all {
			require.Eventually(t, func() bool { return c.answered.Load() > 3 }, busyMachine, time.Millisecond)
		}
		require.NoError(t, stop())
		running.Wait()
		for _, c := range all {
			require.Empty(t, c.lost)
		}
	}
}

func sendRaw(raw []byte) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["%s"]}`, hexutil.Encode(raw))
}

// A door that stops answers once more over a connection that waits, and says that this was
// the last time; one that stays silent does not hold it up for long.
func TestDrainTells(t *testing.T) {
	door, err := rpc.New(config(t))
	require.NoError(t, err)
	const lingers = 5 * time.Second // who is to be heard may have to wait for a processor
	door.Linger(lingers)
	url, stop := start(t, door)
	address := strings.TrimPrefix(url, "http://")
	open := func() (net.Conn, func() *http.Response) {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		in := bufio.NewReader(conn)
		return conn, func() *http.Response {
			_, err := io.WriteString(conn, "GET /healthz/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
			require.NoError(t, err)
			response, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			text, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, response.StatusCode == http.StatusOK, string(text) == "ok\n")
			return response
		}
	}
	_, ask := open()
	silent, askOnce := open()
	require.False(t, ask().Close)
	require.False(t, askOnce().Close)
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, busyMachine, time.Millisecond)
	response := ask()
	for ; !response.Close; response = ask() {
	}
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.NoError(t, <-stopped)
	_, err = silent.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}
