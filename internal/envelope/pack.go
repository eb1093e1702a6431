package envelope

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Both are safe for concurrent use, and have no goroutines as they are used here.
var (
	packer = sync.OnceValue(func() *zstd.Encoder {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithSingleSegment(true), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic("envelope: " + err.Error()) // our options
		}
		return w
	})
	opener = sync.OnceValue(func() *zstd.Decoder {
		// The destination's capacity is the limit, and it is what Peek let pass.
		r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true),
			zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(DecodedMax), zstd.WithDecoderMaxWindow(DecodedMax))
		if err != nil {
			panic("envelope: " + err.Error()) // our options
		}
		return r
	})
)

// packMin is the size, in bytes, below which packing is not tried.
const packMin = 128

// pack returns the body as one zstd frame, if that is worth its unpacking: an eighth
// less.
func pack(body []byte) (packed []byte, ok bool) {
	if len(body) < packMin {
		return nil, false
	}
	packed = packer().EncodeAll(body, make([]byte, 0, len(body)/2))
	return packed, len(packed) <= len(body)-len(body)/8
}

// unpack returns the body, which must be size bytes long, in memory of that size.
// The frame's own statement is looked at before any is taken.
func unpack(packed []byte, size int) ([]byte, error) {
	var frame zstd.Header
	if err := frame.Decode(packed); err != nil {
		return nil, err
	}
	if frame.Skippable || frame.DictionaryID != 0 || !frame.HasFCS || frame.FrameContentSize != uint64(size) {
		return nil, fmt.Errorf("zstd frame states %d bytes (%t), want %d", frame.FrameContentSize, frame.HasFCS, size)
	}
	body, err := opener().DecodeAll(packed, make([]byte, 0, size))
	if err != nil {
		return nil, err
	}
	if len(body) != size {
		return nil, fmt.Errorf("%d bytes, want %d", len(body), size)
	}
	return body, nil
}
