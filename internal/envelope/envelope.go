package envelope

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// Offsets of the head's fields, and sizes; see the package comment.
const (
	offVersion = 2
	offKind    = 3
	offPacking = 4
	offChainID = 5
	offGenesis = 13
	offTerm    = 45
	offNumber  = 53
	offIndex   = 61
	offDecoded = 65
	offContent = 69

	headSize = 101
	sigSize  = 65

	// Overhead is what an envelope adds to a body, in bytes.
	Overhead = headSize + sigSize

	magic   = "VE"
	version = 1

	packNone = 0
	packZstd = 1
)

// prefix keeps what is signed here apart from all else that the key signs.
const prefix = "\x19vivace envelope v1\n"

// A Header is what an envelope says about its body. Of what Seal is given it, Packed,
// Decoded and Content do not count: they follow from the body.
type Header struct {
	Kind    Kind
	ChainID uint64
	Genesis common.Hash // hash of block 0
	Term    uint64
	Place   chain.Place // its Index is chain.HeaderIndex for what is of a whole block

	Packed  bool        // the body travels as a zstd frame
	Decoded uint32      // length of the body, unpacked
	Content common.Hash // keccak256 of the body, unpacked
}

// Same reports whether two envelopes are about one thing of one kind, under one
// term. If their Content differs, and the kind is one that is said once, they
// contradict each other.
func (h *Header) Same(other *Header) bool {
	return h.Kind == other.Kind && h.ChainID == other.ChainID && h.Genesis == other.Genesis &&
		h.Term == other.Term && h.Place == other.Place
}

// append appends the head.
func (h *Header) append(dst []byte) []byte {
	packing := byte(packNone)
	if h.Packed {
		packing = packZstd
	}
	dst = append(dst, magic[0], magic[1], version, byte(h.Kind), packing)
	dst = binary.BigEndian.AppendUint64(dst, h.ChainID)
	dst = append(dst, h.Genesis[:]...)
	dst = binary.BigEndian.AppendUint64(dst, h.Term)
	dst = binary.BigEndian.AppendUint64(dst, h.Place.Number)
	dst = binary.BigEndian.AppendUint32(dst, h.Place.Index)
	dst = binary.BigEndian.AppendUint32(dst, h.Decoded)
	return append(dst, h.Content[:]...)
}

// read reads a head whose magic, version and packing were checked.
func (h *Header) read(head []byte) {
	h.Kind = Kind(head[offKind])
	h.Packed = head[offPacking] == packZstd
	h.ChainID = binary.BigEndian.Uint64(head[offChainID:])
	h.Genesis = common.Hash(head[offGenesis:offTerm])
	h.Term = binary.BigEndian.Uint64(head[offTerm:])
	h.Place.Number = binary.BigEndian.Uint64(head[offNumber:])
	h.Place.Index = binary.BigEndian.Uint32(head[offIndex:])
	h.Decoded = binary.BigEndian.Uint32(head[offDecoded:])
	h.Content = common.Hash(head[offContent:headSize])
}

// Peek reads the header of an envelope, and checks it against the message's length
// and l, which is DefaultLimits if nil. It takes no memory, unless it returns an
// error, which matches chain.ErrCorrupt or chain.ErrTooLarge. It does not look at
// signature and body: nothing that it returns is proven.
func Peek(msg []byte, l *Limits) (Header, error) {
	if l == nil {
		l = defaultLimits
	}
	h, err := readHead(msg)
	if err != nil {
		return Header{}, err
	}
	if len(msg) <= Overhead {
		return Header{}, corrupt(len(msg), "no body")
	}
	if err := h.check(len(msg)-Overhead, l); err != nil {
		return Header{}, err
	}
	return h, nil
}

var defaultLimits = DefaultLimits()

// readHead reads a head that is canonical in itself.
func readHead(msg []byte) (h Header, err error) {
	switch {
	case len(msg) < headSize:
		return h, corrupt(len(msg), "too short")
	case msg[0] != magic[0] || msg[1] != magic[1]:
		return h, corrupt(0, "not an envelope")
	case msg[offVersion] != version:
		return h, corrupt(offVersion, "version %d, want %d", msg[offVersion], version)
	case msg[offPacking] > packZstd:
		return h, corrupt(offPacking, "unknown packing %d", msg[offPacking])
	}
	h.read(msg)
	facts, known := kinds[h.Kind]
	switch {
	case !known:
		return h, corrupt(offKind, "unknown %s", h.Kind)
	case facts.mini == h.Place.IsHeader():
		return h, corrupt(offIndex, "index %d of a %s", h.Place.Index, facts.name)
	}
	return h, nil
}

// check compares the head's sizes with sent, the length of the body as sent, and
// with the limits.
func (h *Header) check(sent int, l *Limits) error {
	limit := l[h.Kind]
	switch {
	case limit == Limit{}:
		return corrupt(offKind, "a %s is not taken here", h.Kind)
	case sent > int(limit.Sent):
		return fmt.Errorf("%w: %s of %d bytes, limit %d", chain.ErrTooLarge, h.Kind, sent, limit.Sent)
	case h.Decoded > min(limit.Decoded, DecodedMax):
		return fmt.Errorf("%w: %s of %d bytes unpacked, limit %d", chain.ErrTooLarge, h.Kind, h.Decoded, limit.Decoded)
	case !h.Packed && int(h.Decoded) != sent:
		return corrupt(offDecoded, "%d bytes sent of %d", sent, h.Decoded)
	case h.Packed && int(h.Decoded) <= sent:
		return corrupt(offDecoded, "%d bytes packed into %d", h.Decoded, sent)
	}
	return nil
}

// signingHash is what the signature signs; sum is keccak256 of the body as sent.
func signingHash(head []byte, sum common.Hash) common.Hash {
	return chain.Keccak256([]byte(prefix), head, sum[:])
}
