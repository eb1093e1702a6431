package realtime

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// check says what is wrong with a cache.
func (c *cache) check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := 0
	for i, e := range c.entries {
		size += e.size
		if e.gone {
			return fmt.Errorf("entry %d is gone", i)
		}
		if i > 0 && c.entries[i-1].seq > e.seq {
			return fmt.Errorf("entry %d has a lower sequence than the one before", i)
		}
	}
	if size != c.size {
		return fmt.Errorf("size is %d, of the entries %d", c.size, size)
	}
	if c.size > c.limit && len(c.entries) > 1 {
		return fmt.Errorf("%d bytes in %d entries, limit %d", c.size, len(c.entries), c.limit)
	}
	return nil
}

func text(n int) func() (json.RawMessage, error) {
	return func() (json.RawMessage, error) { return make(json.RawMessage, n), nil }
}

func TestCacheKeepsTheNewest(t *testing.T) {
	c := cache{limit: 4 * 1000}
	for seq := history.Seq(10); seq < 20; seq++ {
		_, err := c.get(key{kindMini, common.Hash{byte(seq)}}, seq, 1).item(0, text(900))
		require.NoError(t, err)
		require.NoError(t, c.check())
	}
	require.Equal(t, []history.Seq{16, 17, 18, 19}, seqs(c.entries))
	// One who resumes far back drives out nothing.
	old, err := c.get(key{kindMini, common.Hash{1}}, 1, 1).item(0, text(900))
	require.NoError(t, err)
	require.Len(t, old, 900)
	require.Equal(t, []history.Seq{16, 17, 18, 19}, seqs(c.entries))
	// One event alone may be larger than the limit.
	_, err = c.get(key{kindMini, common.Hash{30}}, 30, 1).item(0, text(9000))
	require.NoError(t, err)
	require.NoError(t, c.check())
	require.Equal(t, []history.Seq{30}, seqs(c.entries))
}

func TestCacheTellsApart(t *testing.T) {
	c := cache{limit: 1 << 20}
	a := c.get(key{kindMini, common.Hash{1}}, 5, 1)
	require.Same(t, a, c.get(key{kindMini, common.Hash{1}}, 5, 1))
	require.NotSame(t, a, c.get(key{kindLog, common.Hash{1}}, 5, 1), "another kind")
	require.NotSame(t, a, c.get(key{kindMini, common.Hash{2}}, 5, 1), "another digest under the same sequence")
	require.Same(t, a, c.get(key{kindMini, common.Hash{1}}, 5, 1))
}

func TestCacheKeepsErrors(t *testing.T) {
	c := cache{limit: 1 << 20}
	e := c.get(key{}, 1, 2)
	fail := func() (json.RawMessage, error) { return nil, errWrite }
	for range 2 {
		_, err := e.item(0, fail)
		require.ErrorIs(t, err, errWrite)
	}
	_, err := e.item(1, text(1))
	require.NoError(t, err)
}

// TestCacheWritesOnce: many subscribers at once, each text is written by one.
func TestCacheWritesOnce(t *testing.T) {
	c := cache{limit: 1 << 20}
	var (
		writes atomic.Int64
		wg     sync.WaitGroup
	)
	const subscribers, events, items = 50, 20, 3
	for s := range subscribers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(s), 0))
			for seq := range events {
				e := c.get(key{kindLog, common.Hash{byte(seq)}}, history.Seq(seq), items)
				for _, i := range r.Perm(items) {
					want := fmt.Sprintf("%d/%d", seq, i)
					got, _ := e.item(i, func() (json.RawMessage, error) {
						writes.Add(1)
						return json.RawMessage(want), nil
					})
					if string(got) != want {
						t.Errorf("%s instead of %s", got, want)
					}
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, int64(events*items), writes.Load())
	require.NoError(t, c.check())
}

func TestCacheUnderPressure(t *testing.T) {
	c := cache{limit: 10_000}
	var wg sync.WaitGroup
	for s := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(s), 0))
			for range 2000 {
				seq := r.Uint64N(100)
				n := 1 + int(seq%3)
				e := c.get(key{kindLog, common.Hash{byte(seq)}}, history.Seq(seq), n)
				if got, _ := e.item(r.IntN(n), text(int(seq)*10)); len(got) != int(seq)*10 {
					t.Errorf("%d bytes of event %d", len(got), seq)
				}
				if err := c.check(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.True(t, slices.IsSorted(seqs(c.entries)))
}

// BenchmarkShared is what it costs to serve mini-blocks of 10 ms at 20,000
// transactions a second to many subscribers: writing the JSON and what go-ethereum's
// notifier does with it, short of the connection. With shared=false each subscriber
// writes its own.
func BenchmarkShared(b *testing.B) {
	for _, txs := range []int{10, 200} {
		for _, subscribers := range []int{1, 100} {
			for _, shared := range []bool{false, true} {
				b.Run(fmt.Sprintf("txs=%d/subscribers=%d/shared=%t", txs, subscribers, shared), func(b *testing.B) {
					benchmarkShared(b, txs, subscribers, shared)
				})
			}
		}
	}
}

func benchmarkShared(b *testing.B, txs, subscribers int, shared bool) {
	d := open(b, rpctest.Options{}, Config{}, false)
	feed := d.node.History().Subscribe()
	list := make([]*chain.Tx, txs)
	for i := range list {
		list[i] = d.emit(0, uint64(i), 1, 0)
	}
	d.node.Mini(list...)
	event, err := feed.Next(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	size := 0
	out := func(text json.RawMessage) error {
		size = len(text)
		_, err := json.Marshal(struct {
			ID     string `json:"subscription"`
			Result any    `json:"result"`
		}{"0x1", text})
		return err
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		d.service.cache.entries, d.service.cache.size = nil, 0
		for range subscribers {
			if !shared {
				d.service.cache.entries, d.service.cache.size = nil, 0
			}
			if err := d.service.sendMini(event, out); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(size), "B/notification")
}

// TestFullTransactionsAreShared: who finds transactions written takes no memory for
// those before them in the block.
func TestFullTransactionsAreShared(t *testing.T) {
	node := rpctest.Dev(t, rpctest.Options{})
	service := New(node, Config{})
	tx := node.Transfer(0, common.Address{1}, 1)
	m := &history.Mini{
		Seq: history.SeqOf(1, 9), Number: 1, Env: &chain.Env{Number: 1, BaseFee: node.Head().BaseFee}, FirstTx: 100_000,
		Txs: []*chain.Tx{tx}, Receipts: []*chain.Receipt{{TxHash: tx.Hash()}},
	}
	var got json.RawMessage
	send := func() {
		require.NoError(t, service.sendTxs(history.Event{Mini: m}, func(text json.RawMessage) error {
			got = text
			return nil
		}))
	}
	send()
	require.Contains(t, string(got), `"transactionIndex":"0x186a0"`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		send()
	}
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/100, uint64(m.FirstTx), "bytes for each subscriber")
}
