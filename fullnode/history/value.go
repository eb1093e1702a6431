package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"

	"github.com/vivace-chain/vivace/chain"
)

// Every value in the file ends with a checksum over the bucket that it is in, its key
// and itself: bbolt has none on its pages, and a value under another's key is as
// damaged as one with a flipped bit.
const sumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(bucket, key, value []byte) uint32 {
	return crc32.Update(crc32.Update(crc32.Checksum(bucket, castagnoli), castagnoli, key), castagnoli, value)
}

// sealValue appends the checksum.
func sealValue(bucket, key, value []byte) []byte {
	return binary.LittleEndian.AppendUint32(value, checksum(bucket, key, value))
}

var (
	errSum     = errors.New("checksum does not fit")
	errMissing = errors.New("missing from the file")
)

// openValue takes the checksum off, after it was found right.
func openValue(bucket, key, sealed []byte) ([]byte, error) {
	if sealed == nil {
		return nil, corrupt(fmt.Sprintf("history: %s %x", bucket, key), errMissing)
	}
	if n := len(sealed) - sumSize; n >= 0 {
		if value := sealed[:n:n]; checksum(bucket, key, value) == binary.LittleEndian.Uint32(sealed[n:]) {
			return value, nil
		}
	}
	return nil, corrupt(fmt.Sprintf("history: %s %x", bucket, key), errSum)
}

// A codec packs values: a byte that says how, then the bytes. It may be used
// concurrently, and has nothing to close.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// How a value is packed. The numbers are those of the format: never change one.
const (
	packedRaw  = 0
	packedZstd = 1
)

func newCodec() (*codec, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(2), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true), zstd.IgnoreChecksum(true))
	return &codec{encoder, decoder}, err
}

// unpackedMax bounds what a packed value may become. What would exceed it is not
// packed: so a decoder never takes memory out of proportion to its input.
func unpackedMax(packed int) uint64 { return 1<<20 + 256*uint64(packed) }

// pack appends raw, packed.
func (c *codec) pack(dst, raw []byte) []byte {
	start := len(dst)
	dst = c.encoder.EncodeAll(raw, append(dst, packedZstd))
	if packed := len(dst) - start - 1; packed >= len(raw) || uint64(len(raw)) > unpackedMax(packed) {
		dst = append(append(dst[:start], packedRaw), raw...)
	}
	return dst
}

// unpack returns what was packed: bytes of its own, or a view of src.
func (c *codec) unpack(src []byte) ([]byte, error) {
	if len(src) == 0 {
		return nil, errors.New("empty")
	}
	how, src := src[0], src[1:]
	switch how {
	case packedRaw:
		return src, nil
	case packedZstd:
	default:
		return nil, fmt.Errorf("packed in unknown way %d", how)
	}
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return nil, err
	}
	if !h.HasFCS {
		return nil, errors.New("packed without its size")
	}
	if h.FrameContentSize > unpackedMax(len(src)) {
		return nil, fmt.Errorf("%w: %d bytes packed into %d", chain.ErrTooLarge, h.FrameContentSize, len(src))
	}
	raw, err := c.decoder.DecodeAll(src, make([]byte, 0, h.FrameContentSize))
	if err == nil && uint64(len(raw)) != h.FrameContentSize {
		err = fmt.Errorf("%d bytes, stated were %d", len(raw), h.FrameContentSize)
	}
	return raw, err
}
