package history

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// FuzzRecord decodes blocks of anything. What is a block encodes to one that is equal.
func FuzzRecord(f *testing.F) {
	c, err := newCodec()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, head, chunk []byte) {
		h, err := c.decodeHead(1, head)
		if err != nil {
			require.ErrorIs(t, err, chain.ErrCorrupt)
			return
		}
		r := &record{number: 1, head: head}
		for range h.chunks {
			if r.chunks = append(r.chunks, chunk); len(r.chunks) > 3 {
				break
			}
		}
		b, err := c.decode(r)
		if err != nil {
			require.ErrorIs(t, err, chain.ErrCorrupt)
			return
		}
		again, err := c.decode(c.encode(b))
		require.NoError(t, err)
		require.Equal(t, b.Hash, again.Hash)
		require.Len(t, again.Txs, len(b.Txs))
		for i := range b.Txs {
			require.Equal(t, b.Txs[i].Hash(), again.Txs[i].Hash())
			require.Equal(t, b.Receipts[i].CumulativeGasUsed, again.Receipts[i].CumulativeGasUsed)
			require.Equal(t, b.Receipts[i].LogsBloom, again.Receipts[i].LogsBloom)
		}
	})
}

// FuzzPage reads pages of anything: the postings ascend, and are in the page's range.
func FuzzPage(f *testing.F) {
	f.Fuzz(func(t *testing.T, key, block uint64, index uint32, src []byte) {
		p, err := readPage(posting{key, block, index}, src)
		var last posting
		for n := 0; err == nil; n++ {
			var q posting
			var ok bool
			if q, ok, err = p.next(); err != nil || !ok {
				break
			}
			require.True(t, p.covers(q))
			require.True(t, n == 0 || last.compare(q) < 0)
			require.LessOrEqual(t, n, len(src))
			last = q
		}
	})
}

// FuzzState reads states of anything, and writes them as they were.
func FuzzState(f *testing.F) {
	f.Fuzz(func(t *testing.T, src []byte) {
		st, err := readState(src)
		if err == nil {
			require.True(t, bytes.Equal(src, st.append(nil)))
		}
	})
}

// What packs too well to be unpacked safely is kept as it is.
func TestPack(t *testing.T) {
	c, err := newCodec()
	require.NoError(t, err)
	for _, raw := range [][]byte{nil, {1}, []byte("some words, some words, some words, some words"), make([]byte, 1<<20), make([]byte, 64<<20)} {
		packed := c.pack(nil, raw)
		got, err := c.unpack(packed)
		require.NoError(t, err)
		require.True(t, bytes.Equal(raw, got))
		require.LessOrEqual(t, uint64(len(raw)), unpackedMax(len(packed)))
	}
	bomb := c.encoder.EncodeAll(make([]byte, 64<<20), []byte{packedZstd})
	require.ErrorIs(t, second(c.unpack(bomb)), chain.ErrTooLarge)
	for _, bad := range [][]byte{nil, {2, 3}, {packedZstd}, {packedZstd, 1, 2, 3}} {
		require.Error(t, second(c.unpack(bad)))
	}
}
