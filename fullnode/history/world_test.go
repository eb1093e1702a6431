package history

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// A world makes blocks, and a store that they go into. It remembers all of them: it is
// the twin that the store is compared with.
type world struct {
	tb     testing.TB
	rng    *rand.Rand // what blocks are like
	pace   *rand.Rand // how they come
	store  *Store
	cfg    Config
	blocks map[uint64]*Block // sealed
	parent chain.BlockID
	nonce  uint64
	digest common.Hash
	shape  shape
}

// A shape says what blocks are like.
type shape struct {
	txs, logs, data   int // at most: of a block, of a transaction, of a log's data
	addresses, topics int // how many different ones there are
}

var small = shape{txs: 6, logs: 4, data: 40, addresses: 5, topics: 6}

func testGenesis() *chain.Header {
	return &chain.Header{
		OmmersHash: common.Hash{1}, ExtraData: []byte("genesis"), GasLimit: 1 << 40,
		BaseFee: uint256.NewInt(7), WithdrawalsRoot: new(common.Hash),
	}
}

func newWorld(tb testing.TB, s shape, change func(*Config)) *world {
	cfg := Config{Dir: tb.TempDir(), Genesis: testGenesis(), Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	w := &world{tb: tb, rng: rand.New(rand.NewPCG(1, 2)), pace: rand.New(rand.NewPCG(3, 4)), cfg: cfg, blocks: make(map[uint64]*Block), parent: cfg.Genesis.ID(), shape: s}
	w.open()
	tb.Cleanup(func() { w.store.Close() })
	return w
}

func (w *world) open() {
	w.tb.Helper()
	var err error
	w.store, err = Open(w.cfg)
	require.NoError(w.tb, err)
}

// reopen closes the store and opens it again: what was not persisted is gone.
func (w *world) reopen() {
	w.tb.Helper()
	require.NoError(w.tb, w.store.Close())
	w.open()
}

func (w *world) env(number uint64) *chain.Env {
	return &chain.Env{
		Number: number, Timestamp: 1000 + number, GasLimit: 1 << 40, Coinbase: common.Address{9},
		PrevRandao: common.Hash{byte(number)}, BaseFee: uint256.NewInt(7), ExtraData: []byte("extra"),
		Withdrawals: []chain.Withdrawal{{Index: number, Validator: 2, Address: common.Address{3}, Amount: 4}},
	}
}

func (w *world) tx() *chain.Tx {
	w.nonce++
	raw := make([]byte, 20+w.rng.IntN(60))
	raw[0] = 2
	binary.BigEndian.PutUint64(raw[1:], w.nonce)
	for i := 9; i < len(raw); i++ {
		raw[i] = byte(w.rng.Uint32())
	}
	return chain.NewTx(raw)
}

func (w *world) address() common.Address {
	return common.Address{0xad, byte(w.rng.IntN(w.shape.addresses))}
}

func (w *world) topic() common.Hash { return common.Hash{31: byte(w.rng.IntN(w.shape.topics))} }

// receipt is a bare one: what AppendReceipts keeps.
func (w *world) receipt() *chain.Receipt {
	r := &chain.Receipt{Status: uint64(w.rng.IntN(2)), GasUsed: 21000 + uint64(w.rng.IntN(1000))}
	for range w.rng.IntN(w.shape.logs + 1) {
		l := chain.Log{Address: w.address(), Data: make([]byte, w.rng.IntN(w.shape.data+1))}
		for range w.rng.IntN(5) {
			l.Topics = append(l.Topics, w.topic())
		}
		r.Logs = append(r.Logs, l)
	}
	return r
}

// body makes transactions with complete receipts.
func (w *world) body(number uint64, n int) (txs []*chain.Tx, receipts []*chain.Receipt) {
	for range n {
		txs, receipts = append(txs, w.tx()), append(receipts, w.receipt())
	}
	require.NoError(w.tb, chain.CompleteReceipts(number, nil, txs, receipts))
	return txs, receipts
}

func (w *world) header(env *chain.Env, parent common.Hash) *chain.Header {
	return &chain.Header{
		ParentHash: parent, Coinbase: env.Coinbase, Number: env.Number, GasLimit: env.GasLimit, Timestamp: env.Timestamp,
		ExtraData: env.ExtraData, PrevRandao: env.PrevRandao, BaseFee: env.BaseFee, WithdrawalsRoot: new(common.Hash),
	}
}

// block makes a block on top of the newest one, and remembers it.
func (w *world) block() *Block { return w.blockAt(w.parent.Number + 1) }

func (w *world) blockAt(number uint64) *Block {
	env := w.env(number)
	b := &Block{Env: env, Header: w.header(env, w.parent.Hash)}
	b.Txs, b.Receipts = w.body(number, w.rng.IntN(w.shape.txs+1))
	b.Hash = b.Header.Hash()
	w.blocks[number], w.parent = b, b.Header.ID()
	return b
}

// give writes the block to the store as a node does: in mini-blocks of commit groups.
func (w *world) give(b *Block) {
	w.tb.Helper()
	w.giveUnsealed(b, len(b.Txs))
	require.NoError(w.tb, w.store.Seal(b.Header))
}

// giveUnsealed writes the first n transactions of the block. If that is all, its last
// mini-block ends.
func (w *world) giveUnsealed(b *Block, n int) {
	w.tb.Helper()
	require.NoError(w.tb, w.store.OpenBlock(b.Env))
	for from, mini := 0, uint32(0); ; mini++ {
		to := min(from+1+w.pace.IntN(3), n)
		for at := from; at < to; { // commit groups
			group := min(at+1+w.pace.IntN(2), to)
			require.NoError(w.tb, w.store.Acknowledge(b.Number(), b.Txs[at:group], b.Receipts[at:group]))
			at = group
		}
		last := to == len(b.Txs)
		w.mini(b, mini, from, to, last)
		if from = to; from >= n {
			return
		}
	}
}

func (w *world) mini(b *Block, index uint32, from, to int, last bool) {
	w.tb.Helper()
	f := &chain.Frame{Number: b.Number(), Index: index, Parent: w.digest, TxCount: uint32(to - from), Last: last}
	if to > 0 {
		f.GasUsed = b.Receipts[to-1].CumulativeGasUsed
	}
	if index == 0 {
		f.Env = b.Env
	}
	w.digest = f.Digest()
	require.NoError(w.tb, w.store.SealMini(f, w.digest, &chain.Changes{}))
}

// grow adds blocks, and persists them with the given probability each.
func (w *world) grow(n int, persist float64) {
	w.tb.Helper()
	for range n {
		w.give(w.block())
		if w.pace.Float64() < persist {
			w.persist()
		}
	}
}

func (w *world) persist() {
	w.tb.Helper()
	require.NoError(w.tb, w.store.Persist(context.Background(), w.parent.Number))
}

// rewind takes back the blocks after number.
func (w *world) rewind(number uint64) {
	w.tb.Helper()
	require.NoError(w.tb, w.store.Rewind(number))
	for n := range w.blocks {
		if n > number {
			delete(w.blocks, n)
		}
	}
	w.parent = w.cfg.Genesis.ID()
	if b := w.blocks[number]; b != nil {
		w.parent = b.Header.ID()
	}
}

// numbers are those of the blocks, ascending.
func (w *world) numbers() (out []uint64) {
	for n := range w.blocks {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// equal compares everything that a block has.
func equalBlock(tb testing.TB, want, got *Block) {
	tb.Helper()
	require.Equal(tb, want.Header, got.Header)
	require.Equal(tb, want.Hash, got.Hash)
	require.Equal(tb, want.Env, got.Env)
	require.Len(tb, got.Txs, len(want.Txs))
	require.Len(tb, got.Receipts, len(want.Txs))
	for i := range want.Txs {
		require.Equal(tb, want.Txs[i].Raw(), got.Txs[i].Raw())
		equalReceipt(tb, want.Receipts[i], got.Receipts[i])
	}
}

func equalReceipt(tb testing.TB, want, got *chain.Receipt) {
	tb.Helper()
	a, b := *want, *got
	require.Len(tb, b.Logs, len(a.Logs))
	for i := range a.Logs {
		equalLog(tb, &a.Logs[i], &b.Logs[i])
	}
	a.Logs, b.Logs = nil, nil
	require.Equal(tb, a, b)
}

func equalLog(tb testing.TB, want, got *chain.Log) {
	tb.Helper()
	require.Equal(tb, want.Address, got.Address)
	require.True(tb, slices.Equal(want.Topics, got.Topics))
	require.True(tb, slices.Equal(want.Data, got.Data))
}
