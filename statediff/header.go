package statediff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/vivace-chain/vivace/chain"
)

// Fixed bytes of every diff: magic, version, flags in front, a checksum at the
// end.
const (
	magic0, magic1 = 'V', 'D'
	version        = 1
	fixedSize      = 4
	checksumSize   = 8
)

// Flags of a diff.
const (
	flagStateless = 1 << iota // no stream position
	flagZstd                  // the body is stored as one zstd frame
	flagsKnown    = 1<<iota - 1
)

// A header is what stands before the stored body.
type header struct {
	flags    byte
	position model  // before this diff; streams only
	before   digest // over the values before
	accounts int
	slots    int
	codes    int
	body     int // bytes, decoded
	stored   int // bytes, as they follow the header
}

func (h *header) stateless() bool { return h.flags&flagStateless != 0 }

// weight bounds the memory, in bytes, that decoding takes: the body, its columns
// made again for comparison, and the Changes.
func (h *header) weight() uint64 {
	return 3*uint64(h.body) + 256*uint64(h.accounts) + 128*uint64(h.slots) + 64*uint64(h.codes)
}

func (h *header) append(dst []byte) []byte {
	dst = append(dst, magic0, magic1, version, h.flags)
	if !h.stateless() {
		dst = binary.AppendUvarint(dst, h.position.sequence)
		dst = append(dst, h.position.history[:]...)
	}
	dst = append(dst, h.before[:]...)
	for _, n := range []int{h.accounts, h.slots, h.codes, h.body, h.stored} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

var (
	errTruncated = errors.New("ends early")
	errTrailing  = errors.New("bytes left over")
	errMinimal   = errors.New("integer is not in its shortest form")
	errChecksum  = errors.New("checksum does not match")
)

// readHeader splits src into header, stored body and checksum. Nothing of the
// size of its claims is allocated.
func readHeader(src []byte) (h header, stored []byte, sum digest, err error) {
	fail := func(offset int, err error) (header, []byte, digest, error) {
		return header{}, nil, digest{}, corrupt("diff", offset, err)
	}
	switch {
	case len(src) < fixedSize+checksumSize:
		return fail(len(src), errTruncated)
	case src[0] != magic0 || src[1] != magic1:
		return fail(0, fmt.Errorf("magic is %x", src[:2]))
	case src[2] != version:
		return fail(2, fmt.Errorf("version %d is not known", src[2]))
	case src[3]&^flagsKnown != 0:
		return fail(3, fmt.Errorf("flags %08b are not known", src[3]))
	}
	end := len(src) - checksumSize
	if sum = digestOf(src[:end]); sum != digest(src[end:]) {
		return fail(end, errChecksum)
	}
	in := reader{rest: src[fixedSize:end]}
	h.flags = src[3]
	if !h.stateless() {
		h.position.sequence = in.uvarint()
		copy(h.position.history[:], in.bytes(len(h.position.history)))
	}
	copy(h.before[:], in.bytes(len(h.before)))
	for _, n := range []*int{&h.accounts, &h.slots, &h.codes, &h.body, &h.stored} {
		*n = in.count()
	}
	stored = in.bytes(h.stored)
	if err := in.end(); err != nil {
		return fail(end-len(in.rest), err)
	}
	return h, stored, sum, nil
}

func (c *Codec) checkEncoded(size int) error {
	if size > c.config.MaxEncoded {
		return fmt.Errorf("%w: diff of %d bytes, at most %d allowed", chain.ErrTooLarge, size, c.config.MaxEncoded)
	}
	return nil
}

func (c *Codec) checkWeight(h *header) error {
	if w := h.weight(); w > uint64(c.config.MaxDecoded) {
		return fmt.Errorf("%w: diff of %d accounts, %d slots and %d bytes weighs %d, at most %d allowed",
			chain.ErrTooLarge, h.accounts, h.slots, h.body, w, c.config.MaxDecoded)
	}
	return nil
}

// A reader takes bytes from the front. The first error sticks, later reads give
// zero values.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.rest = err, nil
	}
}

// bytes is a view of the next n bytes.
func (r *reader) bytes(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.rest) {
		r.fail(errTruncated)
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail(errTruncated)
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.rest)
	switch {
	case n <= 0:
		r.fail(errTruncated)
		return 0
	case n > 1 && r.rest[n-1] == 0:
		r.fail(errMinimal)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// varint reads a signed integer, as binary.AppendVarint writes it.
func (r *reader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// count reads a size or a number of things. Anything above 2^31 is beyond every
// limit; it is cut there, so that sums of counts cannot overflow.
func (r *reader) count() int { return int(min(r.uvarint(), math.MaxInt32)) }

func (r *reader) failure() error { return r.err }

// end also fails when something is left.
func (r *reader) end() error {
	if r.err == nil && len(r.rest) > 0 {
		r.err = errTrailing
	}
	return r.err
}
