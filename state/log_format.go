package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"strings"
)

// The format of a log.
//
// A log is a row of files, the segments, each named after the LSN of its first
// record: 16 hexadecimal digits and ".log". All integers are little-endian;
// checksums are CRC-32C (Castagnoli).
//
//	segment = header record*
//
//	header  = magic    8 bytes, the last two the version
//	          first    u64   LSN of the segment's first record
//	          link     u32   checksum of the record before first; 0 at the log's start
//	          seed     u32   random
//	          checksum u32   of the above
//
//	record  = checksum u32   of what follows, begun with the header's checksum
//	          length   u32   of the payload
//	          lsn      u64
//	          synced   u64   the newest record known to be durable when this was written
//	          link     u32   checksum of the record before; of the header for the first
//	          kind     u8
//	          payload
//
// A record can be checked alone, wherever it is found, and it vouches for all
// before it through link. The seed keeps out bytes of a file that lay on the same
// place of the disk before.
//
// # Reserved space
//
// With DurabilityFsync the last segment is longer than its records: zeros that were
// reserved follow. They are no record, whatever the seed, because a record has a
// number; so they end the log as a torn tail does, by the rules below. They are cut off
// when the log begins another segment, is closed, or is opened again.
//
// # Torn or corrupt
//
// A crash tears the end of the last segment: records that were never synced are
// there in part, and not always a first part, because a disk may write a later
// sector and not an earlier one. So a bad record before a good one can be a torn
// tail. It is damage if a later record that is good says, in its field synced,
// that the bad one was durable: a disk has lost what it had promised to keep. A
// log that was closed ends in such a record. A record that was synced last before
// a crash has no such witness; damage to it cannot be told from a torn tail.
const (
	segmentHeaderSize = 28
	recordHeaderSize  = 29
	segmentSuffix     = ".log"
	kindMark          = 0 // a record of the log's own: only its field synced matters
)

var (
	segmentMagic = [8]byte{'v', 'i', 'v', 'l', 'o', 'g', 0, 1}
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

type segmentHeader struct {
	first LSN
	link  uint32
	seed  uint32
	sum   uint32
}

func newSegmentHeader(first LSN, link uint32) segmentHeader {
	h := segmentHeader{first: first, link: link, seed: rand.Uint32()}
	h.sum = binary.LittleEndian.Uint32(h.append(nil)[segmentHeaderSize-4:])
	return h
}

func (h *segmentHeader) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, segmentMagic[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.first))
	dst = binary.LittleEndian.AppendUint32(dst, h.link)
	dst = binary.LittleEndian.AppendUint32(dst, h.seed)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func parseSegmentHeader(b []byte) (h segmentHeader, err error) {
	switch {
	case len(b) < segmentHeaderSize:
		return h, fmt.Errorf("segment header has %d bytes of %d", len(b), segmentHeaderSize)
	case [6]byte(b) != [6]byte(segmentMagic[:]):
		return h, errors.New("not a log segment")
	case [8]byte(b) != segmentMagic:
		return h, fmt.Errorf("segment version %d, want %d", binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint16(segmentMagic[6:]))
	}
	h.first = LSN(binary.LittleEndian.Uint64(b[8:]))
	h.link = binary.LittleEndian.Uint32(b[16:])
	h.seed = binary.LittleEndian.Uint32(b[20:])
	h.sum = binary.LittleEndian.Uint32(b[24:])
	if sum := crc32.Checksum(b[:24], castagnoli); sum != h.sum {
		return h, fmt.Errorf("segment header has checksum %08x, want %08x", sum, h.sum)
	}
	return h, nil
}

// position is where the segment's first record goes.
func (h *segmentHeader) position() position {
	return position{next: h.first, offset: segmentHeaderSize, link: h.sum, start: h.sum}
}

// A position is a place between two records, and what the next one there must
// fit to.
type position struct {
	next   LSN    // of the record that follows
	offset int64  // in the segment, bytes
	link   uint32 // checksum of the record before
	start  uint32 // with which the segment's checksums begin
}

type recordHeader struct {
	sum    uint32
	length uint32
	lsn    LSN
	synced LSN
	link   uint32
	kind   byte
}

func parseRecordHeader(b []byte) recordHeader {
	return recordHeader{
		sum:    binary.LittleEndian.Uint32(b),
		length: binary.LittleEndian.Uint32(b[4:]),
		lsn:    LSN(binary.LittleEndian.Uint64(b[8:])),
		synced: LSN(binary.LittleEndian.Uint64(b[16:])),
		link:   binary.LittleEndian.Uint32(b[24:]),
		kind:   b[28],
	}
}

// appendRecord appends the record that follows at, and moves at behind it.
func appendRecord(dst []byte, at *position, kind byte, synced LSN, parts ...[]byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, recordHeaderSize)...)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	b := dst[start:]
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-recordHeaderSize))
	binary.LittleEndian.PutUint64(b[8:], uint64(at.next))
	binary.LittleEndian.PutUint64(b[16:], uint64(synced))
	binary.LittleEndian.PutUint32(b[24:], at.link)
	b[28] = kind
	sum := crc32.Update(at.start, castagnoli, b[4:])
	binary.LittleEndian.PutUint32(b, sum)
	at.next, at.offset, at.link = at.next+1, at.offset+int64(len(b)), sum
	return dst
}

func segmentName(first LSN) string { return fmt.Sprintf("%016x%s", uint64(first), segmentSuffix) }

// parseSegmentName is the inverse of segmentName.
func parseSegmentName(name string) (LSN, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 16, 64)
	return LSN(first), err == nil && segmentName(LSN(first)) == name
}
