package history

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// tokens makes transfers of tokens between accounts, as they are on a chain: the bytes
// of an ERC-20 transfer in a type 2 transaction, with a signature that nothing packs.
type tokens struct {
	rng      *rand.Rand
	accounts []common.Address
	nonces   []uint64
	parent   common.Hash
}

var (
	token         = common.Address{0xc0, 1, 2, 3, 4}
	transferTopic = chain.Keccak256([]byte("Transfer(address,address,uint256)"))
)

func newTokens(accounts int) *tokens {
	g := &tokens{rng: rand.New(rand.NewPCG(8, 9)), accounts: make([]common.Address, accounts), nonces: make([]uint64, accounts)}
	for i := range g.accounts {
		h := chain.Keccak256(binary.BigEndian.AppendUint64(nil, uint64(i)))
		g.accounts[i] = common.Address(h[12:])
	}
	return g
}

func (g *tokens) tx() (*chain.Tx, *chain.Receipt) {
	from, to := g.rng.IntN(len(g.accounts)), g.rng.IntN(len(g.accounts))
	var amount [32]byte
	binary.BigEndian.PutUint64(amount[24:], g.rng.Uint64N(1e15))
	data := append([]byte{0xa9, 0x05, 0x9c, 0xbb}, make([]byte, 12)...)
	data = append(append(data, g.accounts[to][:]...), amount[:]...)
	raw := []byte{2}
	for _, v := range []uint64{31337, g.nonces[from], 1e9, 2e9, 60_000} {
		raw = rlp.AppendUint64(raw, v)
	}
	g.nonces[from]++
	raw = rlp.AppendBytes(raw, token[:])
	raw = rlp.AppendUint64(raw, 0)
	raw = rlp.AppendBytes(raw, data)
	raw = rlp.WrapList(raw, len(raw)) // access list
	raw = rlp.AppendUint64(raw, g.rng.Uint64()&1)
	for range 2 {
		var half [32]byte
		for i := 0; i < 32; i += 8 {
			binary.BigEndian.PutUint64(half[i:], g.rng.Uint64())
		}
		raw = rlp.AppendBytes(raw, half[:])
	}
	raw = rlp.WrapList(raw, 1)
	var topics []common.Hash
	for _, addr := range []common.Address{g.accounts[from], g.accounts[to]} {
		topics = append(topics, common.BytesToHash(addr[:]))
	}
	return chain.NewTx(raw), &chain.Receipt{
		Status: 1, GasUsed: 34_000 + g.rng.Uint64N(3)*17_100,
		Logs: []chain.Log{{Address: token, Topics: append([]common.Hash{transferTopic}, topics...), Data: amount[:]}},
	}
}

func (g *tokens) block(tb testing.TB, number uint64, n int) *Block {
	w := &world{tb: tb}
	b := &Block{Env: w.env(number)}
	for range n {
		tx, r := g.tx()
		b.Txs, b.Receipts = append(b.Txs, tx), append(b.Receipts, r)
	}
	require.NoError(tb, chain.CompleteReceipts(number, nil, b.Txs, b.Receipts))
	b.Header = w.header(b.Env, g.parent)
	b.Hash = b.Header.Hash()
	g.parent = b.Hash
	return b
}

// fill writes blocks of n transactions each, and persists every one.
func (g *tokens) fill(tb testing.TB, s *Store, blocks, n int) {
	g.parent = s.Head().Hash
	for range blocks {
		b := g.block(tb, s.Head().Number+1, n)
		require.NoError(tb, s.OpenBlock(b.Env))
		require.NoError(tb, s.Acknowledge(b.Number(), b.Txs, b.Receipts))
		require.NoError(tb, s.Seal(b.Header))
		require.NoError(tb, s.Persist(context.Background(), b.Number()))
	}
}

// The way of a commit group: what stands between its fsync and its receipts.
func BenchmarkAcknowledge(b *testing.B) {
	for _, size := range []int{1, 20, 200} {
		b.Run(fmt.Sprintf("group=%d", size), func(b *testing.B) {
			w := newWorld(b, small, nil)
			g := newTokens(1000)
			const blockSize = 20_000
			block := g.block(b, 1, blockSize)
			at, number := 0, uint64(1)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += size {
				if at == blockSize || i == 0 {
					b.StopTimer()
					w.store.Drop()
					require.NoError(b, w.store.OpenBlock(w.env(number)))
					at = 0
					b.StartTimer()
				}
				if err := w.store.Acknowledge(number, block.Txs[at:at+size], block.Receipts[at:at+size]); err != nil {
					b.Fatal(err)
				}
				at += size
			}
		})
	}
}

func BenchmarkUnsealed(b *testing.B) {
	w := newWorld(b, small, nil)
	block := newTokens(1000).block(b, 1, 60_000)
	require.NoError(b, w.store.OpenBlock(block.Env))
	require.NoError(b, w.store.Acknowledge(1, block.Txs, block.Receipts))
	b.ReportAllocs()
	for b.Loop() {
		w.store.Unsealed()
	}
}

// What a transaction takes on disk, and what of it pruning gives back.
func BenchmarkBytes(b *testing.B) {
	for _, size := range []int{10, 1000} {
		b.Run(fmt.Sprintf("txs=%d", size), func(b *testing.B) {
			for range b.N {
				w := newWorld(b, small, nil)
				blocks := 200_000 / size
				blocks = min(blocks, 2000)
				newTokens(10_000).fill(b, w.store, blocks, size)
				txs := float64(blocks * size)
				require.NoError(b, w.store.disk.view(func(tx *bbolt.Tx, st *state) error {
					for _, name := range [][]byte{bucketHeads, bucketChunks, bucketTxs, bucketHashes, bucketLogs} {
						stats := tx.Bucket(name).Stats()
						pages := stats.BranchPageN + stats.BranchOverflowN + stats.LeafPageN + stats.LeafOverflowN
						b.ReportMetric(float64(pages*4096)/txs, string(name)+"-B/tx")
					}
					for name, r := range map[string]*runs{"txs": &st.txs, "logs": &st.logs} {
						var sum float64
						for _, x := range r.live {
							sum += float64(x.bytes)
						}
						b.ReportMetric(sum/txs, name+"-postings-B/tx")
						b.ReportMetric(float64(len(r.live)), name+"-runs")
					}
					b.ReportMetric(float64(tx.Size())/txs, "file-B/tx")
					return nil
				}))
			}
		})
	}
}

// A rare address and topic among a million logs, over the whole range: by the index, by
// looking at every log, and, what a search without keys costs that finds nothing, by
// heads.
func BenchmarkLogs(b *testing.B) {
	blocks, size := 1000, 1000
	if testing.Short() {
		blocks = 20
	}
	w := newWorld(b, small, func(c *Config) { c.CacheBytes = 1 })
	g := newTokens(100_000)
	g.fill(b, w.store, blocks, size)
	holder := common.BytesToHash(g.accounts[7][:])
	rare := LogQuery{To: math.MaxUint64, Addresses: []common.Address{token}, Topics: [][]common.Hash{{transferTopic}, {holder}}}
	for name, find := range map[string]func() ([]FoundLog, error){
		"index": func() ([]FoundLog, error) {
			logs, _, err := w.store.Logs(context.Background(), &rare)
			return logs, err
		},
		"scan": func() ([]FoundLog, error) {
			c, reader := newCollector(&rare), &logReader{store: w.store}
			for number := uint64(1); number <= uint64(blocks); number++ {
				if err := reader.all(context.Background(), c, number); err != nil {
					return nil, err
				}
			}
			return c.logs, nil
		},
		// Logs with four topics, of which there are none.
		"heads": func() ([]FoundLog, error) {
			logs, _, err := w.store.Logs(context.Background(), &LogQuery{To: math.MaxUint64, Topics: make([][]common.Hash, 4)})
			return logs, err
		},
	} {
		b.Run("impl="+name, func(b *testing.B) {
			for b.Loop() {
				logs, err := find()
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(logs)), "logs")
			}
		})
	}
}

func BenchmarkTx(b *testing.B) {
	w := newWorld(b, small, func(c *Config) { c.CacheBytes = 64 << 20 })
	g := newTokens(1000)
	g.fill(b, w.store, 500, 100)
	known, err := w.store.Block(400)
	require.NoError(b, err)
	for name, hash := range map[string]common.Hash{"known": known.Txs[50].Hash(), "unknown": {1, 2, 3}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w.store.Tx(hash)
			}
		})
	}
}
