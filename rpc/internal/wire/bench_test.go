package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// transfers is an open block of token transfers, each with one log, and the same as
// go-ethereum has their receipts.
func transfers(tb testing.TB, n int) (*history.Block, types.Receipts) {
	tb.Helper()
	b := &history.Block{Env: &chain.Env{Number: 7, Timestamp: 1_700_000_000, BaseFee: uint256.NewInt(7)}}
	var receipts types.Receipts
	for i := range n {
		tx := sign(tb, types.DynamicFeeTxType, &types.DynamicFeeTx{
			ChainID: config.ChainID, Nonce: uint64(i), To: &common.Address{1}, Gas: 60_000, GasTipCap: uint256.NewInt(1).ToBig(), GasFeeCap: uint256.NewInt(99).ToBig(),
			Value: uint256.NewInt(1).ToBig(), Data: make([]byte, 68),
		})
		raw, err := tx.MarshalBinary()
		if err != nil {
			tb.Fatal(err)
		}
		logs := []chain.Log{{Address: common.Address{1}, Topics: []common.Hash{{1}, {2}, {3}}, Data: make([]byte, 32)}}
		b.Txs = append(b.Txs, chain.NewTx(raw))
		b.Receipts = append(b.Receipts, &chain.Receipt{
			Type: 2, Status: 1, CumulativeGasUsed: uint64(50_000 * (i + 1)), GasUsed: 50_000, Logs: logs, LogsBloom: chain.LogsBloom(logs),
			TransactionIndex: uint32(i), FirstLogIndex: uint32(i), EffectiveGasPrice: *uint256.NewInt(8),
		})
		receipts = append(receipts, &types.Receipt{
			Type: 2, Status: 1, CumulativeGasUsed: uint64(50_000 * (i + 1)), GasUsed: 50_000, TxHash: tx.Hash(), EffectiveGasPrice: uint256.NewInt(8).ToBig(),
			Logs: []*types.Log{{Address: logs[0].Address, Topics: logs[0].Topics, Data: logs[0].Data, TxHash: tx.Hash()}},
		})
	}
	return b, receipts
}

// A receipt on its way to the sender of its transaction.
func BenchmarkReceipt(b *testing.B) {
	block, geth := transfers(b, 1)
	b.Run("impl=vivace", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := wire.NewReceipt(config, block, 0)
			if err != nil {
				b.Fatal(err)
			}
			text, _ := r.MarshalJSON()
			b.SetBytes(int64(len(text)))
		}
	})
	// go-ethereum's type, which is nearly what its API sends.
	b.Run("impl=geth", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			text, err := json.Marshal(geth[0])
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
		}
	})
}

// All receipts of a full block.
func BenchmarkReceipts(b *testing.B) {
	block, _ := transfers(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		list, err := wire.NewReceipts(config, block)
		if err != nil {
			b.Fatal(err)
		}
		text, _ := list.MarshalJSON()
		b.SetBytes(int64(len(text)))
	}
}

// The answer to a sender takes few allocations: the receipt, its text, and what
// decoding hands out copies of.
func TestReceiptAllocations(t *testing.T) {
	block, _ := transfers(t, 1)
	allocations := testing.AllocsPerRun(100, func() {
		r, err := wire.NewReceipt(config, block, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.MarshalJSON(); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 4 {
		t.Errorf("%v allocations", allocations)
	}
}
