package execution_test

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/mainnet"
	"github.com/vivace-chain/vivace/internal/testdata"
)

// noRoot is Config.TxRoot where no root can be known.
func noRoot(*chain.Changes) (common.Hash, error) { return common.Hash{}, nil }

// consensusReceipts is a list of receipts as DeriveSha wants it.
type consensusReceipts []*chain.Receipt

func (r consensusReceipts) Len() int { return len(r) }

func (r consensusReceipts) EncodeIndex(i int, w *bytes.Buffer) { w.Write(r[i].AppendConsensus(nil)) }

// Real blocks give the gas, the bloom, the receipts and the requests that their
// headers state, however they are executed.
func TestMainnet(t *testing.T) {
	dir := testdata.Mainnet(t)
	ex, err := execution.New(execution.Config{Chain: params.MainnetChainConfig, TxRoot: noRoot, Hints: true})
	require.NoError(t, err)
	for b, err := range mainnet.Load(dir) {
		require.NoError(t, err)
		t.Run(fmt.Sprint(b.Header.Number), func(t *testing.T) {
			b.SetSenders()
			r, err := ex.Execute(context.Background(), b.Block, b.Hashes, b.Pre)
			require.NoError(t, err)
			receiptsRoot := b.Header.ReceiptsRoot
			if params.MainnetChainConfig.IsByzantium(new(big.Int).SetUint64(b.Header.Number)) {
				receiptsRoot = types.DeriveSha(consensusReceipts(r.Receipts), trie.NewStackTrie(nil))
			}
			require.NoError(t, b.Header.CheckResult(r, receiptsRoot, b.Header.StateRoot))
			require.NoError(t, r.Changes.Validate())
			sameOpen(t, ex, b, r, 7)
		})
	}
}

// sameOpen builds the block that was executed to r, with a mini-block for every
// few transactions, and compares.
func sameOpen(t *testing.T, ex *execution.Sequential, b *mainnet.Block, r *chain.Result, every int) {
	var (
		ctx  = context.Background()
		all  []*chain.Changes
		done int
	)
	block, err := ex.Open(ctx, b.Env(), b.Hashes, b.Pre)
	require.NoError(t, err)
	for txs := b.Txs; len(txs) > 0; {
		n := min(every, len(txs))
		results, err := block.Push(ctx, txs[:n])
		require.NoError(t, err)
		var each []*chain.Changes
		for i := range results {
			require.NoError(t, results[i].Err)
			require.NoError(t, results[i].Changes.Validate())
			each = append(each, results[i].Changes)
		}
		txs, done = txs[n:], done+n
		m, err := block.SealMini(ctx)
		require.NoError(t, err)
		require.NoError(t, m.Changes.Validate())
		if m.Index > 0 {
			net, err := chain.Merge(each...)
			require.NoError(t, err)
			require.Equal(t, net, m.Changes, "transactions of mini-block %d", m.Index)
		}
		all = append(all, m.Changes)
	}
	built, err := block.Close(ctx)
	require.NoError(t, err)
	net, err := chain.Merge(append(all, built.Last.Changes)...)
	require.NoError(t, err)
	require.Equal(t, net, built.Changes)
	built.Last = nil
	require.Equal(t, r, built)
}
