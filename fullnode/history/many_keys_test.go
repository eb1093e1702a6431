package history

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// strangers are addresses that no log has.
func strangers(n int) (out []common.Address) {
	for i := range n {
		h := chain.Keccak256(binary.BigEndian.AppendUint64([]byte("stranger"), uint64(i)))
		out = append(out, common.Address(h[12:]))
	}
	return out
}

// manyAddresses asks for n addresses, one of which has all logs.
func manyAddresses(n int) LogQuery {
	return LogQuery{From: 1, To: math.MaxUint64, Addresses: append(strangers(n-1), token), Max: 300}
}

// manyTopics asks for n topics, all of them in use.
func (g *tokens) manyTopics(n int) LogQuery {
	q := LogQuery{From: 1, To: math.MaxUint64, Topics: [][]common.Hash{nil, nil}, Max: 300}
	for _, addr := range g.accounts[:n] {
		q.Topics[1] = append(q.Topics[1], common.BytesToHash(addr[:]))
	}
	return q
}

// A query of a thousand keys takes some ten times as long as one of a hundred, and
// keeps no transaction of the file for long.
func TestLogsOfManyKeys(t *testing.T) {
	blocks, size := 700, 300
	if testing.Short() {
		blocks = 100
	}
	w := newWorld(t, small, nil)
	g := newTokens(10_000)
	g.fill(t, w.store, blocks, size)
	for name, q := range map[string]func(int) LogQuery{"addresses": manyAddresses, "topics": g.manyTopics} {
		t.Run(name, func(t *testing.T) {
			took := make(map[int]time.Duration)
			for _, n := range []int{100, 1000} {
				q := q(n)
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				began := time.Now()
				logs, more, err := w.store.Logs(ctx, &q)
				took[n] = time.Since(began)
				require.NoError(t, err)
				require.Len(t, logs, 300)
				require.True(t, more)
			}
			t.Log("100 keys:", took[100], "1000 keys:", took[1000])
			require.Less(t, took[1000], 20*took[100]+2*time.Second)
		})
	}
}

// What many keys find is what looking at every log finds, also where each round has
// hardly begun when its time is up, and runs are merged between the rounds.
func TestManyKeysFindAll(t *testing.T) {
	w := newWorld(t, shape{txs: 8, logs: 6, data: 8, addresses: 250, topics: 250}, func(c *Config) { c.CacheBytes = 1 })
	w.grow(60, 0.9)
	w.persist()
	last := w.parent.Number
	for range 5 {
		q := &LogQuery{From: 1, To: last, Topics: [][]common.Hash{nil}}
		for range 150 {
			q.Addresses, q.Topics[0] = append(q.Addresses, w.address()), append(q.Topics[0], w.topic())
		}
		require.NotZero(t, w.checkLogs(q))

		c := newCollector(q)
		want, _, err := w.store.Logs(context.Background(), q)
		require.NoError(t, err)
		s := &search{disk: w.store.disk, query: q, from: LogPosition{Block: 1}, last: q.To, time: -1}
		reader, rounds := &logReader{store: w.store}, 0
		for ; !s.done; rounds++ {
			places, err := s.round()
			require.NoError(t, err)
			for _, p := range places {
				require.NoError(t, reader.one(c, p))
			}
			if rounds%50 == 0 {
				w.grow(1, 1)
			}
			require.Less(t, rounds, 10_000)
		}
		require.Greater(t, rounds, len(want))
		require.Len(t, c.logs, len(want))
		for i := range want {
			require.Equal(t, want[i].Block.Number(), c.logs[i].Block.Number())
			require.Equal(t, want[i].Index, c.logs[i].Index)
		}
	}
}

// A query without keys looks into no chunk that has no log with enough topics.
func TestChunksWithoutEnoughTopics(t *testing.T) {
	w := newWorld(t, small, func(c *Config) { c.CacheBytes = 1 })
	newTokens(100).fill(t, w.store, 3, 50) // three topics each
	none, receipts := w.body(4, 5)
	for _, r := range receipts {
		r.Logs = nil
	}
	require.NoError(t, chain.CompleteReceipts(4, nil, none, receipts))
	require.NoError(t, w.store.OpenBlock(w.env(4)))
	require.NoError(t, w.store.Acknowledge(4, none, receipts))
	require.NoError(t, w.store.Seal(w.header(w.env(4), w.store.Head().Hash)))
	require.NoError(t, w.store.Persist(context.Background(), 4))
	for topics, found := range []int{50, 50, 50, 50, 0} {
		for number := uint64(1); number <= 4; number++ {
			if number == 4 {
				found = 0
			}
			c := newCollector(&LogQuery{Topics: make([][]common.Hash, topics)})
			reader := &logReader{store: w.store}
			require.NoError(t, reader.all(context.Background(), c, number))
			require.Len(t, c.logs, found)
			require.Equal(t, found > 0, reader.chunk != nil, "block %d, %d topics", number, topics)
		}
	}
}

// A query of many keys among 210,000 logs, of which it takes the first 300.
func BenchmarkLogsOfManyKeys(b *testing.B) {
	w := newWorld(b, small, nil)
	g := newTokens(10_000)
	g.fill(b, w.store, 700, 300)
	for name, query := range map[string]func(int) LogQuery{"addresses": manyAddresses, "topics": g.manyTopics} {
		for _, n := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("%s=%d", name, n), func(b *testing.B) {
				q := query(n)
				for b.Loop() {
					if _, _, err := w.store.Logs(context.Background(), &q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
