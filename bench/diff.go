package bench

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// encodeStream encodes all spans, and ends where it began.
func encodeStream(tb testing.TB, s *Stream, encoder chain.DiffEncoder) [][]byte {
	tb.Helper()
	var (
		start = encoder.Mark()
		diffs [][]byte
	)
	for i := range s.Spans {
		diff, err := encoder.AppendEncode(nil, s.Spans[i].Changes, s.Spans[i].Prior, nil)
		if err != nil {
			tb.Fatalf("%s: encode span %d: %v", s.Name, i, err)
		}
		diffs = append(diffs, diff)
	}
	if err := encoder.Rollback(start); err != nil {
		tb.Fatal(err)
	}
	return diffs
}

// decodeStream decodes all spans, compares them with what was encoded, ends where
// it began and returns a digest of the Changes.
func decodeStream(tb testing.TB, s *Stream, decoder chain.DiffEncoder, diffs [][]byte) common.Hash {
	tb.Helper()
	var (
		start   = decoder.Mark()
		digests []byte
	)
	for i := range s.Spans {
		var got chain.Changes
		if err := decoder.Decode(&got, diffs[i], s.Spans[i].Prior); err != nil {
			tb.Fatalf("%s: decode span %d: %v", s.Name, i, err)
		}
		digest := got.Digest()
		if want := s.Spans[i].Changes.Digest(); digest != want {
			tb.Fatalf("%s: span %d decodes to changes %s, want %s", s.Name, i, digest, want)
		}
		digests = append(digests, digest[:]...)
	}
	if err := decoder.Rollback(start); err != nil {
		tb.Fatal(err)
	}
	return chain.Keccak256(digests)
}

// CheckDiff encodes s and decodes it again, twice with the same ends: the same bytes
// must come out. It returns a digest of what was decoded.
func CheckDiff(tb testing.TB, s *Stream, open func() chain.DiffEncoder) common.Hash {
	tb.Helper()
	encoder, decoder := open(), open()
	diffs := encodeStream(tb, s, encoder)
	digest := decodeStream(tb, s, decoder, diffs)
	for i, again := range encodeStream(tb, s, encoder) {
		if !bytes.Equal(again, diffs[i]) {
			tb.Fatalf("%s: span %d has other bytes after a rollback", s.Name, i)
		}
	}
	decodeStream(tb, s, decoder, diffs)
	return digest
}

// DiffEncode times an encoder. One operation is all spans of s in order, from the
// beginning of a stream, and the return to it: the encoder has its working memory,
// but nothing it learned from the operation before. Metrics: B/tx, ns/update (of an
// account or slot), cpu-ns/op.
func DiffEncode(b *testing.B, s *Stream, open func() chain.DiffEncoder) {
	CheckDiff(b, s, open)
	var (
		encoder = open()
		size    = 0
		dst     []byte
	)
	for _, diff := range encodeStream(b, s, encoder) {
		size += len(diff)
	}
	b.ReportAllocs()
	watch := newStopwatch(b)
	for b.Loop() {
		start := encoder.Mark()
		for i := range s.Spans {
			var err error
			if dst, err = encoder.AppendEncode(dst[:0], s.Spans[i].Changes, s.Spans[i].Prior, nil); err != nil {
				b.Fatal(err)
			}
		}
		if err := encoder.Rollback(start); err != nil {
			b.Fatal(err)
		}
	}
	watch.stop()
	b.ReportMetric(float64(size)/float64(s.Txs()), "B/tx")
	watch.cost("ns/update", float64(s.Updates()))
	watch.processor()
}

// DiffDecode times a decoder, as DiffEncode does the encoder. It reads the values
// before from plain maps. Metrics: ns/update, cpu-ns/op.
func DiffDecode(b *testing.B, s *Stream, open func() chain.DiffEncoder) {
	CheckDiff(b, s, open)
	diffs, decoder := encodeStream(b, s, open()), open()
	decodeStream(b, s, decoder, diffs)
	b.ReportAllocs()
	watch := newStopwatch(b)
	for b.Loop() {
		start := decoder.Mark()
		for i := range s.Spans {
			var got chain.Changes
			if err := decoder.Decode(&got, diffs[i], s.Spans[i].Prior); err != nil {
				b.Fatal(err)
			}
		}
		if err := decoder.Rollback(start); err != nil {
			b.Fatal(err)
		}
	}
	watch.stop()
	watch.cost("ns/update", float64(s.Updates()))
	watch.processor()
}
