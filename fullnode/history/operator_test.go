package history

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// Who repeats a transaction with another receipt is refused, and one of the two can be
// right: the block has to be dropped.
func TestOtherReceiptsAreRefused(t *testing.T) {
	w := newWorld(t, small, nil)
	b := w.block()
	for b.Txs, b.Receipts = w.body(1, 4); len(b.Receipts[2].Logs) == 0 || len(b.Receipts[2].Logs[0].Topics) == 0; {
		b.Txs, b.Receipts = w.body(1, 4)
	}
	require.NoError(t, w.store.OpenBlock(b.Env))
	require.NoError(t, w.store.Acknowledge(1, b.Txs, b.Receipts))
	for name, spoil := range map[string]func(r *chain.Receipt){
		"status":     func(r *chain.Receipt) { r.Status ^= 1 },
		"root":       func(r *chain.Receipt) { r.HasPostState, r.PostState = true, common.Hash{1} },
		"gas":        func(r *chain.Receipt) { r.GasUsed++ },
		"no logs":    func(r *chain.Receipt) { r.Logs = nil },
		"one more":   func(r *chain.Receipt) { r.Logs = append(r.Logs, chain.Log{}) },
		"address":    func(r *chain.Receipt) { r.Logs[0].Address[0]++ },
		"topic":      func(r *chain.Receipt) { r.Logs[0].Topics[0][0]++ },
		"fewer":      func(r *chain.Receipt) { r.Logs[0].Topics = r.Logs[0].Topics[1:] },
		"other data": func(r *chain.Receipt) { r.Logs[0].Data = append(r.Logs[0].Data, 1) },
	} {
		bare := bareReceipts(b.Receipts)
		spoil(bare[2])
		require.NoError(t, w.store.OpenBlock(b.Env))
		err := w.store.Acknowledge(1, b.Txs, bare)
		var mismatch *chain.MismatchError
		require.ErrorAs(t, err, &mismatch, name)
		require.Equal(t, "receipt of transaction 2", mismatch.Field)
		require.NotEqual(t, mismatch.Got, mismatch.Want)
		require.Equal(t, b.Receipts, w.store.Unsealed()[0].Receipts)
	}
	require.NoError(t, w.store.OpenBlock(b.Env))
	require.NoError(t, w.store.Acknowledge(1, b.Txs, bareReceipts(b.Receipts)), "the same, as they travel")
	require.NoError(t, w.store.Seal(b.Header))
}

// bareReceipts are copies of receipts as they travel.
func bareReceipts(receipts []*chain.Receipt) (out []*chain.Receipt) {
	for _, r := range receipts {
		bare := &chain.Receipt{Status: r.Status, GasUsed: r.GasUsed}
		for _, l := range r.Logs {
			bare.Logs = append(bare.Logs, chain.Log{Address: l.Address, Topics: append([]common.Hash(nil), l.Topics...), Data: bytes.Clone(l.Data)})
		}
		out = append(out, bare)
	}
	return out
}

func TestCheck(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(3, 1)
	w.give(w.blockAt(7)) // a gap
	open := w.block()
	w.giveUnsealed(open, len(open.Txs))
	for _, n := range []uint64{0, 2, 7} {
		h, err := w.store.Header(n)
		require.NoError(t, err)
		require.NoError(t, w.store.Check(h))
		other := *h
		other.StateRoot[0]++
		require.ErrorIs(t, w.store.Check(&other), chain.ErrMismatch, "block %d", n)
	}
	for _, n := range []uint64{5, 8, 100} {
		require.NoError(t, w.store.Check(w.header(w.env(n), common.Hash{1})), "there is no block %d", n)
	}
	require.NoError(t, w.store.Close())
	require.ErrorIs(t, w.store.Check(open.Header), chain.ErrClosed)
}

// Genesis has the withdrawals of its fork: none, or no list of them.
func TestGenesisWithdrawals(t *testing.T) {
	for _, root := range []*common.Hash{nil, new(common.Hash)} {
		w := newWorld(t, small, func(c *Config) { c.Genesis.WithdrawalsRoot = root })
		b, err := w.store.Block(0)
		require.NoError(t, err)
		require.Equal(t, root != nil, b.Env.Withdrawals != nil)
		require.Empty(t, b.Env.Withdrawals)
	}
}

// The operator hears of gaps, of blocks taken back, of pruning, and of damage, but not
// as often as somebody asks for what is damaged.
func TestLogger(t *testing.T) {
	var heard bytes.Buffer
	w := newWorld(t, small, func(c *Config) {
		c.KeepBlocks, c.CacheBytes = 10, 1
		c.Logger = slog.New(slog.NewTextHandler(&heard, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	w.grow(3, 1)
	require.Empty(t, heard.String())
	w.give(w.blockAt(7))
	require.Contains(t, heard.String(), "gap")
	require.Contains(t, heard.String(), "first=4 last=6")
	w.grow(10, 1)
	require.Contains(t, heard.String(), "pruned blocks")
	w.rewind(15)
	require.Contains(t, heard.String(), "first=16 last=17")

	require.NoError(t, w.store.Close())
	name := filepath.Join(w.cfg.Dir, fileName)
	file, err := os.ReadFile(name)
	require.NoError(t, err)
	w.spoilChunks(file)
	require.NoError(t, os.WriteFile(name, file, 0o600))
	w.open()
	require.NotContains(t, heard.String(), "damaged")
	for range 5 {
		require.ErrorIs(t, second(w.store.Block(15)), chain.ErrCorrupt)
		require.ErrorIs(t, third(w.store.Logs(context.Background(), &LogQuery{From: 15, To: 15})), chain.ErrCorrupt)
	}
	require.Equal(t, 1, strings.Count(heard.String(), "damaged"))
}

// spoilChunks flips a bit of what is kept of block 15, wherever it is in the file.
func (w *world) spoilChunks(file []byte) {
	for _, key := range [][]byte{chunkKey(15, 0), blockKey(15)} {
		for at := 0; ; {
			i := bytes.Index(file[at:], key)
			if i < 0 {
				break
			}
			at += i + len(key)
			file[at+8] ^= 1
		}
	}
}
