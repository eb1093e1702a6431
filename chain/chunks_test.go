package chain

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

// The spans of the chunks are the blob, each as its digest says, and any other blob has
// other chunks.
func TestChunks(t *testing.T) {
	for _, size := range []int{0, 1, ChunkSize - 1, ChunkSize, ChunkSize + 1, 3*ChunkSize + 7} {
		blob := bytes.Repeat([]byte{7}, size)
		c, at := ChunksOf(blob), uint64(0)
		for i, digest := range c.Digests {
			from, to := c.Span(i)
			if from != at || to <= from || Keccak256(blob[from:to]) != digest {
				t.Fatalf("chunk %d of %d bytes: %d to %d", i, size, from, to)
			}
			at = to
		}
		if at != uint64(size) || ChunksOf(append(blob, 7)).Digest() == c.Digest() {
			t.Fatalf("chunks of %d bytes end at %d", size, at)
		}
	}
	// As many as the size says, whatever that is.
	for _, size := range []uint64{ChunkSize, 2*ChunkSize + 1, math.MaxUint64} {
		b := encode(&Chunks{Size: size, Digests: ChunksOf(make([]byte, ChunkSize+1)).Digests})
		if err := new(Chunks).UnmarshalBinary(b); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("two chunks of %d bytes: %v", size, err)
		}
	}
}
