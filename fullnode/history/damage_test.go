package history

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/invariants"
)

// damagedWorld is a small chain, and the bytes of its file.
func damagedWorld(t *testing.T) (*world, []byte) {
	w := newWorld(t, small, nil)
	w.grow(60, 0.4)
	w.persist()
	stats, err := w.store.Stats()
	require.NoError(t, err)
	require.NoError(t, w.store.Close())
	file, err := os.ReadFile(filepath.Join(w.cfg.Dir, fileName))
	require.NoError(t, err)
	return w, file[:stats.DiskBytes] // the rest is space to grow
}

// examine opens a store with the file and asks for everything. It returns how many
// answers were errors. Each must say that the file is damaged, and each that is none
// must be right.
func (w *world) examine(t *testing.T, file []byte) (failures int) {
	t.Helper()
	cfg := w.cfg
	cfg.Dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(cfg.Dir, fileName), file, 0o600))
	s, err := Open(cfg)
	if err != nil {
		require.ErrorIs(t, err, chain.ErrCorrupt)
		return 1
	}
	defer s.Close()
	// bbolt falls back on the state before if that of the last transaction is damaged.
	head := s.Head().Number
	require.LessOrEqual(t, head, w.parent.Number)
	seen := func(n uint64, err error) bool {
		if err == nil {
			return true
		}
		failures++
		if !errors.Is(err, chain.ErrCorrupt) {
			require.Greater(t, n, head, "%v", err)
		}
		return false
	}
	for _, n := range w.numbers() {
		want := w.blocks[n]
		if got, err := s.Block(n); seen(n, err) {
			equalBlock(t, want, got)
		}
		if got, err := s.Header(n); seen(n, err) {
			require.Equal(t, want.Header, got)
		}
		if got, err := s.Number(want.Hash); seen(n, err) {
			require.Equal(t, n, got)
		}
		for i, tx := range want.Txs {
			if _, at, err := s.Tx(tx.Hash()); seen(n, err) {
				require.Equal(t, i, at)
			}
		}
	}
	q := &LogQuery{To: head, Addresses: []common.Address{{0xad, 1}}}
	if got, _, err := s.Logs(context.Background(), q); seen(0, err) {
		var blocks []*Block
		for _, n := range w.numbers() {
			if n <= head {
				blocks = append(blocks, w.blocks[n])
			}
		}
		want, _ := bruteForce(blocks, q)
		require.Len(t, got, len(want))
	}
	return failures
}

// A flipped bit anywhere is noticed by who reads what it is in, or does nothing.
func TestFlips(t *testing.T) {
	w, file := damagedWorld(t)
	require.Zero(t, w.examine(t, file))
	const page = 4096
	rng := rand.New(rand.NewPCG(7, 7))
	noticed, flips := 0, 3
	if testing.Short() || invariants.Enabled {
		flips = 1
	}
	for at := 0; at < len(file); at += page {
		if bytes.Count(file[at:at+page], []byte{0}) == page {
			continue // never used
		}
		for range flips {
			// Half of them where the page says what it is and where its items are.
			i := at + rng.IntN(page)
			if rng.IntN(2) == 0 {
				i = at + rng.IntN(128)
			}
			bit := byte(1) << rng.IntN(8)
			file[i] ^= bit
			if w.examine(t, file) > 0 {
				noticed++
			}
			file[i] ^= bit
		}
	}
	require.Greater(t, noticed, 3*flips)
}

// A file that was cut short anywhere is noticed.
func TestTruncation(t *testing.T) {
	w, file := damagedWorld(t)
	for size := 1; size < len(file); size += 3000 {
		require.NotZero(t, w.examine(t, file[:size]), "%d of %d bytes", size, len(file))
	}
	require.NoError(t, os.WriteFile(filepath.Join(w.cfg.Dir, fileName), []byte("something else"), 0o600))
	require.ErrorIs(t, second(Open(w.cfg)), chain.ErrCorrupt)
}

// Nothing is written on top of damage.
func TestNothingIsWrittenOnDamage(t *testing.T) {
	w, file := damagedWorld(t)
	i := bytes.LastIndex(file, []byte("state"))
	require.Positive(t, i)
	w.open()
	defer w.store.Close()
	w.store.disk.broken = corrupt("history: test", errMissing)
	w.give(w.block())
	require.ErrorIs(t, w.store.Persist(context.Background(), w.parent.Number), chain.ErrCorrupt)
	b, err := w.store.Block(w.parent.Number)
	require.NoError(t, err, "reading goes on")
	require.Equal(t, w.parent.Hash, b.Hash)
}

func TestOpen(t *testing.T) {
	w := newWorld(t, small, nil)
	w.grow(2, 1)
	_, err := Open(w.cfg)
	require.Error(t, err, "it is in use")
	require.NoError(t, w.store.Close())
	other := w.cfg
	other.Genesis = testGenesis()
	other.Genesis.Timestamp++
	require.ErrorIs(t, second(Open(other)), chain.ErrMismatch)
	for _, cfg := range []Config{{}, {Dir: t.TempDir()}, {Dir: t.TempDir(), Genesis: &chain.Header{Number: 1}}} {
		require.Error(t, second(Open(cfg)))
	}
	info, err := os.Stat(filepath.Join(w.cfg.Dir, fileName))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	w.open()
	w.check()
}
