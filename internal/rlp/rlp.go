// Package rlp reads and appends Recursive Length Prefix items, the encoding of
// Ethereum's nouns (Yellow Paper, appendix B). It knows no types: a noun appends
// its own fields and reads them back in the same order.
//
// The reader is strict. A non-minimal length, a non-minimal integer, a length
// past the end of the input and trailing bytes are all errors, so a decoded noun
// encodes to the bytes it came from.
package rlp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/holiman/uint256"
)

// Errors of the Reader. All of them mean that the input is not the canonical
// encoding of what the caller asked for.
var (
	ErrTruncated    = errors.New("rlp: input ends inside an item")
	ErrNotCanonical = errors.New("rlp: item is not canonically encoded")
	ErrKind         = errors.New("rlp: list where a string belongs, or the reverse")
	ErrSize         = errors.New("rlp: item has the wrong length")
	ErrTrailing     = errors.New("rlp: bytes after the last item")
)

// AppendBytes appends b as a string.
func AppendBytes(dst, b []byte) []byte {
	if len(b) == 1 && b[0] < 0x80 {
		return append(dst, b[0])
	}
	return append(appendHeader(dst, 0x80, len(b)), b...)
}

// AppendUint64 appends v as an integer: big-endian without leading zeros.
func AppendUint64(dst []byte, v uint64) []byte {
	switch {
	case v == 0:
		return append(dst, 0x80)
	case v < 0x80:
		return append(dst, byte(v))
	}
	n := (bits.Len64(v) + 7) / 8
	var be [8]byte
	binary.BigEndian.PutUint64(be[:], v)
	dst = append(dst, 0x80+byte(n))
	return append(dst, be[8-n:]...)
}

// AppendUint256 appends v as an integer.
func AppendUint256(dst []byte, v *uint256.Int) []byte {
	if v.IsUint64() {
		return AppendUint64(dst, v.Uint64())
	}
	be := v.Bytes32()
	n := v.ByteLen()
	dst = append(dst, 0x80+byte(n))
	return append(dst, be[32-n:]...)
}

// AppendBool appends v as the integer 1 or 0.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0x80)
}

// WrapList turns the items in dst[start:] into one list.
func WrapList(dst []byte, start int) []byte {
	payload := len(dst) - start
	var header [9]byte
	h := appendHeader(header[:0], 0xc0, payload)
	dst = append(dst, h...)
	copy(dst[start+len(h):], dst[start:start+payload])
	copy(dst[start:], h)
	return dst
}

func appendHeader(dst []byte, base byte, size int) []byte {
	if size < 56 {
		return append(dst, base+byte(size))
	}
	n := (bits.Len64(uint64(size)) + 7) / 8
	var be [8]byte
	binary.BigEndian.PutUint64(be[:], uint64(size))
	dst = append(dst, base+55+byte(n))
	return append(dst, be[8-n:]...)
}

// A Reader reads items one after the other. The first error sticks: later reads
// return zero values, and Err or End reports it. Slices that a Reader returns
// are views of its input.
type Reader struct {
	rest []byte
	end  int // where rest ends in the outermost input, for the offset in errors
	err  error
}

// NewReader reads the items of b.
func NewReader(b []byte) *Reader { return &Reader{rest: b, end: len(b)} }

// Err is the first error so far.
func (r *Reader) Err() error { return r.err }

// More tells whether another item follows.
func (r *Reader) More() bool { return r.err == nil && len(r.rest) > 0 }

// Rest is what is not read yet.
func (r *Reader) Rest() []byte { return r.rest }

// End reports the first error, or ErrTrailing when input is left.
func (r *Reader) End() error {
	if r.err == nil && len(r.rest) > 0 {
		r.Fail(ErrTrailing)
	}
	return r.err
}

// Fail records err, and how far the input was read, unless an earlier one stands.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("%w (at byte %d)", err, r.end-len(r.rest))
	}
}

// List enters the next item, a list. The caller must End the returned reader,
// or hand its error on with Close.
func (r *Reader) List() *Reader {
	list, content, _ := r.next()
	if r.err == nil && !list {
		r.Fail(ErrKind)
	}
	if r.err != nil {
		return &Reader{err: r.err}
	}
	return &Reader{rest: content, end: r.end - len(r.rest)}
}

// Close ends the list reader inner and takes over its error.
func (r *Reader) Close(inner *Reader) {
	if err := inner.End(); err != nil && r.err == nil {
		r.err = err
	}
}

// Raw returns the next item with its header.
func (r *Reader) Raw() []byte {
	_, _, raw := r.next()
	return raw
}

// NextIsList tells the kind of the next item without reading it.
func (r *Reader) NextIsList() bool { return r.More() && r.rest[0] >= 0xc0 }

// Bytes returns the content of the next item, a string.
func (r *Reader) Bytes() []byte {
	list, content, _ := r.next()
	if r.err == nil && list {
		r.Fail(ErrKind)
	}
	if r.err != nil {
		return nil
	}
	return content
}

// Fixed reads a string of exactly len(dst) bytes.
func (r *Reader) Fixed(dst []byte) {
	b := r.Bytes()
	if r.err == nil && len(b) != len(dst) {
		r.Fail(ErrSize)
	}
	copy(dst, b)
}

// Uint64 reads an integer of at most 8 bytes.
func (r *Reader) Uint64() uint64 {
	b := r.integer(8)
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

// Uint256 reads an integer of at most 32 bytes.
func (r *Reader) Uint256() uint256.Int {
	var v uint256.Int
	v.SetBytes(r.integer(32))
	return v
}

// Bool reads an integer that is 0 or 1.
func (r *Reader) Bool() bool {
	v := r.Uint64()
	if v > 1 {
		r.Fail(ErrNotCanonical)
	}
	return v == 1
}

func (r *Reader) integer(most int) []byte {
	b := r.Bytes()
	switch {
	case r.err != nil:
		return nil
	case len(b) > most:
		r.Fail(ErrSize)
		return nil
	case len(b) > 0 && b[0] == 0:
		r.Fail(ErrNotCanonical)
		return nil
	}
	return b
}

// next splits the next item off: whether it is a list, its content, and the
// item with its header.
func (r *Reader) next() (list bool, content, raw []byte) {
	if r.err != nil {
		return false, nil, nil
	}
	if len(r.rest) == 0 {
		r.Fail(ErrTruncated)
		return false, nil, nil
	}
	var (
		tag    = r.rest[0]
		header = 1
		size   uint64
	)
	switch {
	case tag < 0x80:
		header, size = 0, 1
	case tag < 0xb8:
		size = uint64(tag - 0x80)
		if size == 1 && len(r.rest) > 1 && r.rest[1] < 0x80 {
			r.Fail(ErrNotCanonical)
			return false, nil, nil
		}
	case tag < 0xc0:
		header, size = r.longSize(int(tag - 0xb7))
	case tag < 0xf8:
		list, size = true, uint64(tag-0xc0)
	default:
		list = true
		header, size = r.longSize(int(tag - 0xf7))
	}
	if r.err != nil {
		return false, nil, nil
	}
	if size > uint64(len(r.rest)-header) {
		r.Fail(ErrTruncated)
		return false, nil, nil
	}
	end := header + int(size)
	content, raw = r.rest[header:end:end], r.rest[:end:end]
	r.rest = r.rest[end:]
	return list, content, raw
}

// longSize reads a length of n bytes that follows the tag.
func (r *Reader) longSize(n int) (header int, size uint64) {
	if len(r.rest) < 1+n {
		r.Fail(ErrTruncated)
		return 0, 0
	}
	for _, c := range r.rest[1 : 1+n] {
		size = size<<8 | uint64(c)
	}
	if r.rest[1] == 0 || size < 56 {
		r.Fail(ErrNotCanonical)
	}
	return 1 + n, size
}
