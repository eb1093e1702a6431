package debug

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/stateless"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

func newHasher() *trie.StackTrie { return trie.NewStackTrie(nil) }

// TestWitness has every block executed from its witness by go-ethereum and by the
// prover, which also says that nothing of it is superfluous; and nothing can be
// left out.
func TestWitness(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	headers := story(t, n)
	c := client(t, n, Config{})
	most := 0 // headers in a witness
	for _, h := range headers[1:] {
		raw, err := ask(t, c, "executionWitness", hexutil.Uint64(h.Number))
		require.NoError(t, err)
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(raw), &members))
		require.ElementsMatch(t, []string{"headers", "codes", "state", "keys"}, keys(members))

		var ext stateless.ExtWitness
		require.NoError(t, json.Unmarshal([]byte(raw), &ext))
		most = max(most, len(ext.Headers))
		ascending := func(a, b hexutil.Bytes) int { return bytes.Compare(a, b) }
		for _, list := range [][]hexutil.Bytes{ext.Codes, ext.State} {
			require.True(t, slices.IsSortedFunc(list, ascending))
			require.Len(t, slices.CompactFunc(slices.Clone(list), func(a, b hexutil.Bytes) bool { return bytes.Equal(a, b) }), len(list))
		}
		again, err := json.Marshal(&ext)
		require.NoError(t, err)
		require.JSONEq(t, string(again), raw)

		var rawBlock hexutil.Bytes
		require.NoError(t, c.Call(&rawBlock, "debug_getRawBlock", hexutil.Uint64(h.Number)))
		executeStateless(t, n, rawBlock, &ext)

		block := new(chain.Block)
		require.NoError(t, block.UnmarshalBinary(rawBlock))
		w := canonical(t, &ext)
		_, err = prover.Verify(t.Context(), n.Engine(), block, w)
		require.NoError(t, err)
		for i, smaller := range smaller(w) {
			_, err = prover.Verify(t.Context(), n.Engine(), block, smaller)
			require.Error(t, err, "block %d without item %d of its witness", h.Number, i)
		}
	}
	require.Equal(t, 2, most, "no block reads a hash that its parent does not have")
}

func keys(members map[string]json.RawMessage) (out []string) {
	for key := range members {
		out = append(out, key)
	}
	return out
}

// executeStateless is go-ethereum's verifier.
func executeStateless(t *testing.T, n *rpctest.Node, rawBlock []byte, ext *stateless.ExtWitness) {
	var block types.Block
	require.NoError(t, rlp.DecodeBytes(rawBlock, &block))
	blank := block.Header()
	blank.Root, blank.ReceiptHash = common.Hash{}, common.Hash{}
	w := new(stateless.Witness)
	require.NoError(t, w.FromExtWitness(ext))
	root, receipts, err := core.ExecuteStateless(t.Context(), n.ChainConfig(), vm.Config{}, block.WithSeal(blank), w)
	require.NoError(t, err)
	require.Equal(t, block.Root(), root)
	require.Equal(t, block.ReceiptHash(), receipts)
}

// canonical is a witness as package prover takes it.
func canonical(t *testing.T, ext *stateless.ExtWitness) *chain.Witness {
	w := new(chain.Witness)
	for _, h := range slices.Backward(ext.Headers) {
		raw, err := rlp.EncodeToBytes(h)
		require.NoError(t, err)
		w.Headers = append(w.Headers, raw)
	}
	for _, code := range ext.Codes {
		w.Codes = append(w.Codes, code)
	}
	for _, node := range ext.State {
		w.Nodes = append(w.Nodes, node)
	}
	return w
}

// smaller are all witnesses that lack one thing of w.
func smaller(w *chain.Witness) (out []*chain.Witness) {
	for list := range 3 {
		for i := range *part(w, list) {
			less := *w
			items := part(&less, list)
			*items = slices.Delete(slices.Clone(*items), i, i+1)
			out = append(out, &less)
		}
	}
	return out
}

func part(w *chain.Witness, i int) *[][]byte {
	return []*[][]byte{&w.Headers, &w.Codes, &w.Nodes}[i]
}
