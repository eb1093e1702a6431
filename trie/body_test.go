package trie_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/internal/rlp"
	"github.com/vivace-chain/vivace/trie"
)

// body is a block whose header fits its body, with n of everything.
func body(n int) *chain.Block {
	b := &chain.Block{Header: &chain.Header{Number: 7}, Withdrawals: []chain.Withdrawal{}}
	for i := range n {
		raw := binary.BigEndian.AppendUint32([]byte{2}, uint32(i))
		b.Txs = append(b.Txs, chain.NewTx(raw))
		b.Ommers = append(b.Ommers, &chain.Header{Number: uint64(i)})
		b.Withdrawals = append(b.Withdrawals, chain.Withdrawal{Index: uint64(i), Amount: 1})
	}
	root := trie.WithdrawalsRoot(b.Withdrawals)
	b.Header.WithdrawalsRoot = &root
	b.Header.TransactionsRoot = trie.TransactionsRoot(b.Txs)
	b.Header.OmmersHash = trie.OmmersHash(b.Ommers)
	return b
}

func TestListRoots(t *testing.T) {
	for _, n := range []int{0, 1, 2, 16, 127, 128, 129, 255, 256, 257, 1000} {
		var (
			txs      []*chain.Tx
			receipts []*chain.Receipt
			wantTx   = make(map[string][]byte)
			wantRc   = make(map[string][]byte)
		)
		for i := range n {
			key := string(rlp.AppendUint64(nil, uint64(i)))
			txs = append(txs, chain.NewTx(binary.BigEndian.AppendUint16([]byte{byte(i % 4)}, uint16(i))))
			wantTx[key] = txs[i].Raw()
			receipts = append(receipts, &chain.Receipt{Type: uint8(i % 4), CumulativeGasUsed: uint64(i)})
			wantRc[key] = receipts[i].AppendConsensus(nil)
		}
		if got, want := trie.TransactionsRoot(txs), chaintest.TrieRoot(wantTx); got != want {
			t.Errorf("%d transactions: got %s, want %s", n, got, want)
		}
		if got, want := trie.ReceiptsRoot(receipts), chaintest.TrieRoot(wantRc); got != want {
			t.Errorf("%d receipts: got %s, want %s", n, got, want)
		}
	}
	if got := trie.OmmersHash(nil); got != chain.EmptyOmmersHash {
		t.Errorf("no ommers: got %s, want %s", got, chain.EmptyOmmersHash)
	}
}

func TestCheckBody(t *testing.T) {
	for _, test := range []struct {
		field  string // that does not match
		damage func(*chain.Block)
	}{
		{"", func(*chain.Block) {}},
		{"", func(b *chain.Block) { b.Withdrawals, b.Header.WithdrawalsRoot = nil, nil }},
		{"transactionsRoot", func(b *chain.Block) { b.Txs = b.Txs[1:] }},
		{"transactionsRoot", func(b *chain.Block) { b.Txs[0], b.Txs[1] = b.Txs[1], b.Txs[0] }},
		{"ommersHash", func(b *chain.Block) { b.Ommers = nil }},
		{"withdrawalsRoot", func(b *chain.Block) { b.Withdrawals[2].Amount++ }},
		{"withdrawalsRoot", func(b *chain.Block) { b.Withdrawals = nil }},
		{"withdrawalsRoot", func(b *chain.Block) { b.Header.WithdrawalsRoot = nil }},
	} {
		b := body(3)
		test.damage(b)
		err := trie.CheckBody(b)
		if test.field == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		var mismatch *chain.MismatchError
		if !errors.As(err, &mismatch) || mismatch.Field != test.field || mismatch.Block != 7 || mismatch.Got == mismatch.Want {
			t.Errorf("got %v, want a mismatch of %s", err, test.field)
		}
	}
	empty := body(0)
	if *empty.Header.WithdrawalsRoot != chain.EmptyRoot || empty.Header.TransactionsRoot != chain.EmptyRoot {
		t.Errorf("roots of an empty body: got %s, %s", *empty.Header.WithdrawalsRoot, empty.Header.TransactionsRoot)
	}
	if err := trie.CheckBody(empty); err != nil {
		t.Error(err)
	}
}

func BenchmarkTransactionsRoot(b *testing.B) {
	for _, n := range []int{200, 60_000} {
		b.Run(fmt.Sprintf("txs=%d", n), func(b *testing.B) {
			var txs []*chain.Tx
			for i := range n {
				txs = append(txs, chain.NewTx(binary.BigEndian.AppendUint64(make([]byte, 112), uint64(i))))
			}
			for b.Loop() {
				trie.TransactionsRoot(txs)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/tx")
		})
	}
}
