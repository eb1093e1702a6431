package oracle_test

import (
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	gethtrie "github.com/ethereum/go-ethereum/trie"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/mainnet"
	"github.com/vivace-chain/vivace/internal/oracle"
	"github.com/vivace-chain/vivace/internal/testdata"
	"github.com/vivace-chain/vivace/trie"
)

// TestMainnet executes real blocks: what the header claims must be so, and
// receipts, Changes and AccessSet must be the referee's. The root of the partial
// state after each must be the one that go-ethereum's own processing comes to:
// after every transaction before Byzantium, by stateless verification since.
func TestMainnet(t *testing.T) {
	blocks, txs := 0, 0
	for b, err := range mainnet.Load(testdata.Mainnet(t)) {
		if err != nil {
			t.Fatal(err)
		}
		blocks, txs = blocks+1, txs+len(b.Txs)
		t.Run(fmt.Sprint(b.Header.Number), func(t *testing.T) {
			t.Parallel()
			testBlock(t, b)
		})
	}
	t.Logf("%d blocks, %d transactions", blocks, txs)
}

func testBlock(t *testing.T, b *mainnet.Block) {
	var (
		ctx     = t.Context()
		config  = params.MainnetChainConfig
		states  = trie.New(trie.Config{})
		running chain.Commitment // for receipts before Byzantium
	)
	preRoot := commit(t, states, chain.EmptyRoot, b.Pre.Changes())
	running, err := states.Begin(ctx, preRoot)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := execution.New(execution.Config{Chain: config, TxRoot: func(c *chain.Changes) (common.Hash, error) {
		if err := running.Apply(c); err != nil {
			return common.Hash{}, err
		}
		return running.Root(ctx)
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := engine.Execute(ctx, b.Block, b.Hashes, b.Pre)
	if err != nil {
		t.Fatal(err)
	}
	for i, tx := range b.Txs {
		if sender, ok := tx.Sender(); !ok || sender != b.Senders[i] {
			t.Errorf("transaction %d: sender %s, want %s", i, sender, b.Senders[i])
		}
	}
	if err := got.Changes.Validate(); err != nil {
		t.Error(err)
	}
	want, err := oracle.NewReferee(config).Execute(ctx, b.Block, b.Hashes, b.Pre)
	if err != nil {
		t.Fatal(err)
	}
	if d := oracle.Diff(got, want); d != "" {
		t.Errorf("ours and the referee's: %s", d)
	}
	if err := trie.CheckBody(b.Block); err != nil {
		t.Error(err)
	}

	// No state root can be compared with the header's; and before Byzantium the
	// receipts have some, of the whole state.
	var (
		root     = commit(t, states, preRoot, got.Changes)
		receipts = trie.ReceiptsRoot(got.Receipts)
		header   = *b.Header
	)
	header.StateRoot = root
	if got.Receipts != nil && got.Receipts[0].HasPostState {
		header.ReceiptsRoot = receipts
	}
	if err := header.CheckResult(got, receipts, root); err != nil {
		t.Error(err)
	}
	processed, err := oracle.Process(ctx, config, b)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case processed.GasUsed != got.GasUsed:
		t.Errorf("gas used %d, go-ethereum %d", got.GasUsed, processed.GasUsed)
	case types.DeriveSha(processed.Receipts, gethtrie.NewStackTrie(nil)) != receipts:
		t.Errorf("receipts root %s, not go-ethereum's", receipts)
	case types.MergeBloom(processed.Receipts) != types.Bloom(got.LogsBloom):
		t.Error("bloom is not go-ethereum's")
	}
	if got.Receipts != nil && got.Receipts[0].HasPostState {
		return // the last of them is the root
	}
	if processed.Root != root {
		t.Errorf("partial root %s, go-ethereum %s", root, processed.Root)
	}
	if processed.ReceiptsRoot != receipts {
		t.Errorf("receipts root %s, go-ethereum %s", receipts, processed.ReceiptsRoot)
	}
}

// commit makes changes to the state with root parent a state of its own.
func commit(t *testing.T, states chain.Committer, parent common.Hash, changes *chain.Changes) common.Hash {
	t.Helper()
	c, err := states.Begin(t.Context(), parent)
	if err == nil {
		err = c.Apply(changes)
	}
	if err != nil {
		t.Fatal(err)
	}
	root, err := c.Root(t.Context())
	if err == nil {
		err = c.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return root
}
