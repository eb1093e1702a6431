package node_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/rpc/ethapi"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/rpc/realtime"
)

// Nothing that a client gets says where the sequencer is.
func TestNoAddressLeaks(t *testing.T) {
	g := newGappy(t)
	waiting := g.node.Transfer(1, common.Address{2}, 1)
	calls := []request{
		{"eth_sendRawTransaction", []any{hexutil.Bytes(waiting.Raw())}},
		{"realtime_sendRawTransaction", []any{hexutil.Bytes(waiting.Raw())}},
		{"eth_sendRawTransactionSync", []any{hexutil.Bytes(waiting.Raw())}},
		{"eth_getTransactionCount", []any{common.Address{1}, "pending"}},
		{"eth_getTransactionByHash", []any{waiting.Hash()}},
		{"txpool_status", nil}, {"txpool_content", nil}, {"txpool_inspect", nil}, {"txpool_contentFrom", []any{common.Address{1}}},
	}
	check := func(t *testing.T) {
		for _, c := range calls {
			raw, err := ask(t, g.client, c.method, c.args...)
			require.EqualError(t, err, "sequencer not reachable", "%s: %s", c.method, raw)
			requireCode(t, -32000, err)
		}
	}
	hangUp := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	}
	nonsense := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }
	for name, how := range map[string]http.HandlerFunc{"gateway": away, "hang up": hangUp, "nonsense": nonsense} {
		t.Run(name, func(t *testing.T) {
			g.fail(how)
			check(t)
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		g.sequencer.Close()
		client, err := rpc.Dial("http://127.0.0.1:1")
		require.NoError(t, err)
		defer client.Close()
		b := follower{node.OfFullnode(nil, g.store, g.node.ChainConfig(), node.FullnodeOptions{Sequencer: client}), g.node}
		g.client, _ = g.serve(b, func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) })
		check(t)
	})
	t.Run("no sequencer", func(t *testing.T) {
		b := follower{node.OfFullnode(nil, g.store, g.node.ChainConfig(), node.FullnodeOptions{}), g.node}
		g.client, _ = g.serve(b, func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) })
		check(t)
	})
}

// A caller who gives up gets his own error.
func TestCallerGivesUp(t *testing.T) {
	g := newGappy(t)
	release := make(chan struct{})
	defer close(release)
	g.fail(func(http.ResponseWriter, *http.Request) { <-release })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := g.fullnode.Forward(ctx, "txpool_status")
	require.Equal(t, context.DeadlineExceeded, err)
	_, err = g.fullnode.Send(ctx, []byte{1})
	require.Equal(t, context.DeadlineExceeded, err)
	_, err = g.fullnode.PoolTx(ctx, common.Hash{1})
	require.Equal(t, context.DeadlineExceeded, err)
}

// A flood of what does not exist reaches the sequencer as a trickle.
func TestReadsAreBounded(t *testing.T) {
	g := newGappy(t)
	var now, most atomic.Int64
	release := make(chan struct{})
	g.fail(func(w http.ResponseWriter, r *http.Request) {
		for n := now.Add(1); ; {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		<-release
		now.Add(-1)
		away(w, r)
	})
	done := make(chan error)
	const callers = 300
	for i := range callers {
		go func() {
			_, err := g.fullnode.PoolTx(t.Context(), common.Hash{byte(i), byte(i >> 8), 1})
			done <- err
		}()
	}
	require.Eventually(t, func() bool { return most.Load() == 64 }, 5*time.Second, time.Millisecond)
	time.Sleep(20 * time.Millisecond)
	close(release)
	for range callers {
		require.Error(t, <-done)
	}
	require.Equal(t, int64(64), most.Load())
}

// Many calls at a time, again and again, do not make as many connections.
func TestConnectionsAreKept(t *testing.T) {
	p := newPair(t, rpctest.Options{}, realtime.Config{}, realtime.Config{})
	server := rpc.NewServer()
	require.NoError(t, server.RegisterName("eth", ethapi.New(p.node, ethapi.Options{})))
	var made atomic.Int64
	front := httptest.NewUnstartedServer(server)
	front.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			made.Add(1)
		}
	}
	front.Start()
	client, err := node.Dial(t.Context(), front.URL)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close(); front.Close(); server.Stop() })
	f := node.OfFullnode(nil, p.node.History(), p.node.ChainConfig(), node.FullnodeOptions{Sequencer: client})
	const callers, rounds = 16, 30
	for range rounds {
		var calls errgroup.Group
		for range callers {
			calls.Go(func() error {
				_, err := f.Forward(t.Context(), "eth_chainId")
				return err
			})
		}
		require.NoError(t, calls.Wait())
	}
	require.LessOrEqual(t, made.Load(), int64(4*callers), "connections for %d calls", callers*rounds)
}

// Where the sequencer is, and what is wrong with it, is for the log that the node was
// given.
func TestComplaintsAreLogged(t *testing.T) {
	p := newPair(t, rpctest.Options{}, realtime.Config{}, realtime.Config{})
	var logged bytes.Buffer
	client, err := node.Dial(t.Context(), "http://127.0.0.1:1")
	require.NoError(t, err)
	defer client.Close()
	f := node.OfFullnode(nil, p.node.History(), p.node.ChainConfig(), node.FullnodeOptions{
		Sequencer: client, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	_, err = f.Forward(t.Context(), "eth_chainId")
	require.EqualError(t, err, "sequencer not reachable")
	require.Contains(t, logged.String(), "127.0.0.1:1")
}

// That the sequencer does not serve a method does not read as if this node did not know
// it.
func TestSequencerDoesNotServe(t *testing.T) {
	p := newPair(t, rpctest.Options{}, realtime.Config{}, realtime.Config{})
	bare := rpc.NewServer()
	require.NoError(t, bare.RegisterName("net", ethapi.NewNet(p.node)))
	front := httptest.NewServer(bare)
	client, err := rpc.Dial(front.URL)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close(); front.Close(); bare.Stop() })
	f := node.OfFullnode(nil, p.node.History(), p.node.ChainConfig(), node.FullnodeOptions{Sequencer: client})
	p.doors["full node"] = p.open(follower{f, p.node}, realtime.Config{})
	tx := p.node.Transfer(0, common.Address{1}, 1)
	for _, method := range []string{realtimeSend, syncSend} {
		got := p.ask("full node", method, hexutil.Bytes(tx.Raw()))
		require.Equal(t, answer{code: -32000, message: "the sequencer does not serve realtime_sendRawTransaction"}, got)
	}
	require.Equal(t, -32601, p.ask("full node", "realtime_nothing").code)
	_, err = f.Forward(t.Context(), "txpool_content")
	require.EqualError(t, err, "the sequencer does not serve txpool_content")
}
