package chain

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/internal/rlp"
)

// ChunkSize is how many bytes of a blob are in a chunk. The last has what is left.
const ChunkSize = 256 << 10

// Chunks says what a blob is, chunk by chunk. Who was told the digest of it by somebody who
// is believed can have the chunks of anybody, in any order, and sees of each at once
// whether it is the right one.
type Chunks struct {
	Size    uint64        // of the blob, in bytes
	Digests []common.Hash // keccak256 of each chunk, in their order
}

// ChunksOf is what a blob is.
func ChunksOf(blob []byte) *Chunks {
	c := &Chunks{Size: uint64(len(blob))}
	for len(blob) > 0 {
		n := min(len(blob), ChunkSize)
		c.Digests = append(c.Digests, Keccak256(blob[:n]))
		blob = blob[n:]
	}
	return c
}

// Span is where in the blob chunk i is.
func (c *Chunks) Span(i int) (from, to uint64) {
	from = uint64(i) * ChunkSize
	return from, min(from+ChunkSize, c.Size)
}

// Digest is keccak256 of the encoding.
func (c *Chunks) Digest() common.Hash {
	b, _ := c.AppendBinary(nil) // it has no failure of its own
	return Keccak256(b)
}

// AppendBinary appends the RLP of the chunks' sizes and digests.
func (c *Chunks) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = rlp.AppendUint64(dst, c.Size)
	at := len(dst)
	for i := range c.Digests {
		dst = rlp.AppendBytes(dst, c.Digests[i][:])
	}
	dst = rlp.WrapList(dst, at)
	return rlp.WrapList(dst, start), nil
}

// UnmarshalBinary reads what AppendBinary wrote and copies it. On an error, which matches
// ErrCorrupt, c is unchanged.
func (c *Chunks) UnmarshalBinary(src []byte) error {
	var (
		out Chunks
		in  = rlp.NewReader(src)
		r   = in.List()
	)
	out.Size = r.Uint64()
	list := r.List()
	for list.More() {
		var digest common.Hash
		list.Fixed(digest[:])
		out.Digests = append(out.Digests, digest)
	}
	r.Close(list)
	in.Close(r)
	if err := in.End(); err != nil {
		return corrupt("chunks", err)
	}
	whole, rest := out.Size/ChunkSize, out.Size%ChunkSize
	if rest > 0 {
		whole++
	}
	if uint64(len(out.Digests)) != whole {
		return corrupt("chunks", fmt.Errorf("%d of them for %d bytes", len(out.Digests), out.Size))
	}
	*c = out
	return nil
}
