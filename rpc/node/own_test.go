package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/rpc/ethapi"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/rpc/realtime"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/state"
)

// A chained is a sequencer without a door, and a full node that follows it over a bus.
type chained struct {
	bus   *link.Bus
	f     *fullnode.Follower
	store *history.Store
	key   *attest.Key
}

func newChained(t *testing.T, headersOnly bool) *chained {
	spec := rpctest.DevSpec(t, nil)
	key, err := attest.NewKey(common.Hash{31: 1}.Bytes())
	require.NoError(t, err)
	c := &chained{bus: link.NewBus(1 << 26), key: key}
	s, err := sequencer.New(t.Context(), sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: t.TempDir(), Durability: state.DurabilityNone,
		DA: inprocess.New(), Publisher: c.bus, Subscriber: c.bus, BlockInterval: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	c.store, err = history.Open(history.Config{Dir: t.TempDir(), Genesis: spec.Genesis.Header, HeadersOnly: headersOnly})
	require.NoError(t, err)
	c.f, err = fullnode.New(t.Context(), fullnode.Config{
		Genesis: spec.Genesis, Subscriber: c.bus, History: c.store, Provers: []common.Address{key.Address()}, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- s.Run(ctx) }()
	go func() { done <- c.f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		require.NoError(t, s.Close())
		require.NoError(t, c.f.Close())
		require.NoError(t, c.store.Close())
	})
	return c
}

// attest publishes a prover's word for each block up to number.
func (c *chained) attest(t *testing.T, spec *chain.Genesis, number uint64) {
	parent := spec.Header
	for n := uint64(1); n <= number; n++ {
		h, err := c.store.Header(n)
		require.NoError(t, err)
		a := &chain.Attestation{
			ChainID: spec.ChainID, Term: h.Term(), Block: h.ID(), ParentHash: h.ParentHash,
			PreRoot: parent.StateRoot, PostRoot: h.StateRoot, ReceiptsRoot: h.ReceiptsRoot,
		}
		require.NoError(t, attest.Sign(a, c.key))
		msg, err := a.AppendBinary(nil)
		require.NoError(t, err)
		_, err = c.bus.Publish(t.Context(), link.TopicAttestations, msg)
		require.NoError(t, err)
		parent = h
	}
}

// teller is a sequencer to whom block 1 is the newest, published, and proven.
func (c *chained) teller(t *testing.T) *rpc.Client {
	first, err := c.store.Header(1)
	require.NoError(t, err)
	server := rpc.NewServer()
	t.Cleanup(server.Stop)
	require.NoError(t, server.RegisterName("eth", &teller{first.ID()}))
	client := rpc.DialInProc(server)
	t.Cleanup(client.Close)
	return client
}

type teller struct{ head chain.BlockID }

// GetHeaderByNumber is what the sequencer tells of any head.
func (l *teller) GetHeaderByNumber(string) map[string]any {
	return map[string]any{"number": hexutil.Uint64(l.head.Number), "hash": l.head.Hash}
}

// safe and finalized are what the node heard itself, and no sequencer is asked; of what is
// proven it would not be believed.
func TestHeadsAreOwn(t *testing.T) {
	for _, headersOnly := range []bool{false, true} {
		c := newChained(t, headersOnly)
		spec := rpctest.DevSpec(t, nil)
		full := node.OfFullnode(c.f, c.store, spec.Config, node.FullnodeOptions{Logger: slog.New(slog.DiscardHandler)})
		require.Eventually(t, func() bool { return full.Heads().Published.Number >= 3 }, 10*time.Second, time.Millisecond)
		told := node.OfFullnode(c.f, c.store, spec.Config, node.FullnodeOptions{Sequencer: c.teller(t), Logger: slog.New(slog.DiscardHandler)})
		for _, n := range []*node.Fullnode{full, told} {
			heads := n.Heads()
			require.NoError(t, heads.Unknown, "it knows: nothing is proven")
			require.Equal(t, chain.BlockID{}, heads.Proven)
		}
		c.attest(t, spec.Genesis, 2)
		require.Eventually(t, func() bool { return full.Heads().Proven.Number == 2 }, 10*time.Second, time.Millisecond)
		heads := full.Heads()
		require.NoError(t, heads.Unknown)
		header, err := c.store.Header(2)
		require.NoError(t, err)
		require.Equal(t, header.ID(), heads.Proven)
		require.GreaterOrEqual(t, heads.Published.Number, uint64(3))
	}
}

// A node of state has headers, and of the rest says that it is not kept.
func TestStateNode(t *testing.T) {
	c := newChained(t, true)
	spec := rpctest.DevSpec(t, nil)
	full := node.OfFullnode(c.f, c.store, spec.Config, node.FullnodeOptions{Logger: slog.New(slog.DiscardHandler)})
	require.Eventually(t, func() bool { return c.store.Head().Number >= 2 }, 10*time.Second, time.Millisecond)
	g := &gappy{t: t, node: rpctest.Dev(t, rpctest.Options{}), fullnode: full}
	g.client, _ = g.serve(full, func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) })
	g.refused(4444, "pruned history unavailable", "eth_getBlockByNumber", "0x1", false)
	g.refused(4444, "pruned history unavailable", "eth_getBlockReceipts", "0x1")
	g.refused(4444, "pruned history unavailable", "eth_getLogs", map[string]any{"fromBlock": "0x1", "toBlock": "0x2"})
	require.Contains(t, g.result("eth_getHeaderByNumber", "0x1"), `"number":"0x1"`)
	require.Contains(t, g.result("eth_getBalance", rpctest.AccountAt(0).Address, "latest"), "0x")
	const text = "pruned history unavailable: this node keeps headers only; for %s ask the sequencer, or a full node that is an archive"
	g.refused(4444, fmt.Sprintf(text, "logs"), "eth_newFilter", map[string]any{})
	g.refused(4444, fmt.Sprintf(text, "logs"), "eth_newFilter", map[string]any{"fromBlock": "0x1"})
	g.refused(4444, fmt.Sprintf(text, "transactions"), "eth_newPendingTransactionFilter")
	_, err := full.Submit(t.Context(), []byte{1})
	require.ErrorContains(t, err, "keeps no receipts")
	require.Zero(t, c.f.Stats().BodyBytes, "it does not even read them")
}

// A filter of blocks needs no more than headers.
func TestStateNodeBlockFilter(t *testing.T) {
	c := newChained(t, true)
	api := ethapi.New(node.OfFullnode(c.f, c.store, rpctest.DevSpec(t, nil).Config, node.FullnodeOptions{}), ethapi.Options{})
	first := c.store.Head().Number + 1
	id, err := api.NewBlockFilter()
	require.NoError(t, err)
	var hashes []common.Hash
	require.Eventually(t, func() bool {
		changes, err := api.GetFilterChanges(t.Context(), id)
		require.NoError(t, err)
		hashes = append(hashes, changes.([]common.Hash)...)
		return len(hashes) >= 3
	}, 10*time.Second, time.Millisecond)
	for i, hash := range hashes {
		number, err := c.store.Number(hash)
		require.NoError(t, err)
		require.GreaterOrEqual(t, number, first)
		if i > 0 {
			header, err := c.store.Header(number)
			require.NoError(t, err)
			require.Equal(t, hashes[i-1], header.ParentHash, "none is left out")
		}
	}
}

// What it does not keep, it asks the sequencer for, if there is one.
func TestStateNodeAsks(t *testing.T) {
	g := newGappyOf(t, history.Config{HeadersOnly: true})
	for _, c := range []request{
		{"eth_getBlockByNumber", []any{"0x4", true}}, {"eth_getBlockReceipts", []any{"0x5"}},
		{"eth_feeHistory", []any{"0x3", "0x5", []any{20, 60}}}, {"eth_feeHistory", []any{"0x2", "0x4", []any{50}}},
		{"eth_getTransactionReceipt", []any{g.block(4).Txs[0].Hash()}}, {"eth_getTransactionByHash", []any{g.block(4).Txs[1].Hash()}},
	} {
		want, err := ask(t, g.sequencer, c.method, c.args...)
		require.NoError(t, err)
		require.JSONEq(t, want, g.result(c.method, c.args...), c.method)
	}
}

// Who subscribes to what it does not hear of is told so, and who subscribes to headers
// gets them.
func TestStateNodeSubscriptions(t *testing.T) {
	c := newChained(t, true)
	full := node.OfFullnode(c.f, c.store, rpctest.DevSpec(t, nil).Config, node.FullnodeOptions{})
	server := rpc.NewServer()
	defer server.Stop()
	require.NoError(t, server.RegisterName("eth", realtime.New(full, realtime.Config{}).Eth(false)))
	client := rpc.DialInProc(server)
	defer client.Close()
	for _, what := range [][]any{{"logs", map[string]any{}}, {"newPendingTransactions"}, {"miniBlocks"}, {"stateChanges"}} {
		_, err := client.EthSubscribe(t.Context(), make(chan json.RawMessage), what...)
		require.ErrorContains(t, err, "ask the sequencer, or a full node that is an archive")
		requireCode(t, 4444, err)
	}
	heads := make(chan *struct{ Number hexutil.Uint64 })
	sub, err := client.EthSubscribe(t.Context(), heads, "newHeads")
	require.NoError(t, err)
	require.Positive(t, (<-heads).Number)
	sub.Unsubscribe()
}
