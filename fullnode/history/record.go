package history

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// A block is kept as a head and any number of chunks:
//
//	head      [block, chunks]          in bucket "heads"; stays when the rest is pruned
//	block     the block's RLP, without its transactions
//	chunks    [[txs, logs, gas, topics] ...]   how many, the gas they used, and the most
//	                                   topics that a log has, in each chunk
//	chunk     [[tx ...], receipts]     see AppendTx, AppendReceipts; in bucket "chunks"
//
// All in RLP, and packed (see codec). A chunk ends when it has chunkSize bytes, so
// that who wants one log of a block with 60,000 transactions reads a part of it.
// Transactions and receipts are packed together because they repeat each other:
// apart, ERC-20 transfers take a quarter more of the file.
//
// Smaller chunks waste more in the file's pages, larger ones are dearer to look into;
// how well they pack hardly differs.
const chunkSize = 64 << 10

// A head is what is known of a block without its transactions.
type head struct {
	block  *chain.Block // no Txs
	chunks []chunk
}

// A chunk is a part of a block, and what comes before it in the block.
type chunk struct {
	txs, logs uint32
	gas       uint64
	topics    uint8 // the most that a log has
	firstTx   uint32
	firstLog  uint32
	gasBefore uint64
}

// after is a receipt as if of the transaction before the chunk, or nil.
func (c *chunk) after() *chain.Receipt {
	if c.firstTx == 0 {
		return nil
	}
	return &chain.Receipt{CumulativeGasUsed: c.gasBefore, TransactionIndex: c.firstTx - 1, FirstLogIndex: c.firstLog}
}

// next is the chunk that follows, with txs, logs, gas and topics of its own.
func (c *chunk) next(txs, logs uint32, gas uint64, topics uint8) chunk {
	return chunk{txs, logs, gas, topics, c.firstTx + c.txs, c.firstLog + c.logs, c.gasBefore + c.gas}
}

func (h *head) append(dst []byte) []byte {
	start := len(dst)
	dst, _ = h.block.AppendBinary(dst) // it has no failure of its own
	at := len(dst)
	for i := range h.chunks {
		c, at := &h.chunks[i], len(dst)
		dst = rlp.AppendUint64(dst, uint64(c.txs))
		dst = rlp.AppendUint64(dst, uint64(c.logs))
		dst = rlp.AppendUint64(dst, c.gas)
		dst = rlp.AppendUint64(dst, uint64(c.topics))
		dst = rlp.WrapList(dst, at)
	}
	dst = rlp.WrapList(dst, at)
	return rlp.WrapList(dst, start)
}

// readHead reads what append wrote.
func readHead(src []byte) (*head, error) {
	var (
		in = rlp.NewReader(src)
		r  = in.List()
		h  = &head{block: new(chain.Block)}
	)
	raw := r.Raw()
	list := r.List()
	last := chunk{}
	for list.More() {
		item := list.List()
		txs, logs, gas, topics := item.Uint64(), item.Uint64(), item.Uint64(), item.Uint64()
		if txs == 0 || topics > 255 || max(txs, logs) > 1<<32-1-uint64(max(last.firstTx+last.txs, last.firstLog+last.logs)) {
			item.Fail(rlp.ErrSize)
		}
		list.Close(item)
		last = last.next(uint32(txs), uint32(logs), gas, uint8(topics))
		h.chunks = append(h.chunks, last)
	}
	r.Close(list)
	in.Close(r)
	if err := in.End(); err != nil {
		return nil, err
	}
	if err := h.block.UnmarshalBinary(raw); err != nil {
		return nil, err
	}
	if len(h.block.Txs) > 0 {
		return nil, errors.New("transactions in the head")
	}
	return h, nil
}

// A record is a block as it is kept: its head and chunks, packed.
type record struct {
	number uint64
	head   []byte
	chunks [][]byte
}

// encode makes the record of a sealed block.
func (c *codec) encode(b *Block) *record {
	var (
		r        = &record{number: b.Number()}
		h        = &head{block: &chain.Block{Header: b.Header, Ommers: b.Env.Ommers, Withdrawals: b.Env.Withdrawals}}
		part     chunk
		raw      []byte
		from, to int
	)
	for from < len(b.Txs) {
		raw = raw[:0]
		var logs, size int
		for to = from; to < len(b.Txs) && size < chunkSize; to++ {
			raw = chain.AppendTx(raw, b.Txs[to].Raw())
			size += len(b.Txs[to].Raw()) + receiptSize(b.Receipts[to])
			logs += len(b.Receipts[to].Logs)
		}
		raw = rlp.WrapList(raw, 0)
		raw = rlp.WrapList(chain.AppendReceipts(raw, b.Receipts[from:to]), 0)
		r.chunks = append(r.chunks, c.pack(nil, raw))
		part = part.next(uint32(to-from), uint32(logs), gasOf(b.Receipts[from:to]), topicsOf(b.Receipts[from:to]))
		h.chunks = append(h.chunks, part)
		from = to
	}
	r.head = c.pack(nil, h.append(nil))
	return r
}

// receiptSize is about how long AppendReceipts makes a receipt.
func receiptSize(r *chain.Receipt) int {
	n := 8
	for i := range r.Logs {
		n += 28 + len(r.Logs[i].Topics)*(common.HashLength+1) + len(r.Logs[i].Data)
	}
	return n
}

func gasOf(receipts []*chain.Receipt) (sum uint64) {
	for _, r := range receipts {
		sum += r.GasUsed
	}
	return sum
}

// topicsOf is the most topics that a log has.
func topicsOf(receipts []*chain.Receipt) (most uint8) {
	for _, r := range receipts {
		for i := range r.Logs {
			most = max(most, uint8(len(r.Logs[i].Topics)))
		}
	}
	return most
}

func (c *codec) decodeHead(number uint64, packed []byte) (*head, error) {
	raw, err := c.unpack(packed)
	var h *head
	if err == nil {
		h, err = readHead(raw)
	}
	if err == nil && h.block.Header.Number != number {
		err = fmt.Errorf("it is that of block %d", h.block.Header.Number)
	}
	if err != nil {
		return nil, corrupt(fmt.Sprintf("history: head of block %d", number), err)
	}
	return h, nil
}

// decodeChunk reads the receipts of a chunk, as bare as they are kept, and where its
// transactions are.
func (c *codec) decodeChunk(number uint64, part *chunk, packed []byte) (txs *rlp.Reader, receipts []*chain.Receipt, err error) {
	raw, err := c.unpack(packed)
	if err == nil {
		in := rlp.NewReader(raw)
		r := in.List()
		txs = rlp.NewReader(r.Raw())
		receipts = chain.ReadReceipts(r, int(part.txs))
		in.Close(r)
		err = in.End()
	}
	if err == nil {
		err = part.check(receipts)
	}
	if err != nil {
		return nil, nil, part.corrupt(number, err)
	}
	return txs, receipts, nil
}

// check compares a chunk's receipts with what the head says.
func (c *chunk) check(receipts []*chain.Receipt) error {
	logs := 0
	for _, r := range receipts {
		logs += len(r.Logs)
	}
	gas, topics := gasOf(receipts), topicsOf(receipts)
	if len(receipts) != int(c.txs) || logs != int(c.logs) || gas != c.gas || topics != c.topics {
		return fmt.Errorf("%d receipts with %d logs of up to %d topics and %d gas, its head says %d, %d, %d, %d",
			len(receipts), logs, topics, gas, c.txs, c.logs, c.topics, c.gas)
	}
	return nil
}

func (c *chunk) corrupt(number uint64, err error) error {
	return corrupt(fmt.Sprintf("history: block %d from transaction %d", number, c.firstTx), err)
}

// decode reads a whole record.
func (c *codec) decode(r *record) (*Block, error) {
	h, err := c.decodeHead(r.number, r.head)
	if err != nil {
		return nil, err
	}
	if len(r.chunks) != len(h.chunks) {
		return nil, corrupt(fmt.Sprintf("history: block %d", r.number), errMissing)
	}
	b := &Block{Env: h.block.Env(), Header: h.block.Header, Hash: h.block.Header.Hash()}
	for i := range h.chunks {
		part := &h.chunks[i]
		in, receipts, err := c.decodeChunk(r.number, part, r.chunks[i])
		if err != nil {
			return nil, err
		}
		txs := chain.ReadTxs(in)
		if err := in.End(); err != nil {
			return nil, part.corrupt(r.number, err)
		}
		if err := chain.CompleteReceipts(r.number, part.after(), txs, receipts); err != nil {
			return nil, part.corrupt(r.number, err)
		}
		b.Txs, b.Receipts = append(b.Txs, txs...), append(b.Receipts, receipts...)
	}
	return b, nil
}
