package node_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/debug"
	"github.com/vivace-chain/vivace/rpc/ethapi"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/rpc/realtime"
)

// A gappy pair is a sequencer with six blocks and a full node whose history begins at
// block 4, and has heard of block 5 last; both answer namespaces eth, txpool, debug and
// realtime.
type gappy struct {
	t         *testing.T
	node      *rpctest.Node // the sequencer
	fullnode  *node.Fullnode
	store     *history.Store
	sequencer *rpc.Client
	client    *rpc.Client  // of the full node
	url       string       // of the sequencer
	asked     atomic.Int64 // times that the sequencer was
	fails     atomic.Pointer[http.HandlerFunc]
}

func newGappy(t *testing.T) *gappy { return newGappyOf(t, history.Config{}) }

func newGappyOf(t *testing.T, cfg history.Config) *gappy {
	g := &gappy{t: t, node: rpctest.Dev(t, rpctest.Options{Hold: true})}
	for range 6 {
		g.node.Seal(g.node.Transfer(0, common.Address{1}, 1), g.node.Transfer(1, common.Address{2}, 1))
	}
	genesis, err := g.node.History().Header(0)
	require.NoError(t, err)
	cfg.Dir, cfg.Genesis = t.TempDir(), genesis
	g.store, err = history.Open(cfg)
	require.NoError(t, err)
	g.take(4)
	g.take(5)
	g.sequencer, g.url = g.serve(g.node, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		g.asked.Add(1)
		if fails := g.fails.Load(); fails != nil {
			(*fails)(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
	f, err := fullnode.New(t.Context(), fullnode.Config{Genesis: rpctest.DevSpec(t, nil).Genesis, Subscriber: link.NewBus(1 << 20)})
	require.NoError(t, err)
	g.fullnode = node.OfFullnode(f, g.store, g.node.ChainConfig(), node.FullnodeOptions{Sequencer: g.sequencer})
	g.client, _ = g.serve(follower{g.fullnode, g.node}, func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) })
	t.Cleanup(func() { // after the servers
		require.NoError(t, f.Close())
		require.NoError(t, g.store.Close())
	})
	return g
}

// take writes a block of the sequencer's into the full node's history.
func (g *gappy) take(number uint64) {
	b := g.block(number)
	require.NoError(g.t, g.store.OpenBlock(b.Env))
	require.NoError(g.t, g.store.Acknowledge(number, b.Txs, b.Receipts))
	require.NoError(g.t, g.store.Seal(b.Header))
}

func (g *gappy) block(number uint64) *history.Block {
	b, err := g.node.History().Block(number)
	require.NoError(g.t, err)
	return b
}

func (g *gappy) serve(b backend.Backend, around func(http.ResponseWriter, *http.Request, http.Handler)) (*rpc.Client, string) {
	server := rpc.NewServer()
	service := realtime.New(b, realtime.Config{})
	for _, r := range []struct {
		name     string
		receiver any
	}{
		{"eth", ethapi.New(b, ethapi.Options{})}, {"eth", service.Eth(false)}, {"txpool", ethapi.NewTxPool(b)},
		{"debug", debug.New(b, g.node.Engine(), debug.Config{})}, {"realtime", service.Realtime()},
	} {
		require.NoError(g.t, server.RegisterName(r.name, r.receiver))
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { around(w, r, server) }))
	client, err := rpc.Dial(front.URL)
	require.NoError(g.t, err)
	g.t.Cleanup(func() {
		client.Close()
		front.Close()
		server.Stop()
	})
	return client, front.URL
}

// fail makes the sequencer's server do something else than answer.
func (g *gappy) fail(with http.HandlerFunc) { g.fails.Store(&with) }

func away(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }

func ask(t *testing.T, c *rpc.Client, method string, args ...any) (string, error) {
	t.Helper()
	var raw json.RawMessage
	err := c.CallContext(t.Context(), &raw, method, args...)
	return string(raw), err
}

// result is what the full node answers.
func (g *gappy) result(method string, args ...any) string {
	g.t.Helper()
	raw, err := ask(g.t, g.client, method, args...)
	require.NoError(g.t, err, "%s %v", method, args)
	return raw
}

// refused checks that the full node answers with an error.
func (g *gappy) refused(code int, text, method string, args ...any) {
	g.t.Helper()
	raw, err := ask(g.t, g.client, method, args...)
	require.EqualError(g.t, err, text, "%s %v: %s", method, args, raw)
	requireCode(g.t, code, err)
}

func requireCode(t *testing.T, code int, err error) {
	t.Helper()
	coded := rpc.Error(nil)
	require.True(t, errors.As(err, &coded), err)
	require.Equal(t, code, coded.ErrorCode(), err)
}

type request struct {
	method string
	args   []any
}

// lookups are the calls that ask for a block, or for a transaction in it.
func lookups(b *history.Block) (out []request) {
	add := func(method string, args ...any) { out = append(out, request{method, args}) }
	number := hexutil.Uint64(b.Number())
	for _, by := range []struct {
		name string
		at   any
	}{{"Number", number}, {"Hash", b.Hash}} {
		add("eth_getBlockBy"+by.name, by.at, true)
		add("eth_getBlockBy"+by.name, by.at, false)
		add("eth_getHeaderBy"+by.name, by.at)
		add("eth_getBlockTransactionCountBy"+by.name, by.at)
		add("eth_getUncleCountByBlock"+by.name, by.at)
		add("eth_getUncleByBlock"+by.name+"AndIndex", by.at, "0x0")
		add("eth_getTransactionByBlock"+by.name+"AndIndex", by.at, "0x1")
		add("eth_getTransactionByBlock"+by.name+"AndIndex", by.at, "0x9")
		add("eth_getRawTransactionByBlock"+by.name+"AndIndex", by.at, "0x1")
	}
	for _, at := range []any{number, map[string]any{"blockHash": b.Hash}} {
		for _, method := range []string{"eth_getBlockReceipts", "debug_getRawHeader", "debug_getRawBlock", "debug_getRawReceipts"} {
			add(method, at)
		}
	}
	hash := b.Txs[1].Hash()
	for _, method := range []string{"eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getRawTransactionByHash", "debug_getRawTransaction"} {
		add(method, hash)
	}
	return out
}

// What is not kept at a full node is answered as the sequencer does; and if that is of
// no help it is said not to be kept: never that it does not exist.
func TestGap(t *testing.T) {
	g := newGappy(t)
	for _, number := range []uint64{1, 3, 4, 5} {
		b := g.block(number)
		for _, c := range lookups(b) {
			want, err := ask(t, g.sequencer, c.method, c.args...)
			require.NoError(t, err)
			g.asked.Store(0)
			require.JSONEq(t, want, g.result(c.method, c.args...), "%s %v", c.method, c.args)
			if number >= 4 {
				require.Zero(t, g.asked.Load(), "%s %v is kept here", c.method, c.args)
			}
		}
	}
	nowhere := common.Hash{0xaa}
	for _, method := range []string{"eth_getBlockByHash", "eth_getTransactionByHash", "eth_getTransactionReceipt"} {
		args := []any{nowhere}
		if method == "eth_getBlockByHash" {
			args = append(args, false)
		}
		require.Equal(t, "null", g.result(method, args...), "the sequencer knows that it does not exist")
	}
	require.Equal(t, "null", g.result("eth_getBlockByNumber", "0x63", false))

	g.fail(away)
	for _, c := range lookups(g.block(3)) {
		_, err := ask(t, g.client, c.method, c.args...)
		if hash, ok := c.args[0].(common.Hash); ok && hash == g.block(3).Txs[1].Hash() {
			require.EqualError(t, err, "sequencer not reachable", c.method)
			requireCode(t, -32000, err)
			continue
		}
		require.EqualError(t, err, "pruned history unavailable", "%s %v", c.method, c.args)
		requireCode(t, 4444, err)
	}
	for _, c := range lookups(g.block(5)) {
		g.result(c.method, c.args...)
	}
	require.Equal(t, "null", g.result("eth_getBlockByNumber", "0x63", false), "no block is beyond the head")
	g.refused(4444, "pruned history unavailable", "eth_getBlockByHash", nowhere, false)
	for _, at := range []any{"0x3", map[string]any{"blockHash": g.block(3).Hash}} {
		g.refused(4444, "pruned history unavailable", "eth_getBalance", common.Address{1}, at)
		g.refused(4444, "pruned history unavailable", "eth_getProof", common.Address{1}, []string{}, at)
		g.refused(4444, "pruned history unavailable", "debug_executionWitness", at)
	}
	g.refused(4444, "pruned history unavailable", "eth_getLogs", map[string]any{"blockHash": g.block(3).Hash})
	g.refused(4444, "pruned history unavailable", "eth_getLogs", map[string]any{"fromBlock": "earliest"})
}

// What the sequencer has of a block that is not here yet is not shown as if it were.
func TestAheadOfFullNode(t *testing.T) {
	g := newGappy(t)
	b := g.block(6)
	tx := b.Txs[0]
	require.Equal(t, "null", g.result("eth_getBlockByHash", b.Hash, false))
	require.Equal(t, "null", g.result("eth_getHeaderByHash", b.Hash))
	require.Equal(t, "null", g.result("eth_getTransactionReceipt", tx.Hash()))
	require.Equal(t, `"`+hexutil.Encode(tx.Raw())+`"`, g.result("eth_getRawTransactionByHash", tx.Hash()))
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(g.result("eth_getTransactionByHash", tx.Hash())), &got))
	require.Equal(t, tx.Hash().Hex(), got["hash"])
	for _, field := range []string{"blockHash", "blockNumber", "transactionIndex"} {
		require.Nil(t, got[field], field)
	}
	g.take(6)
	for _, c := range lookups(b) {
		want, err := ask(t, g.sequencer, c.method, c.args...)
		require.NoError(t, err)
		require.JSONEq(t, want, g.result(c.method, c.args...))
	}
}

// A history without gaps knows what does not exist: receipts and blocks, for which
// clients poll, are not asked for elsewhere.
func TestCompleteHistoryAsksNobody(t *testing.T) {
	p := newGappy(t)
	g := &gappy{t: t, node: p.node}
	var err error
	genesis := p.block(0).Header
	g.store, err = history.Open(history.Config{Dir: t.TempDir(), Genesis: genesis})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.store.Close()) })
	g.take(1)
	api := ethapi.New(node.OfFullnode(nil, g.store, g.node.ChainConfig(), node.FullnodeOptions{Sequencer: p.sequencer}), ethapi.Options{})
	p.asked.Store(0)
	receipt, err := api.GetTransactionReceipt(t.Context(), g.block(2).Txs[0].Hash())
	require.NoError(t, err)
	require.Nil(t, receipt)
	block, err := api.GetBlockByHash(t.Context(), g.block(2).Hash, false)
	require.NoError(t, err)
	require.Nil(t, block)
	require.Zero(t, p.asked.Load())
}

// Who sends through a full node sees what he sent, and the nonce after it, at once.
func TestSentThroughFullNode(t *testing.T) {
	g := newGappy(t)
	sender := rpctest.AccountAt(0).Address
	nonce := func(tag string) string { return g.result("eth_getTransactionCount", sender, tag) }
	for i := range 5 {
		require.Equal(t, fmt.Sprintf(`"%#x"`, 6+i), nonce("pending"))
		tx := g.node.Transfer(0, common.Address{1}, 1)
		require.Equal(t, `"`+tx.Hash().Hex()+`"`, g.result("eth_sendRawTransaction", hexutil.Bytes(tx.Raw())))
		var got map[string]any
		require.NoError(t, json.Unmarshal([]byte(g.result("eth_getTransactionByHash", tx.Hash())), &got))
		require.Equal(t, tx.Hash().Hex(), got["hash"])
		require.Contains(t, got, "blockNumber")
		require.Nil(t, got["blockNumber"])
		require.Equal(t, "null", g.result("eth_getTransactionReceipt", tx.Hash()))
		require.Equal(t, `"`+hexutil.Encode(tx.Raw())+`"`, g.result("debug_getRawTransaction", tx.Hash()))
	}
	require.JSONEq(t, `{"pending":"0x5","queued":"0x0"}`, g.result("txpool_status"))
	g.node.Mini() // executed there, not here
	require.Equal(t, `"0xb"`, nonce("pending"))
}

// Who sends a transaction again that executed in a block that the full node does not keep
// gets the sequencer's receipt, and does not wait for one that will not come.
func TestSentAgain(t *testing.T) {
	g := newGappy(t)
	for number, kept := range map[uint64]bool{2: false, 4: true, 5: true} {
		tx := g.block(number).Txs[1]
		want, err := ask(t, g.sequencer, "eth_getTransactionReceipt", tx.Hash())
		require.NoError(t, err)
		for _, method := range []string{realtimeSend, syncSend} {
			asked := g.asked.Load()
			require.JSONEq(t, want, g.result(method, hexutil.Bytes(tx.Raw()), 60_000), "%s, block %d", method, number)
			if kept {
				require.Equal(t, asked+1, g.asked.Load(), "its own receipt is not asked for")
			}
		}
	}
	tx := g.block(2).Txs[1]
	var first atomic.Bool
	g.fail(func(w http.ResponseWriter, r *http.Request) {
		if first.Swap(true) { // the sequencer answers once more
			away(w, r)
			return
		}
		receipt := fmt.Sprintf(`{"transactionHash":"%s","blockNumber":"0x2"}`, tx.Hash())
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, idOf(r), receipt)
	})
	g.refused(4444, "pruned history unavailable", realtimeSend, hexutil.Bytes(tx.Raw()), 60_000)
}

// idOf is a JSON-RPC request's.
func idOf(r *http.Request) json.RawMessage {
	var request struct{ ID json.RawMessage }
	_ = json.NewDecoder(r.Body).Decode(&request) // an answer without an id is none
	return request.ID
}
