package gossip

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/vfs"
)

func newStock(t testing.TB, dir string, most int) *stock {
	s, err := openStock(vfs.OS, dir, most, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return s
}

// ask is what a stock answers about a blob, from a chunk on.
func (s *stock) ask(blob []byte, from uint32) (list [][]byte, err error) {
	r := request{question: askChunks, from: chain.Place{Number: nameOf(chain.ChunksOf(blob).Digest()), Index: from}}
	items, err := s.lookUp(r)
	if err != nil {
		return nil, err
	}
	for item, err := range items {
		if err != nil {
			return list, err
		}
		list = append(list, bytes.Clone(item))
	}
	return list, nil
}

// The newest two are kept, over restarts; nobody else's files are touched.
func TestStock(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.chunks")
	require.NoError(t, os.WriteFile(foreign, nil, 0o600))
	halfway := filepath.Join(dir, stockName(7)+vfs.TempSuffix)
	require.NoError(t, os.WriteFile(halfway, nil, 0o600))
	require.NoError(t, os.WriteFile(foreign+vfs.TempSuffix, nil, 0o600))
	blobs := [][]byte{contents(1), contents(4), contents(6), nil}
	s := newStock(t, dir, 7*chain.ChunkSize)
	require.NoFileExists(t, halfway)
	for _, blob := range append(blobs[:3:3], blobs[2]) {
		require.NoError(t, s.keep(blob, chain.ChunksOf(blob)))
	}
	check := func(s *stock, kept ...[]byte) {
		require.Len(t, s.held, len(kept))
		for _, blob := range kept {
			list, err := s.ask(blob, chunksIndex)
			require.NoError(t, err)
			require.Equal(t, [][]byte{encode(t, chain.ChunksOf(blob))}, list)
			list, err = s.ask(blob, 2)
			require.NoError(t, err)
			got := bytes.Join(list, nil)
			require.True(t, bytes.Equal(blob[2*chain.ChunkSize:][:len(got)], got))
			require.Len(t, list, min(chunksTold, len(chain.ChunksOf(blob).Digests)-2))
			_, err = s.ask(blob, uint32(len(chain.ChunksOf(blob).Digests)))
			require.ErrorIs(t, err, errNotKept)
		}
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, files, len(kept)+2, "and the foreign ones")
		_, err = s.ask(blobs[0], 0)
		require.ErrorIs(t, err, errNotKept)
	}
	check(s, blobs[1:3]...)
	require.ErrorIs(t, s.keep(contents(7), chain.ChunksOf(contents(7))), chain.ErrTooLarge)
	s = newStock(t, dir, 1<<30)
	check(s, blobs[1:3]...)
	newest := contents(8)
	require.NoError(t, s.keep(newest, chain.ChunksOf(newest)))
	s = newStock(t, dir, 1<<30)
	check(s, blobs[2], newest)

	require.True(t, bytes.Equal(newest, s.read(chain.ChunksOf(newest).Digest())))
	require.Nil(t, s.read(chain.ChunksOf(blobs[0]).Digest()))

	// What the disk spoils is not given out, and is let go.
	file := s.held[0].file
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	raw[len(raw)-1-chain.ChunkSize] ^= 1
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	s = newStock(t, dir, 1<<30)
	list, err := s.ask(blobs[2], 4)
	require.ErrorIs(t, err, chain.ErrCorrupt)
	require.Len(t, list, 1)
	check(s, newest)

	// What has become too large is let go too, and what is torn.
	check(newStock(t, dir, len(newest)), newest)
	check(newStock(t, dir, len(newest)-1))
	s = newStock(t, dir, 1<<30)
	require.NoError(t, s.keep(newest, chain.ChunksOf(newest)))
	check(s, newest)
	require.NoError(t, os.Truncate(s.held[0].file, 1000))
	check(newStock(t, dir, 1<<30))
}

// Without a directory nothing is kept.
func TestStockless(t *testing.T) {
	s := newStock(t, "", 1<<30)
	blob := contents(1)
	require.NoError(t, s.keep(blob, chain.ChunksOf(blob)))
	_, err := s.ask(blob, 0)
	require.ErrorIs(t, err, errNotKept)
}

// FuzzStock: whatever is in a file, what is given out of it is what its list says.
func FuzzStock(f *testing.F) {
	blob := contents(0)
	list := encode(f, chain.ChunksOf(blob))
	file := append(append([]byte{0, 0, 0, byte(len(list))}, list...), blob...)
	f.Add(file)
	f.Add(file[:len(file)-1])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 3, 0xc2, 0x80, 0xc0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		files := vfs.NewCrash(1) // in memory
		require.NoError(t, files.MkdirAll("d"))
		require.NoError(t, vfs.WriteFile(files, filepath.Join("d", stockName(1)), func(w io.Writer) error {
			_, err := w.Write(raw)
			return err
		}))
		s, err := openStock(files, "d", 1<<30, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		for _, h := range s.held {
			if h.start()+h.chunks.Size != uint64(len(raw)) {
				t.Fatalf("%d bytes of %d", h.chunks.Size, len(raw))
			}
			i := 0
			for chunk, err := range s.each(h, 0, 1<<20) {
				if err == nil && chain.Keccak256(chunk) != h.chunks.Digests[i] {
					t.Fatalf("chunk %d is another", i)
				}
				i++
			}
		}
	})
}
