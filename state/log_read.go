package state

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/invariants"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// Replay calls fn for every record from the LSN from on, in order, up to the last
// one at the time of the call. The payload is fn's until it returns. An error of
// fn ends the replay and is returned as it is.
//
// from may be 0 for all that the log has. ErrNotFound: the log no longer has, or
// never had, the record from; asking for the one after the last is not an error.
// ErrCorrupt: a record was damaged since the log was opened.
func (l *Log) Replay(from LSN, fn func(lsn LSN, kind byte, payload []byte) error) error {
	l.mu.Lock()
	var (
		segments = append([]segment(nil), l.segments...)
		tail     = l.tail
		err      = l.err
	)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if from == 0 {
		from = segments[0].first
	}
	if from < segments[0].first || from > tail.next {
		return fmt.Errorf("%w: log record %d, the log has %d to %d", chain.ErrNotFound, from, segments[0].first, tail.next-1)
	}
	segments[len(segments)-1].size = tail.offset
	for i, s := range segments {
		if i+1 < len(segments) && segments[i+1].first <= from {
			continue
		}
		if err := l.replaySegment(s, from, fn); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) replaySegment(s segment, from LSN, fn func(LSN, byte, []byte) error) error {
	r, err := l.openSegment(s.first)
	if err != nil {
		return err
	}
	defer r.Close()
	r.size = s.size
	return r.each(func(h recordHeader, payload []byte) error {
		if h.lsn < from || h.kind == kindMark {
			return nil
		}
		err := fn(h.lsn, h.kind, payload)
		invariants.Mangle(payload)
		return err
	})
}

// A segmentReader reads a segment from its header on.
type segmentReader struct {
	file    vfs.File
	name    string
	header  segmentHeader
	size    int64    // where to stop
	at      position // after the last good record
	max     int      // payload, bytes
	in      *bufio.Reader
	payload []byte
}

// openSegment opens the segment first and reads its header.
func (l *Log) openSegment(first LSN) (_ *segmentReader, err error) {
	file, err := l.cfg.FS.Open(l.path(first))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	var (
		b = make([]byte, min(size, segmentHeaderSize))
		r = &segmentReader{file: file, name: "log segment " + segmentName(first), size: size, max: l.cfg.RecordMax}
	)
	if err := readAt(file, b, 0); err != nil {
		return nil, err
	}
	if r.header, err = parseSegmentHeader(b); err != nil {
		return nil, r.corrupt(0, err)
	}
	if r.header.first != first || first == 0 {
		return nil, r.corrupt(0, fmt.Errorf("segment begins with record %d", r.header.first))
	}
	r.at = r.header.position()
	return r, nil
}

func (r *segmentReader) Close() error { return r.file.Close() }

func (r *segmentReader) corrupt(offset int64, err error) error {
	return &chain.CorruptError{What: r.name, Offset: offset, Err: err}
}

// each calls fn for the records from r.at up to r.size. Without an error, r.at is
// then r.size; with one, it stands before the record that is at fault.
func (r *segmentReader) each(fn func(recordHeader, []byte) error) error {
	left := r.size - r.at.offset
	r.in = bufio.NewReaderSize(io.NewSectionReader(r.file, r.at.offset, left), int(min(left, 64<<10)))
	for r.at.offset < r.size {
		h, payload, err := r.read()
		if err != nil {
			return err
		}
		if err := fn(h, payload); err != nil {
			return err
		}
		r.at.next, r.at.offset, r.at.link = h.lsn+1, r.at.offset+recordHeaderSize+int64(len(payload)), h.sum
	}
	return nil
}

// read reads the next record. An error that matches ErrCorrupt says that the
// bytes are not that record.
func (r *segmentReader) read() (h recordHeader, payload []byte, err error) {
	left := r.size - r.at.offset
	if left < recordHeaderSize {
		return h, nil, r.corrupt(r.at.offset, fmt.Errorf("%d bytes of a record", left))
	}
	var b [recordHeaderSize]byte
	if _, err := io.ReadFull(r.in, b[:]); err != nil {
		return h, nil, err
	}
	h = parseRecordHeader(b[:])
	if int64(h.length) > left-recordHeaderSize {
		return h, nil, r.corrupt(r.at.offset, fmt.Errorf("record of %d bytes, %d are left", h.length, left-recordHeaderSize))
	}
	sum := crc32.Update(r.header.sum, castagnoli, b[4:])
	if int64(h.length) > int64(r.max) {
		return h, nil, r.tooLarge(h, sum)
	}
	payload = r.buffer(int(h.length))
	if _, err := io.ReadFull(r.in, payload); err != nil {
		return h, nil, err
	}
	return h, payload, r.check(h, crc32.Update(sum, castagnoli, payload))
}

func (r *segmentReader) buffer(n int) []byte {
	if cap(r.payload) < n {
		r.payload = make([]byte, n)
	}
	return r.payload[:n]
}

// tooLarge decides about a record above the limit, without taking its memory: if
// it is good the limit is too low for this log, otherwise it is no record.
func (r *segmentReader) tooLarge(h recordHeader, sum uint32) error {
	sum, err := checksumAt(r.file, sum, r.at.offset+recordHeaderSize, int64(h.length))
	if err != nil {
		return err
	}
	if err := r.check(h, sum); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s has a record of %d bytes at byte %d, limit %d", chain.ErrTooLarge, r.name, h.length, r.at.offset, r.max)
}

// check compares a record with its checksum and its place.
func (r *segmentReader) check(h recordHeader, sum uint32) (err error) {
	switch {
	case sum != h.sum:
		err = fmt.Errorf("record has checksum %08x, want %08x", sum, h.sum)
	case h.lsn != r.at.next:
		err = fmt.Errorf("record %d where %d belongs", h.lsn, r.at.next)
	case h.link != r.at.link:
		err = fmt.Errorf("record does not follow the one before: link %08x, want %08x", h.link, r.at.link)
	case h.synced >= h.lsn:
		err = fmt.Errorf("record %d says that %d was synced", h.lsn, h.synced)
	default:
		return nil
	}
	return r.corrupt(r.at.offset, err)
}

// witness looks, behind the bad record at r.at, for a good one that says that the
// bad one was durable, and returns its offset; -1 if there is none. See Torn or
// corrupt above.
func (r *segmentReader) witness() (int64, error) {
	const window = 1 << 20
	buf := make([]byte, min(window, r.size-r.at.offset))
	for start := r.at.offset; r.size-start >= recordHeaderSize; start += int64(len(buf)) - recordHeaderSize + 1 {
		buf = buf[:min(window, r.size-start)]
		if err := readAt(r.file, buf, start); err != nil {
			return -1, err
		}
		for i := 0; i+recordHeaderSize <= len(buf); i++ {
			offset := start + int64(i)
			if ok, err := r.vouches(buf[i:i+recordHeaderSize], offset); ok || err != nil {
				return offset, err
			}
		}
	}
	return -1, nil
}

// vouches reports whether a good record begins with the header b at offset and
// says that the record r.at.next was durable. The cheap comparisons come first:
// they rule out nearly every offset.
func (r *segmentReader) vouches(b []byte, offset int64) (bool, error) {
	synced := LSN(binary.LittleEndian.Uint64(b[16:]))
	if synced < r.at.next {
		return false, nil
	}
	h := parseRecordHeader(b)
	behind := offset - r.at.offset // each record in between takes a header at least
	if h.lsn <= synced || h.lsn-r.at.next > LSN(behind/recordHeaderSize)+1 || int64(h.length) > r.size-offset-recordHeaderSize {
		return false, nil
	}
	sum := crc32.Update(r.header.sum, castagnoli, b[4:])
	sum, err := checksumAt(r.file, sum, offset+recordHeaderSize, int64(h.length))
	return sum == h.sum, err
}

// checksumAt continues sum over length bytes of a file.
func checksumAt(f io.ReaderAt, sum uint32, offset, length int64) (uint32, error) {
	buf := make([]byte, min(length, 64<<10))
	for ; length > 0; length -= int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), length)]
		if err := readAt(f, buf, offset); err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, castagnoli, buf)
		offset += int64(len(buf))
	}
	return sum, nil
}

// readAt reads all of b. Unlike io.ReaderAt it has no error at the end of file.
func readAt(f io.ReaderAt, b []byte, offset int64) error {
	n, err := f.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
