package ethapi_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/ethapi"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// A behind node's roots come late: several blocks wait for their headers.
type behind struct {
	*rpctest.Node
	store  *history.Store
	env    *chain.Env
	digest common.Hash
	txs    uint32 // in the open mini-block
}

func newBehind(t *testing.T) *behind {
	node := rpctest.Dev(t, rpctest.Options{})
	store, err := history.Open(history.Config{Dir: t.TempDir(), Genesis: node.Head()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return &behind{Node: node, store: store, digest: node.Head().Hash()}
}

func (b *behind) History() *history.Store { return b.store }

func (b *behind) open(t *testing.T, number uint64) {
	t.Helper()
	b.env = &chain.Env{Number: number, Timestamp: number, BaseFee: uint256.NewInt(1), Withdrawals: []chain.Withdrawal{}}
	require.NoError(t, b.store.OpenBlock(b.env))
}

// acknowledge adds a transaction of account i, that logs once if it is the block's
// first.
func (b *behind) acknowledge(t *testing.T, i int, index uint32) {
	t.Helper()
	tx := b.Transfer(i, common.Address{5}, 1)
	r := &chain.Receipt{Type: 2, Status: 1, CumulativeGasUsed: 21_000 * uint64(index+1), GasUsed: 21_000, TxHash: tx.Hash(), BlockNumber: b.env.Number, TransactionIndex: index, FirstLogIndex: min(index, 1)}
	if index == 0 {
		r.Logs = []chain.Log{{Address: common.Address{9}}}
		r.LogsBloom = chain.LogsBloom(r.Logs)
	}
	require.NoError(t, b.store.Acknowledge(b.env.Number, []*chain.Tx{tx}, []*chain.Receipt{r}))
	b.txs++
}

// end ends the block, in one mini-block.
func (b *behind) end(t *testing.T) {
	t.Helper()
	frame := &chain.Frame{Number: b.env.Number, Parent: b.digest, GasUsed: 21_000 * uint64(b.txs), TxCount: b.txs, Last: true, Env: b.env}
	b.digest, b.txs = frame.Digest(), 0
	require.NoError(t, b.store.SealMini(frame, b.digest, nil))
}

func TestManyUnsealed(t *testing.T) {
	b := newBehind(t)
	s := serveWith(t, b, ethapi.Options{Realtime: true})
	txs := s.result(t, "eth_newPendingTransactionFilter", "")
	logs := s.result(t, "eth_newFilter", "{}")
	poll := func(id string, want int) {
		t.Helper()
		require.Equal(t, want, s.count(t, "eth_getFilterChanges", id))
	}
	b.open(t, 1)
	b.acknowledge(t, 0, 0)
	poll(txs, 1)
	poll(logs, 1)
	b.acknowledge(t, 1, 1)
	b.end(t)
	b.open(t, 2)
	b.acknowledge(t, 2, 0)
	poll(txs, 2) // the rest of block 1, and block 2
	poll(logs, 1)
	b.end(t)
	b.open(t, 3)
	b.acknowledge(t, 3, 0)
	poll(txs, 1)
	poll(logs, 1)
	poll(txs, 0)
	poll(logs, 0)

	s.is(t, "eth_blockNumber", "", `"0x3"`)
	for at, want := range map[string]int{
		`{"fromBlock":"0x1","toBlock":"0x1"}`: 1, `{"fromBlock":"0x2","toBlock":"0x3"}`: 2, `{"fromBlock":"0x0"}`: 3, `{}`: 1,
		`{"fromBlock":"0x0","toBlock":"0x2"}`: 2,
	} {
		require.Equal(t, want, s.count(t, "eth_getLogs", at), at)
	}
	head := b.Head().Hash().Hex()
	for at, parent := range map[string]any{`"0x1"`: head, `"0x2"`: nil, `"0x3"`: nil, `"latest"`: nil} {
		has(t, s.object(t, "eth_getBlockByNumber", at+",false"), "parentHash", parent)
	}
	require.Equal(t, 2, s.count(t, "eth_getBlockReceipts", `"0x1"`))
	s.is(t, "eth_getBlockByNumber", `"0x4",false`, "null")
}
