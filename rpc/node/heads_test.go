package node_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/node"
)

// safe and finalized are the sequencer's, as far as this node has the blocks; and while
// it never told, and cannot be asked, that is the error.
func TestHeadsOfFullNode(t *testing.T) {
	g := newGappy(t)
	pin := func(published, proven uint64) {
		g.node.Pin(&backend.Heads{Sealed: g.block(6).Header.ID(), Published: g.block(published).Header.ID(), Proven: g.block(proven).Header.ID()})
	}
	at := func(tag string) uint64 {
		var h *struct{ Number hexutil.Uint64 }
		if g.client.Call(&h, "eth_getBlockByNumber", tag, false) != nil || h == nil {
			return 0
		}
		return uint64(h.Number)
	}
	soon := func(tag string, number uint64) {
		t.Helper()
		require.Eventually(t, func() bool { return at(tag) == number }, 5*time.Second, 10*time.Millisecond, "%s %d", tag, number)
	}
	g.fail(away)
	for _, tag := range []string{"safe", "finalized"} {
		for _, c := range []request{
			{"eth_getBlockByNumber", []any{tag, false}}, {"eth_getHeaderByNumber", []any{tag}}, {"eth_getBlockReceipts", []any{tag}},
			{"eth_getBalance", []any{common.Address{1}, tag}}, {"eth_getProof", []any{common.Address{1}, []string{}, tag}},
			{"eth_getLogs", []any{map[string]any{"fromBlock": tag}}}, {"eth_feeHistory", []any{"0x1", tag, []float64{}}},
			{"debug_executionWitness", []any{tag}}, {"debug_getRawHeader", []any{tag}},
		} {
			g.refused(-32000, "sequencer not reachable", c.method, c.args...)
		}
	}
	pin(5, 4)
	g.fails.Store(nil)
	soon("safe", 5)
	soon("finalized", 4)
	pin(6, 6)
	soon("finalized", 5) // all that there is here is proven
	require.EqualValues(t, 5, at("safe"))
	g.take(6)
	soon("finalized", 6)
	pin(1, 1)
	time.Sleep(150 * time.Millisecond) // more than an answer is remembered
	require.EqualValues(t, 6, at("finalized"), "what was proven remains so")
	g.fail(away)
	time.Sleep(150 * time.Millisecond)
	require.EqualValues(t, 6, at("finalized"), "also while the sequencer is away")

	// A block of another chain is nobody's head here.
	foreign := &gappy{t: t, node: rpctest.Dev(t, rpctest.Options{BlockTime: 7})}
	foreign.node.Seal()
	other := newGappy(t)
	other.node.Pin(&backend.Heads{Published: foreign.node.Head().ID(), Proven: foreign.node.Head().ID()})
	f := node.OfFullnode(nil, foreign.node.History(), g.node.ChainConfig(), node.FullnodeOptions{Sequencer: other.sequencer})
	require.Equal(t, chain.BlockID{}, f.Heads().Published)
	for tag, text := range map[rpc.BlockNumber]string{
		rpc.SafeBlockNumber: "safe block not found", rpc.FinalizedBlockNumber: "finalized block not found",
	} {
		_, err := backend.SealedNumber(f, rpc.BlockNumberOrHashWithNumber(tag))
		require.EqualError(t, err, text, "it answered")
	}
	alone := node.OfFullnode(nil, g.store, g.node.ChainConfig(), node.FullnodeOptions{})
	_, err := backend.SealedNumber(alone, rpc.BlockNumberOrHashWithNumber(rpc.SafeBlockNumber))
	require.EqualError(t, err, "sequencer not reachable")
}

// What all ask for at once the sequencer is asked once.
func TestHeadsAreAskedOnce(t *testing.T) {
	g := newGappy(t)
	g.asked.Store(0)
	done := make(chan backend.Heads)
	for range 50 {
		go func() { done <- g.fullnode.Heads() }()
	}
	for range 50 {
		require.EqualValues(t, 5, (<-done).Proven.Number)
	}
	require.LessOrEqual(t, g.asked.Load(), int64(3)) // more than one on a slow machine only
}

func TestSyncing(t *testing.T) {
	g := newGappy(t)
	require.Equal(t, "false", g.result("eth_syncing"), "a block behind")
	for range 4 {
		g.node.Seal()
	}
	var got map[string]any
	require.Eventually(t, func() bool {
		return json.Unmarshal([]byte(g.result("eth_syncing")), &got) == nil
	}, 5*time.Second, 10*time.Millisecond)
	require.Equal(t, "0x5", got["startingBlock"])
	require.Equal(t, "0x5", got["currentBlock"])
	require.Equal(t, "0xa", got["highestBlock"])
	require.Len(t, got, 22, "go-ethereum's fields")
	for n := uint64(6); n <= 10; n++ {
		g.take(n)
	}
	require.Equal(t, "false", g.result("eth_syncing"))
	raw, err := ask(t, g.sequencer, "eth_syncing")
	require.NoError(t, err)
	require.Equal(t, "false", raw)
	g.fail(away)
	time.Sleep(150 * time.Millisecond)
	require.Equal(t, "false", g.result("eth_syncing"))
}
