package node_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/rpc/realtime"
)

const (
	realtimeSend = "realtime_sendRawTransaction"
	syncSend     = "eth_sendRawTransactionSync"
)

// A follower is a full node that has what its sequencer has at the same moment.
type follower struct {
	*node.Fullnode
	sequencer *rpctest.Node
}

// Latest implements backend.Backend.
func (f follower) Latest() (chain.StateView, *chain.Env) { return f.sequencer.Latest() }

// A pair is a sequencer and a full node that passes transactions on to it, each
// behind a door.
type pair struct {
	t        *testing.T
	node     *rpctest.Node // the sequencer
	fullnode *node.Fullnode
	doors    map[string]*rpc.Client
	asked    atomic.Int64 // times that either door was
}

func newPair(t *testing.T, options rpctest.Options, sequencer, fullnode realtime.Config) *pair {
	p := &pair{t: t, node: rpctest.Dev(t, options), doors: make(map[string]*rpc.Client)}
	p.doors["sequencer"] = p.open(p.node, sequencer)
	p.fullnode = node.OfFullnode(nil, p.node.History(), p.node.ChainConfig(), node.FullnodeOptions{Sequencer: p.doors["sequencer"]})
	p.doors["full node"] = p.open(follower{p.fullnode, p.node}, fullnode)
	return p
}

// open serves what a node's clients send with, and what a full node asks for besides.
func (p *pair) open(b backend.Backend, cfg realtime.Config) *rpc.Client {
	p.t.Helper()
	service, server := realtime.New(b, cfg), rpc.NewServer()
	for _, receiver := range []any{service.Eth(false), nonces{b}} {
		require.NoError(p.t, server.RegisterName("eth", receiver))
	}
	require.NoError(p.t, server.RegisterName("realtime", service.Realtime()))
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		server.ServeHTTP(w, r)
	}))
	client, err := rpc.Dial(front.URL)
	require.NoError(p.t, err)
	p.t.Cleanup(func() {
		client.Close()
		front.Close()
		server.Stop()
	})
	return client
}

// nonces is the receiver of eth_getTransactionCount at pending.
type nonces struct{ backend backend.Backend }

func (n nonces) GetTransactionCount(ctx context.Context, addr common.Address, _ string) (hexutil.Uint64, error) {
	nonce, err := n.backend.PendingNonce(ctx, addr)
	return hexutil.Uint64(nonce), err
}

// An answer is all that a client gets.
type answer struct {
	result  any
	code    int
	message string
	data    any
}

func (p *pair) ask(door, method string, args ...any) (a answer) {
	p.t.Helper()
	err := p.doors[door].Call(&a.result, method, args...)
	if err == nil {
		return a
	}
	coded := rpc.Error(nil)
	require.ErrorAs(p.t, err, &coded)
	a.code, a.message = coded.ErrorCode(), coded.Error()
	if withData := rpc.DataError(nil); errors.As(err, &withData) {
		a.data = withData.ErrorData()
	}
	return a
}

// same is the answer of the sequencer, and of the full node.
func (p *pair) same(method string, args ...any) answer {
	p.t.Helper()
	want := p.ask("sequencer", method, args...)
	require.Equal(p.t, want, p.ask("full node", method, args...), method)
	return want
}

func TestReceiptThroughFullNode(t *testing.T) {
	p := newPair(t, rpctest.Options{}, realtime.Config{}, realtime.Config{})
	for _, method := range []string{realtimeSend, syncSend} {
		for _, door := range []string{"full node", "sequencer"} {
			tx := p.node.Transfer(0, common.Address{1}, 1)
			got := p.ask(door, method, hexutil.Bytes(tx.Raw()))
			require.Empty(t, got.message)
			require.Equal(t, tx.Hash().Hex(), got.result.(map[string]any)["transactionHash"])
			// Who sends again gets it from either.
			require.Equal(t, got, p.same(method, hexutil.Bytes(tx.Raw())))
		}
	}
}

func TestRefusedThroughFullNode(t *testing.T) {
	p := newPair(t, rpctest.Options{}, realtime.Config{}, realtime.Config{})
	tx := p.node.Transfer(0, common.Address{1}, 1)
	for _, test := range []struct {
		name           string
		err            error
		realtime, sync int
		data           any // of sync
	}{
		{"busy", fmt.Errorf("%w: 4096 wait", chain.ErrBusy), -32005, 5, tx.Hash().Hex()},
		{"closed", fmt.Errorf("stopped: %w", chain.ErrClosed), -32000, 5, tx.Hash().Hex()},
		{"too large", fmt.Errorf("%w: 1 byte", chain.ErrTooLarge), -32000, -32000, nil},
		{"invalid", fmt.Errorf("%w: nonce too low", chain.ErrInvalidTx), -32000, -32000, nil},
		{"another", errors.New("disk"), -32000, -32000, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p.node.Refuse(test.err)
			defer p.node.Refuse(nil)
			require.Equal(t, test.realtime, p.same(realtimeSend, hexutil.Bytes(tx.Raw())).code)
			got := p.same(syncSend, hexutil.Bytes(tx.Raw()))
			require.Equal(t, test.sync, got.code)
			require.Equal(t, test.data, got.data)
		})
	}
	for _, method := range []string{realtimeSend, syncSend} {
		require.Equal(t, -32000, p.same(method, hexutil.Bytes{1, 2, 3}).code)
	}
}

func TestNonceGapThroughFullNode(t *testing.T) {
	p := newPair(t, rpctest.Options{}, realtime.Config{}, realtime.Config{})
	first, second := p.node.Transfer(0, common.Address{1}, 1), p.node.Transfer(0, common.Address{1}, 2)
	got := p.same(syncSend, hexutil.Bytes(second.Raw()))
	require.Equal(t, 6, got.code)
	require.Equal(t, "0x0", got.data)

	got = p.same(realtimeSend, hexutil.Bytes(second.Raw()), 20)
	requireExpired(t, second, got)
	waiting := make(chan error, 1)
	go func() {
		var receipt map[string]any
		waiting <- p.doors["full node"].Call(&receipt, realtimeSend, hexutil.Bytes(second.Raw()))
	}()
	require.Empty(t, p.ask("full node", realtimeSend, hexutil.Bytes(first.Raw())).message)
	require.NoError(t, <-waiting, "it waited for the one before")
}

// TestTimeoutThroughFullNode: a client gets the time that it names, whatever the
// sequencer grants who names none, or at most.
func TestTimeoutThroughFullNode(t *testing.T) {
	for name, granted := range map[string]realtime.Config{
		"standard": {RealtimeTimeout: 10 * time.Millisecond},
		"most":     {RealtimeTimeout: 10 * time.Millisecond, SyncTimeoutMax: 15 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, rpctest.Options{Hold: true}, granted, realtime.Config{})
			tx := p.node.Transfer(0, common.Address{1}, 1)
			begin := time.Now()
			got := p.ask("full node", syncSend, hexutil.Bytes(tx.Raw()), 100)
			require.GreaterOrEqual(t, time.Since(begin), 100*time.Millisecond)
			if name == "standard" {
				require.Equal(t, int64(2), p.asked.Load(), "the full node, and by it the sequencer, once")
			}
			require.Equal(t, 4, got.code, got.message)
			require.Contains(t, got.message, "wasn't processed in 100ms")
			require.Equal(t, tx.Hash().Hex(), got.data)
			got = p.ask("full node", realtimeSend, hexutil.Bytes(tx.Raw()), 50)
			requireExpired(t, tx, got)

			// And what comes late is not missed.
			done := make(chan error, 1)
			go func() {
				_, err := p.fullnode.Submit(context.Background(), tx.Raw()) // no deadline
				done <- err
			}()
			time.Sleep(40 * time.Millisecond)
			p.node.Mini()
			require.NoError(t, <-done)
		})
	}
	p := newPair(t, rpctest.Options{Hold: true}, realtime.Config{}, realtime.Config{})
	tx := p.node.Transfer(0, common.Address{1}, 1)
	require.Equal(t, 4, p.same(syncSend, hexutil.Bytes(tx.Raw()), 20).code)
	requireExpired(t, tx, p.same(realtimeSend, hexutil.Bytes(tx.Raw()), 20))
}

func requireExpired(t *testing.T, tx *chain.Tx, got answer) {
	t.Helper()
	require.Equal(t, -32000, got.code)
	require.True(t, strings.HasPrefix(got.message, realtime.Expired), got.message)
	require.Equal(t, tx.Hash().Hex(), got.data)
}

func TestSubmitEndsWithItsContext(t *testing.T) {
	p := newPair(t, rpctest.Options{Hold: true}, realtime.Config{}, realtime.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := p.fullnode.Submit(ctx, p.node.Transfer(0, common.Address{1}, 1).Raw())
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// What waits for the sequencer says so before it asks.
func TestSendersRest(t *testing.T) {
	p := newPair(t, rpctest.Options{}, realtime.Config{}, realtime.Config{})
	for _, send := range []func(context.Context, []byte) (common.Hash, error){p.fullnode.Submit, p.fullnode.Send} {
		asked, rests := p.asked.Load(), 0
		ctx := sched.WithRest(t.Context(), func() {
			rests++
			require.Equal(t, asked, p.asked.Load())
		})
		_, _ = send(ctx, p.node.Transfer(0, common.Address{1}, 1).Raw()) // this sequencer serves only the first
		require.Equal(t, 1, rests)
		require.Less(t, asked, p.asked.Load())
	}
}
