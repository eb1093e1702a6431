package bench

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
)

// A Stream is spans to encode, in order, each with the state before it as far as
// the span changes it.
type Stream struct {
	Name  string // without /impl=...
	Spans []Span
}

// A Span is a mini-block, or a block.
type Span struct {
	Changes *chain.Changes
	Prior   chain.StateView
	Txs     int
}

func newSpan(c *chain.Changes, txs int) Span { return Span{c, before(c), txs} }

// before is the least state that c can be applied to.
func before(c *chain.Changes) *maps {
	m := newMaps(new(chain.Changes))
	for i := range c.Accounts {
		a := &c.Accounts[i]
		if !a.Existed {
			continue
		}
		m.accounts[a.Address] = a.Before
		slots := make(map[common.Hash]uint256.Int, len(a.Slots))
		for _, s := range a.Slots {
			slots[s.Key] = s.Before
		}
		m.slots[a.Address] = slots
	}
	return m
}

// Txs is the number of transactions of all spans.
func (s *Stream) Txs() (n int) {
	for i := range s.Spans {
		n += s.Spans[i].Txs
	}
	return n
}

// Updates is the number of accounts and slots that all spans change.
func (s *Stream) Updates() (n int) {
	for i := range s.Spans {
		n += s.Spans[i].Changes.Len()
	}
	return n
}

// Whole is each block of a workload as one span. Blocks that change nothing are
// left out.
func (w *Workload) Whole() *Stream {
	s := &Stream{Name: w.Name}
	for _, b := range w.Blocks {
		if b.Want.Changes.Len() > 0 {
			s.Spans = append(s.Spans, newSpan(b.Want.Changes, len(b.Txs)))
		}
	}
	return s
}

// MiniBlocks is the one block of a workload in mini-blocks of so many transactions,
// and a last one with what closes it. Their net effect, with the parent's hash that
// receivers write themselves, is what the referee says of the block.
func (w *Workload) MiniBlocks(ctx context.Context, txs int) (*Stream, error) {
	if len(w.Blocks) != 1 {
		return nil, fmt.Errorf("%s: %d blocks, want 1", w.Name, len(w.Blocks))
	}
	minis, err := w.miniBlocks(ctx, txs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.Name, err)
	}
	var (
		s   = &Stream{Name: miniBlocksName(w.Name, txs)}
		all []*chain.Changes
	)
	if minis[0].ParentHashPending {
		parentHash, err := chain.ParentHashChange(w.Blocks[0].Parent, w.Blocks[0].Prior)
		if err != nil {
			return nil, err
		}
		all = append(all, parentHash)
	}
	for _, m := range minis {
		all = append(all, m.Changes)
		if m.Changes.Len() > 0 {
			s.Spans = append(s.Spans, newSpan(m.Changes, len(m.Txs)))
		}
	}
	net, err := chain.Merge(all...)
	if err == nil && net.Digest() != w.Blocks[0].Want.Changes.Digest() {
		err = fmt.Errorf("mini-blocks and block: %w", chain.ErrMismatch)
	}
	return s, err
}

func miniBlocksName(workload string, txs int) string { return fmt.Sprintf("%s/mini=%d", workload, txs) }

// miniBlocks builds the block, as a sequencer would.
func (w *Workload) miniBlocks(ctx context.Context, txs int) ([]*chain.MiniBlock, error) {
	builder, err := execution.New(execution.Config{Chain: w.Config})
	if err != nil {
		return nil, err
	}
	b := w.Blocks[0]
	open, err := builder.Open(ctx, b.Env(), b.Ancestors, b.Prior)
	if err != nil {
		return nil, err
	}
	defer open.Discard()
	var minis []*chain.MiniBlock
	for rest := b.transactions(true); len(rest) > 0; {
		n := min(txs, len(rest))
		results, err := open.Push(ctx, rest[:n])
		if err != nil {
			return nil, err
		}
		for i := range results {
			if results[i].Err != nil {
				return nil, results[i].Err
			}
		}
		m, err := open.SealMini(ctx)
		if err != nil {
			return nil, err
		}
		minis, rest = append(minis, m), rest[n:]
	}
	result, err := open.Close(ctx)
	if err != nil {
		return nil, err
	}
	return append(minis, result.Last), nil
}
