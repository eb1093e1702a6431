package trie

import (
	"fmt"
	"runtime"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// TransactionsRoot is the root of the trie from the index of a transaction in
// its block to its envelope: the header's transactionsRoot.
func TransactionsRoot(txs []*chain.Tx) common.Hash {
	return listRoot(len(txs), func(i int) []byte { return txs[i].Raw() })
}

// ReceiptsRoot is the root of the trie from the index of a transaction in its
// block to its consensus receipt: the header's receiptsRoot.
func ReceiptsRoot(receipts []*chain.Receipt) common.Hash {
	return listRoot(len(receipts), func(i int) []byte { return receipts[i].AppendConsensus(nil) })
}

// WithdrawalsRoot is the root of the trie from the index of a withdrawal in its
// block to its RLP: the header's withdrawalsRoot (EIP-4895).
func WithdrawalsRoot(withdrawals []chain.Withdrawal) common.Hash {
	return listRoot(len(withdrawals), func(i int) []byte {
		b, _ := withdrawals[i].AppendBinary(nil) // it has no failure of its own
		return b
	})
}

// OmmersHash is keccak256 of the RLP list of headers: the header's ommersHash.
func OmmersHash(ommers []*chain.Header) common.Hash {
	var list []byte
	for _, o := range ommers {
		list, _ = o.AppendBinary(list) // it has no failure of its own
	}
	return chain.Keccak256(rlp.WrapList(list, 0))
}

// itemsAtOnce is how many receipts are encoded before others get to run.
const itemsAtOnce = 32

// listRoot is the root of the trie from the RLP of an index to an item. It keeps
// the items only until it returns.
func listRoot(n int, item func(i int) []byte) common.Hash {
	var (
		m   Map
		key []byte
	)
	for i := range n {
		if i%itemsAtOnce == itemsAtOnce-1 {
			runtime.Gosched() // see sumsAtOnce
		}
		key = rlp.AppendUint64(key[:0], uint64(i))
		m.put(key, item(i))
	}
	return m.Root()
}

// CheckBody compares the header's transactionsRoot, ommersHash and
// withdrawalsRoot with the body, and that the body has withdrawals if and only
// if the header commits to some. The error is a *chain.MismatchError with the
// first field that differs.
func CheckBody(b *chain.Block) error {
	h := b.Header
	if err := compare(h, "transactionsRoot", TransactionsRoot(b.Txs), h.TransactionsRoot); err != nil {
		return err
	}
	if err := compare(h, "ommersHash", OmmersHash(b.Ommers), h.OmmersHash); err != nil {
		return err
	}
	switch {
	case (h.WithdrawalsRoot != nil) != (b.Withdrawals != nil):
		return &chain.MismatchError{
			Block: h.Number, Field: "withdrawalsRoot",
			Got: presence(b.Withdrawals != nil), Want: presence(h.WithdrawalsRoot != nil),
		}
	case h.WithdrawalsRoot != nil:
		return compare(h, "withdrawalsRoot", WithdrawalsRoot(b.Withdrawals), *h.WithdrawalsRoot)
	}
	return nil
}

func presence(is bool) string {
	if is {
		return "withdrawals present"
	}
	return "no withdrawals"
}

func compare(h *chain.Header, field string, got, want common.Hash) error {
	if got == want {
		return nil
	}
	return &chain.MismatchError{Block: h.Number, Field: field, Got: fmt.Sprint(got), Want: fmt.Sprint(want)}
}
