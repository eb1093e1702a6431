package history

import (
	"context"
	"slices"
	"sort"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// A LogQuery selects logs.
type LogQuery struct {
	From, To uint64 // sealed blocks, inclusive; a To beyond the head is the head
	// Unsealed adds the logs of the blocks after the head, whatever To is.
	Unsealed bool
	// Addresses and Topics select as eth_getLogs does: any of the addresses, and at
	// each position any of the topics; an empty list is any. A log with fewer topics
	// than positions are given is not selected.
	Addresses []common.Address
	Topics    [][]common.Hash
	// After skips everything up to and with this place.
	After *LogPosition
	// Max is the most logs returned; 0 means no bound.
	Max int

	ordered bool // Addresses and Topics are ascending
}

// A LogPosition is a log's place in the chain.
type LogPosition struct {
	Block uint64
	Index uint32 // in the block
}

// A FoundLog is a log and where it stands.
type FoundLog struct {
	Log     *chain.Log
	Block   *Block // Txs and Receipts may be nil
	TxIndex uint32
	TxHash  common.Hash
	Index   uint32 // in the block
}

// Logs returns what q selects, in order, and whether there is more than q.Max. An
// error matches ErrNotKept if blocks of the range are not kept, or are pruned before
// they have been looked at.
func (s *Store) Logs(ctx context.Context, q *LogQuery) (logs []FoundLog, more bool, err error) {
	if q.From > q.To && !q.Unsealed {
		return nil, false, nil
	}
	last, inMemory, err := s.logSources(q)
	if err != nil {
		return nil, false, err
	}
	c := newCollector(q)
	if err := s.searchFile(ctx, c, last); err != nil {
		return nil, false, err
	}
	for _, b := range inMemory {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		c.block(b)
	}
	return c.logs, c.more, nil
}

// logSources says where q looks: in the file up to block last, then in blocks.
func (s *Store) logSources(q *LogQuery) (last uint64, blocks []*Block, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return 0, nil, chain.ErrClosed
	}
	last = min(q.To, s.head.Number)
	if from := max(q.From, 1); from <= last && !keepsAll(s.spans, from, last) {
		return 0, nil, notKeptAll(from, last)
	}
	// The blocks between the head and an open one that does not follow it.
	if end := s.gapEnd(); q.From < end && (q.Unsealed || q.To > s.head.Number) {
		return 0, nil, notKeptAll(s.head.Number+1, end-1)
	}
	for _, b := range s.mem {
		if b.sealed != nil {
			last = min(last, b.env.Number-1)
		}
		if n := b.env.Number; n >= q.From && (b.sealed == nil && q.Unsealed || b.sealed != nil && n <= q.To) {
			blocks = append(blocks, b.view())
		}
	}
	return last, blocks, nil
}

// A collector takes the logs that a query selects, in order.
type collector struct {
	query *LogQuery
	logs  []FoundLog
	more  bool // there is one more than the query's most
}

func newCollector(q *LogQuery) *collector { return &collector{query: q.inOrder()} }

// inOrder is a copy with addresses and topics in order: there may be a thousand, and
// they are compared with every log of a block in memory.
func (q *LogQuery) inOrder() *LogQuery {
	out := *q
	out.Addresses, out.Topics = slices.Clone(q.Addresses), slices.Clone(q.Topics)
	slices.SortFunc(out.Addresses, common.Address.Cmp)
	for i, any := range out.Topics {
		out.Topics[i] = slices.Clone(any)
		slices.SortFunc(out.Topics[i], common.Hash.Cmp)
	}
	out.ordered = true
	return &out
}

// block takes what is selected of a whole block.
func (c *collector) block(b *Block) {
	for i := 0; i < len(b.Receipts) && !c.more; i++ {
		c.receipt(b, b.Receipts[i])
	}
}

func (c *collector) receipt(b *Block, r *chain.Receipt) {
	for i := 0; i < len(r.Logs) && !c.more; i++ {
		c.log(b, r, i)
	}
}

// log takes log i of the receipt if it is selected.
func (c *collector) log(b *Block, r *chain.Receipt, i int) {
	index := r.FirstLogIndex + uint32(i)
	q := c.query
	if q.After != nil && !q.After.before(b.Number(), index) || !q.Selects(&r.Logs[i]) {
		return
	}
	if q.Max > 0 && len(c.logs) == q.Max {
		c.more = true
		return
	}
	c.logs = append(c.logs, FoundLog{Log: &r.Logs[i], Block: b, TxIndex: r.TransactionIndex, TxHash: r.TxHash, Index: index})
}

// at takes log index of the block if receipts, some of the block's, have it and it is
// selected.
func (c *collector) at(b *Block, receipts []*chain.Receipt, index uint32) {
	i := sort.Search(len(receipts), func(i int) bool { return logsBefore(receipts[i]) > index })
	if i < len(receipts) && index >= receipts[i].FirstLogIndex {
		c.log(b, receipts[i], int(index-receipts[i].FirstLogIndex))
	}
}

func (p *LogPosition) before(block uint64, index uint32) bool {
	return p.Block < block || p.Block == block && p.Index < index
}

// Selects applies the filter of eth_getLogs to a log, whatever its block.
func (q *LogQuery) Selects(l *chain.Log) bool {
	if len(q.Topics) > len(l.Topics) || len(q.Addresses) > 0 && !has(q.Addresses, l.Address, common.Address.Cmp, q.ordered) {
		return false
	}
	for i, any := range q.Topics {
		if len(any) > 0 && !has(any, l.Topics[i], common.Hash.Cmp, q.ordered) {
			return false
		}
	}
	return true
}

func has[T comparable](list []T, v T, compare func(T, T) int, ordered bool) bool {
	if !ordered {
		return slices.Contains(list, v)
	}
	_, found := slices.BinarySearchFunc(list, v, compare)
	return found
}
