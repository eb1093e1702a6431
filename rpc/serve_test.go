package rpc_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc"
)

// serve serves a door at a port of this host until the test ends, and returns its
// address.
func serve(tb testing.TB, cfg rpc.Config) (url string) {
	tb.Helper()
	door, err := rpc.New(cfg)
	require.NoError(tb, err)
	url, stop := start(tb, door)
	tb.Cleanup(func() { require.NoError(tb, stop()) })
	return url
}

// start serves a door until stop is called.
func start(tb testing.TB, door *rpc.Server) (url string, stop func() error) {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- door.Serve(ctx, listener) }()
	return "http://" + listener.Addr().String(), func() error {
		cancel()
		return <-served
	}
}

// brokenListener accepts nothing.
type brokenListener struct{ net.Listener }

func (brokenListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (brokenListener) Close() error              { return nil }
