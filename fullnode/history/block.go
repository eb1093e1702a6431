package history

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// A Block is a block and what it did. It is read only.
type Block struct {
	Env    *chain.Env
	Header *chain.Header // nil until the block is sealed
	Hash   common.Hash   // zero until then
	Txs    []*chain.Tx
	// Receipts of Txs, with everything but what takes decoding a transaction:
	// EffectiveGasPrice, ContractAddress and the fields of blobs may be zero.
	Receipts []*chain.Receipt
}

// Sealed reports whether the block has a header.
func (b *Block) Sealed() bool { return b.Header != nil }

// Number is the block's.
func (b *Block) Number() uint64 { return b.Env.Number }

// A memBlock is a block that is not on disk yet. Only the writer changes it, under
// the store's lock; the writer itself reads without.
//
// Its slices only grow, so what a reader got a slice of stays as it is.
type memBlock struct {
	env      *chain.Env
	txs      []*chain.Tx
	receipts []*chain.Receipt
	index    map[common.Hash]uint32 // of txs
	minis    []miniEnd
	bytes    int

	// repeated is how many of txs the writer has given, counted anew when it began
	// the block anew: all but in a recovery.
	repeated int
	closed   bool // no transaction comes any more
	gap      bool // the block before it is not kept

	sealed  *Block        // once it has a header
	settled chan struct{} // closed when the block is sealed or dropped
}

// A miniEnd is where a mini-block of a memBlock ended.
type miniEnd struct {
	digest  common.Hash
	txs     int    // in the block so far
	gasUsed uint64 // in the block so far
}

func newMemBlock(env *chain.Env) *memBlock {
	return &memBlock{env: env, index: make(map[common.Hash]uint32), settled: make(chan struct{})}
}

// view is the block as of now. The caller has the lock.
func (b *memBlock) view() *Block {
	if b.sealed != nil {
		return b.sealed
	}
	n := len(b.txs)
	return &Block{Env: b.env, Txs: b.txs[:n:n], Receipts: b.receipts[:n:n]}
}

// append adds transactions. The caller has the lock.
func (b *memBlock) append(txs []*chain.Tx, receipts []*chain.Receipt) {
	for i, tx := range txs {
		b.index[tx.Hash()] = uint32(len(b.txs) + i)
		b.bytes += txBytes(tx) + receiptBytes(receipts[i])
	}
	b.txs = append(b.txs, txs...)
	b.receipts = append(b.receipts, receipts...)
	b.repeated = len(b.txs)
}

// last is the newest receipt of the first n, or nil.
func (b *memBlock) lastReceipt(n int) *chain.Receipt {
	if n == 0 {
		return nil
	}
	return b.receipts[n-1]
}

// end is where the newest mini-block ended.
func (b *memBlock) end() miniEnd {
	if len(b.minis) == 0 {
		return miniEnd{}
	}
	return b.minis[len(b.minis)-1]
}

// What a transaction and a receipt take in memory besides their bytes, roughly: the
// structs, their share of slices and a map, a decoded form.
const (
	txOverhead      = 512
	receiptOverhead = 512
	logOverhead     = 80
	blockOverhead   = 2048
)

func txBytes(tx *chain.Tx) int { return txOverhead + len(tx.Raw()) }

func receiptBytes(r *chain.Receipt) int {
	n := receiptOverhead
	for i := range r.Logs {
		n += logOverhead + len(r.Logs[i].Topics)*common.HashLength + len(r.Logs[i].Data)
	}
	return n
}

func (b *Block) bytes() int {
	n := blockOverhead
	for i, tx := range b.Txs {
		n += txBytes(tx) + receiptBytes(b.Receipts[i])
	}
	return n
}
