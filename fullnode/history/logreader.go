package history

import (
	"cmp"
	"context"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// A logReader reads logs of the file, chunk by chunk, for one query.
type logReader struct {
	store *Store
	block *Block // of head: no Txs, no Receipts; or a whole one from the cache
	whole bool
	head  *head

	chunk    *chunk // the one that is loaded; nil before the first
	receipts []*chain.Receipt
	unread   *rlp.Reader // of txs
	txs      [][]byte    // once they are needed
}

// open goes to a block.
func (r *logReader) open(number uint64) error {
	if r.block != nil && r.block.Number() == number {
		return nil
	}
	if r.block, _ = r.store.cache.get(number); r.block != nil {
		r.whole = true
		return nil
	}
	h, err := r.store.disk.head(number)
	if err != nil {
		return err
	}
	r.head, r.whole = h, false
	r.block = &Block{Env: h.block.Env(), Header: h.block.Header, Hash: h.block.Header.Hash()}
	return nil
}

// one takes the log at a place, if it is there and selected.
func (r *logReader) one(c *collector, p LogPosition) error {
	if err := r.open(p.Block); err != nil {
		return err
	}
	if r.whole {
		c.at(r.block, r.block.Receipts, p.Index)
		return nil
	}
	for i := range r.head.chunks {
		if part := &r.head.chunks[i]; p.Index >= part.firstLog && p.Index-part.firstLog < part.logs {
			return r.inChunk(c, i, p.Index)
		}
	}
	return nil // of a block that was taken back
}

// all takes all selected logs of a block. It looks into chunks only that have a log
// with as many topics as the query's: no empty search costs more than the heads.
func (r *logReader) all(ctx context.Context, c *collector, number uint64) error {
	if err := cmp.Or(ctx.Err(), r.open(number)); err != nil {
		return err
	}
	if r.whole {
		c.block(r.block)
		return nil
	}
	for i := range r.head.chunks {
		if part := &r.head.chunks[i]; part.logs == 0 || int(part.topics) < len(c.query.Topics) {
			continue
		}
		if err := cmp.Or(ctx.Err(), r.load(i)); err != nil {
			return err
		}
		for _, receipt := range r.receipts {
			before := len(c.logs)
			c.receipt(r.block, receipt)
			if err := r.complete(c.logs[before:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// inChunk takes log index of the block, which is in chunk i.
func (r *logReader) inChunk(c *collector, i int, index uint32) error {
	if err := r.load(i); err != nil {
		return err
	}
	before := len(c.logs)
	c.at(r.block, r.receipts, index)
	return r.complete(c.logs[before:])
}

// load reads the receipts of chunk i, and says where they stand; what else
// CompleteReceipts fills in takes time and is not needed.
func (r *logReader) load(i int) error {
	if r.chunk == &r.head.chunks[i] {
		return nil
	}
	d, number, part := r.store.disk, r.block.Number(), &r.head.chunks[i]
	packed, err := d.packed(number, i)
	if err != nil {
		return err
	}
	txs, receipts, err := d.codec.decodeChunk(number, part, packed)
	if err != nil {
		return d.tell(err)
	}
	tx, log := part.firstTx, part.firstLog
	for _, receipt := range receipts {
		receipt.TransactionIndex, receipt.FirstLogIndex = tx, log
		tx, log = tx+1, log+uint32(len(receipt.Logs))
	}
	r.chunk, r.receipts, r.unread, r.txs = part, receipts, txs, nil
	return nil
}

// complete gives logs of the chunk the hashes of their transactions, and takes them out
// of their receipts: those that are not selected must not stay in memory with them.
func (r *logReader) complete(logs []FoundLog) error {
	for i := range logs {
		l := &logs[i]
		alone := *l.Log
		l.Log = &alone
		if i > 0 && logs[i-1].TxIndex == l.TxIndex {
			l.TxHash = logs[i-1].TxHash
			continue
		}
		raw, err := r.tx(int(l.TxIndex - r.chunk.firstTx))
		if err != nil {
			return r.chunk.corrupt(r.block.Number(), err)
		}
		l.TxHash = chain.Keccak256(raw)
	}
	return nil
}

// tx is transaction i of the chunk.
func (r *logReader) tx(i int) ([]byte, error) {
	if r.txs == nil {
		for list := r.unread.List(); list.More(); {
			if list.NextIsList() {
				r.txs = append(r.txs, list.Raw())
			} else {
				r.txs = append(r.txs, list.Bytes())
			}
		}
	}
	if i >= len(r.txs) {
		return nil, fmt.Errorf("it has %d transactions", len(r.txs))
	}
	return r.txs[i], nil
}
