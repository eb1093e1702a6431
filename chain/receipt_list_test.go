package chain

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/internal/rlp"
)

// What CompleteReceipts fills in is what the executor would have said, also when a
// block's receipts come in parts.
func TestCompleteReceipts(t *testing.T) {
	var (
		txs   = sampleTxs()
		logs  = []Log{{address(1), []common.Hash{fill(1)}, []byte("data")}, {address(2), nil, nil}}
		whole = []*Receipt{{Status: 1, GasUsed: 21_000}, {GasUsed: 50_000, Logs: logs}, {Status: 1, GasUsed: 9, Logs: logs[:1]}}
	)
	read := func() []*Receipt {
		r := rlp.NewReader(AppendReceipts(nil, whole))
		out := ReadReceipts(r, len(whole))
		if err := r.End(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	once, parts := read(), read()
	if err := CompleteReceipts(7, nil, txs, once); err != nil {
		t.Fatal(err)
	}
	for i := range parts {
		var after *Receipt
		if i > 0 {
			after = parts[i-1]
		}
		if err := CompleteReceipts(7, after, txs[i:i+1], parts[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	types, cumulative, firstLogs := []uint8{0, 2, 0x7e}, []uint64{21_000, 71_000, 71_009}, []uint32{0, 0, 2}
	for _, receipts := range [][]*Receipt{once, parts} {
		for i, r := range receipts {
			switch {
			case r.Type != types[i], r.CumulativeGasUsed != cumulative[i], r.FirstLogIndex != firstLogs[i]:
				t.Errorf("receipt %d: type %d, cumulative gas %d, first log %d", i, r.Type, r.CumulativeGasUsed, r.FirstLogIndex)
			case r.TxHash != txs[i].Hash(), r.BlockNumber != 7, r.TransactionIndex != uint32(i), r.LogsBloom != LogsBloom(whole[i].Logs):
				t.Errorf("receipt %d: %+v", i, r)
			case r.Status != whole[i].Status, r.GasUsed != whole[i].GasUsed, len(r.Logs) != len(whole[i].Logs):
				t.Errorf("receipt %d: %+v", i, r)
			}
		}
	}
	if err := CompleteReceipts(7, nil, txs[1:], once); err == nil {
		t.Error("took three receipts for two transactions")
	}
}
