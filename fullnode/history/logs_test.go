package history

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
)

// bruteForce is the twin of Logs: it looks at every log of blocks, in order.
func bruteForce(blocks []*Block, q *LogQuery) (logs []FoundLog, more bool) {
	for _, b := range blocks {
		index := uint32(0)
		for i, r := range b.Receipts {
			for j := range r.Logs {
				l, at := &r.Logs[j], index
				index++
				if q.After != nil && (b.Number() < q.After.Block || b.Number() == q.After.Block && at <= q.After.Index) {
					continue
				}
				if len(q.Addresses) > 0 && !slices.Contains(q.Addresses, l.Address) {
					continue
				}
				ok := len(q.Topics) <= len(l.Topics)
				for k := 0; ok && k < len(q.Topics); k++ {
					ok = len(q.Topics[k]) == 0 || slices.Contains(q.Topics[k], l.Topics[k])
				}
				if ok {
					logs = append(logs, FoundLog{Log: l, Block: b, TxIndex: uint32(i), TxHash: b.Txs[i].Hash(), Index: at})
				}
			}
		}
	}
	if q.Max > 0 && len(logs) > q.Max {
		return logs[:q.Max], true
	}
	return logs, false
}

// query makes a query of what may be there.
func (w *world) query() *LogQuery {
	head := w.parent.Number
	q := &LogQuery{From: w.rng.Uint64N(head + 2), To: w.rng.Uint64N(head + 3), Unsealed: w.rng.IntN(3) == 0}
	if w.rng.IntN(2) == 0 {
		q.From, q.To = w.store.Oldest(), math.MaxUint64
	}
	q.From = max(q.From, w.store.Oldest())
	for range w.rng.IntN(3) {
		q.Addresses = append(q.Addresses, w.address())
	}
	for range w.rng.IntN(5) {
		var any []common.Hash
		for range w.rng.IntN(3) {
			any = append(any, w.topic())
		}
		q.Topics = append(q.Topics, any)
	}
	if w.rng.IntN(4) == 0 {
		q.After = &LogPosition{w.rng.Uint64N(head + 1), uint32(w.rng.IntN(20))}
	}
	if w.rng.IntN(3) == 0 {
		q.Max = 1 + w.rng.IntN(20)
	}
	return q
}

func (w *world) checkLogs(q *LogQuery) int {
	w.tb.Helper()
	var blocks []*Block
	for _, n := range w.numbers() {
		if n >= q.From && n <= q.To {
			blocks = append(blocks, w.blocks[n])
		}
	}
	if q.Unsealed {
		blocks = append(blocks, w.store.Unsealed()...)
		blocks = slices.DeleteFunc(blocks, func(b *Block) bool { return b.Number() < q.From })
	}
	want, wantMore := bruteForce(blocks, q)
	got, more, err := w.store.Logs(context.Background(), q)
	require.NoError(w.tb, err)
	require.Len(w.tb, got, len(want), "%+v", q)
	require.Equal(w.tb, wantMore, more)
	for i := range want {
		equalLog(w.tb, want[i].Log, got[i].Log)
		require.Equal(w.tb, want[i].Block.Number(), got[i].Block.Number())
		require.Equal(w.tb, want[i].Block.Hash, got[i].Block.Hash)
		require.Equal(w.tb, want[i].Block.Header, got[i].Block.Header)
		require.Equal(w.tb, want[i].Block.Env, got[i].Block.Env)
		require.Equal(w.tb, want[i].TxIndex, got[i].TxIndex)
		require.Equal(w.tb, want[i].TxHash, got[i].TxHash)
		require.Equal(w.tb, want[i].Index, got[i].Index)
	}
	return len(want)
}

// Random queries of random chains find what looking at every log finds: with blocks in
// memory, on disk, in runs that are being merged, taken back, pruned.
func TestLogs(t *testing.T) {
	for name, test := range map[string]struct {
		shape   shape
		queries int // of each step
		change  func(*Config)
	}{
		"small":  {small, 60, func(c *Config) { c.CacheBytes = 1 }},
		"cached": {small, 60, nil},
		"sparse": {shape{txs: 8, logs: 6, data: 8, addresses: 200, topics: 200}, 100, func(c *Config) { c.CacheBytes = 1 }},
		"pruned": {small, 60, func(c *Config) { c.KeepBlocks = 40; c.CacheBytes = 1 << 15 }},
		"chunks": {shape{txs: 200, logs: 2, data: 900, addresses: 30, topics: 40}, 15, func(c *Config) { c.CacheBytes = 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.shape, test.change)
			found, steps := 0, 12
			for step := range steps {
				w.grow(1+w.rng.IntN(15), 0.4)
				if w.cfg.KeepBlocks > 0 {
					w.persist()
				} else if w.rng.IntN(4) == 0 {
					w.rewind(w.parent.Number - w.rng.Uint64N(min(10, w.parent.Number)))
				}
				parent, known := w.parent, len(w.blocks)
				open := w.block()
				delete(w.blocks, open.Number())
				require.Len(t, w.blocks, known)
				w.parent = parent
				w.giveUnsealed(open, len(open.Txs)/2)
				for range test.queries {
					found += w.checkLogs(w.query())
				}
				w.store.Drop()
				if step == steps/2 {
					w.persist()
					w.reopen()
				}
			}
			require.Greater(t, found, 300)
			if w.cfg.KeepBlocks > 0 {
				require.Greater(t, w.store.Oldest(), uint64(1))
			}
		})
	}
}

func TestLogsOfGaps(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(5, 1)
	w.give(w.blockAt(9))
	w.grow(3, 0.5)
	ctx := context.Background()
	for _, q := range []LogQuery{{From: 1, To: 20}, {From: 0, To: 6}, {From: 6, To: 8}, {From: 8, To: 9}} {
		require.ErrorIs(t, third(w.store.Logs(ctx, &q)), ErrNotKept)
	}
	for _, q := range []LogQuery{{From: 1, To: 5}, {From: 0, To: 5}, {From: 9, To: 20}, {From: 13, To: 20}, {From: 5, To: 4}, {}} {
		w.checkLogs(&q)
	}
}

func TestLogsEndWithContext(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(5, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, q := range []*LogQuery{{To: 5}, {To: 5, Addresses: []common.Address{{0xad, 1}}}} {
		require.ErrorIs(t, third(w.store.Logs(ctx, q)), context.Canceled)
	}
}
