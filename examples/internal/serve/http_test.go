package serve

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A request that comes over a connection that is open, after the door was told to end, is
// answered, with the word to send no other; new connections are not accepted.
func TestHTTPLosesNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- HTTP(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answer") }))
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	in := bufio.NewReader(conn)
	ask := func() (last bool) {
		r, err := http.NewRequest(http.MethodGet, "http://x/", http.NoBody)
		require.NoError(t, err)
		require.NoError(t, r.Write(conn))
		response, err := http.ReadResponse(in, r)
		require.NoError(t, err, "the request is lost")
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, "answer", string(body))
		return response.Close
	}
	require.False(t, ask())
	cancel()
	require.Eventually(t, func() bool {
		other, err := net.Dial("tcp", listener.Addr().String())
		if err == nil {
			_ = other.Close()
		}
		return err != nil
	}, 10*time.Second, time.Millisecond, "connections are accepted")
	for !ask() { // that it has ended, it may not have heard yet
	}
	began := time.Now()
	require.NoError(t, <-ended)
	require.Less(t, time.Since(began), lingerTime, "nobody is waited for")
}

// Nobody keeps the door open: neither who has a connection and says nothing, nor who takes
// forever with what he asked for.
func TestHTTPEndsWithoutClients(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	asked, ended, over := make(chan struct{}), make(chan error, 1), make(chan struct{})
	go func() {
		ended <- HTTP(ctx, listener, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(asked)
			<-r.Context().Done()
			close(over)
		}))
	}()
	for _, words := range []string{"", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"} {
		conn, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, words)
		require.NoError(t, err)
	}
	<-asked
	cancel()
	require.NoError(t, <-ended)
	<-over
}

// A listener that fails is told of.
func TestHTTPFails(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	require.ErrorIs(t, HTTP(t.Context(), listener, http.NotFoundHandler()), net.ErrClosed)
}
