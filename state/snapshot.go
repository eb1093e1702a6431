package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"github.com/vivace-chain/vivace/chain"
)

// A snapshot is a row of named sections, each the business of its owner, and at
// the end a manifest of them. All integers are little-endian.
//
//	snapshot = magic section* manifest
//	magic    = 8 bytes, the last two the version
//	section  = 'S' name frame* end
//	name     = length u8, at least 1, and that many bytes
//	frame    = length u32, CRC-32C of the data u32, data
//	end      = u32 0
//	manifest = 'M' count u8 (name size-u64 sha256)* sha256 of all from 'M' on
//
// A frame is checked before its data is handed on, so that a reader never sees a
// damaged byte; that a section is complete is known at its end, and that the
// snapshot is, at the manifest.
const (
	frameSize       = 256 << 10
	frameHeaderSize = 8
	sectionsMax     = 64
	nameMax         = 255
)

var snapshotMagic = [8]byte{'v', 'i', 'v', 's', 'n', 'p', 0, 1}

// A Section writes one part of a snapshot.
type Section struct {
	Name  string // unique in the snapshot; 1 to 255 bytes
	Write func(w io.Writer) error
}

// A SectionReader reads one part of a snapshot. What it does not read is skipped.
type SectionReader struct {
	Name string
	Read func(r io.Reader) error
}

// SectionInfo is what the manifest says about a section.
type SectionInfo struct {
	Name   string
	Size   int64 // bytes
	SHA256 [sha256.Size]byte
}

// WriteSnapshot writes the sections in order, in one pass, and returns the
// manifest. It takes memory for one frame, 256 KiB.
func WriteSnapshot(w io.Writer, sections ...Section) ([]SectionInfo, error) {
	if len(sections) > sectionsMax {
		return nil, fmt.Errorf("%w: snapshot of %d sections, limit %d", chain.ErrTooLarge, len(sections), sectionsMax)
	}
	if _, err := w.Write(snapshotMagic[:]); err != nil {
		return nil, err
	}
	var manifest []SectionInfo
	for _, s := range sections {
		if len(s.Name) == 0 || len(s.Name) > nameMax || named(manifest, s.Name) >= 0 {
			return nil, fmt.Errorf("snapshot: %q cannot be the name of a section", s.Name)
		}
		info, err := writeSection(w, s)
		if err != nil {
			return nil, fmt.Errorf("snapshot section %q: %w", s.Name, err)
		}
		manifest = append(manifest, info)
	}
	_, err := w.Write(appendManifest(nil, manifest))
	return manifest, err
}

func named(manifest []SectionInfo, name string) int {
	return slices.IndexFunc(manifest, func(s SectionInfo) bool { return s.Name == name })
}

func writeSection(w io.Writer, s Section) (SectionInfo, error) {
	if _, err := w.Write(appendName([]byte{'S'}, s.Name)); err != nil {
		return SectionInfo{}, err
	}
	f := frameWriter{w: w, sum: sha256.New(), buf: make([]byte, frameHeaderSize)}
	if err := s.Write(&f); err != nil {
		return SectionInfo{}, err
	}
	if err := f.flush(); err != nil {
		return SectionInfo{}, err
	}
	_, err := w.Write(make([]byte, 4))
	return SectionInfo{s.Name, f.size, [32]byte(f.sum.Sum(nil))}, err
}

func appendName(dst []byte, name string) []byte {
	return append(append(dst, byte(len(name))), name...)
}

func appendManifest(dst []byte, manifest []SectionInfo) []byte {
	start := len(dst)
	dst = append(dst, 'M', byte(len(manifest)))
	for _, s := range manifest {
		dst = appendName(dst, s.Name)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(s.Size))
		dst = append(dst, s.SHA256[:]...)
	}
	sum := sha256.Sum256(dst[start:])
	return append(dst, sum[:]...)
}

// A frameWriter cuts a section into frames.
type frameWriter struct {
	w    io.Writer
	sum  hash.Hash
	size int64
	buf  []byte // room for the frame's header, then data
}

func (f *frameWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), frameHeaderSize+frameSize-len(f.buf))
		f.buf, p = append(f.buf, p[:k]...), p[k:]
		if len(f.buf) == frameHeaderSize+frameSize {
			if err := f.flush(); err != nil {
				return n - len(p), err
			}
		}
	}
	return n, nil
}

func (f *frameWriter) flush() error {
	data := f.buf[frameHeaderSize:]
	if len(data) == 0 {
		return nil
	}
	binary.LittleEndian.PutUint32(f.buf, uint32(len(data)))
	binary.LittleEndian.PutUint32(f.buf[4:], crc32.Checksum(data, castagnoli))
	f.sum.Write(data)
	f.size += int64(len(data))
	_, err := f.w.Write(f.buf)
	f.buf = f.buf[:frameHeaderSize]
	return err
}

// ReadSnapshot reads a snapshot and hands the sections, in the order in which they
// come, to the readers of their names; others are checked and skipped. It returns
// the manifest. Nothing of what a reader got is certain until ReadSnapshot returns
// without an error.
//
// sizeMax is the most bytes that all sections together may have. Errors match
// ErrTooLarge; ErrCorrupt; ErrNotFound, if a section that a reader waits for is not
// there; or are those of r and of the readers. It reads nothing behind the
// snapshot, and takes memory for one frame, at most 256 KiB.
func ReadSnapshot(r io.Reader, sizeMax int64, readers ...SectionReader) ([]SectionInfo, error) {
	in := &snapshotReader{r: r, left: sizeMax}
	manifest, err := in.read(readers)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = in.corrupt(io.ErrUnexpectedEOF)
	}
	if err != nil {
		return nil, err
	}
	for _, s := range readers {
		if named(manifest, s.Name) < 0 {
			return nil, fmt.Errorf("%w: snapshot section %q", chain.ErrNotFound, s.Name)
		}
	}
	return manifest, nil
}

type snapshotReader struct {
	r      io.Reader
	offset int64
	left   int64 // bytes that sections may still have
	frame  []byte
}

func (in *snapshotReader) corrupt(err error) error {
	return &chain.CorruptError{What: "snapshot", Offset: in.offset, Err: err}
}

// full reads all of b.
func (in *snapshotReader) full(b []byte) error {
	n, err := io.ReadFull(in.r, b)
	in.offset += int64(n)
	return err
}

func (in *snapshotReader) read(readers []SectionReader) (manifest []SectionInfo, err error) {
	var magic [8]byte
	if err := in.full(magic[:]); err != nil {
		return nil, err
	}
	switch {
	case [6]byte(magic[:]) != [6]byte(snapshotMagic[:]):
		return nil, in.corrupt(errors.New("not a snapshot"))
	case magic != snapshotMagic:
		return nil, in.corrupt(fmt.Errorf("version %d, want %d", binary.BigEndian.Uint16(magic[6:]), binary.BigEndian.Uint16(snapshotMagic[6:])))
	}
	for {
		var tag [1]byte
		if err := in.full(tag[:]); err != nil {
			return nil, err
		}
		switch {
		case tag[0] == 'M':
			return manifest, in.manifest(manifest)
		case tag[0] != 'S':
			return nil, in.corrupt(fmt.Errorf("neither a section nor the manifest: %#x", tag[0]))
		case len(manifest) == sectionsMax:
			return nil, fmt.Errorf("%w: snapshot of more than %d sections", chain.ErrTooLarge, sectionsMax)
		}
		info, err := in.section(manifest, readers)
		if err != nil {
			return nil, err
		}
		manifest = append(manifest, info)
	}
}

// manifest compares the manifest with what was read.
func (in *snapshotReader) manifest(read []SectionInfo) error {
	want := appendManifest(nil, read)
	got := make([]byte, len(want))
	got[0] = 'M'
	if err := in.full(got[1:]); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return in.corrupt(errors.New("the manifest is not that of the sections before it"))
	}
	return nil
}

// section reads one section behind its tag.
func (in *snapshotReader) section(before []SectionInfo, readers []SectionReader) (info SectionInfo, err error) {
	name, err := in.name()
	if err != nil {
		return info, err
	}
	if named(before, name) >= 0 {
		return info, in.corrupt(fmt.Errorf("two sections %q", name))
	}
	f := &frameReader{in: in, sum: sha256.New()}
	for _, s := range readers {
		if s.Name != name {
			continue
		}
		if err := s.Read(f); err != nil {
			if f.err != nil && f.err != io.EOF {
				err = f.err // the cause, whatever the reader made of it
			}
			return info, fmt.Errorf("snapshot section %q: %w", name, err)
		}
	}
	if _, err := io.Copy(io.Discard, f); err != nil {
		return info, err
	}
	return SectionInfo{name, f.size, [32]byte(f.sum.Sum(nil))}, nil
}

func (in *snapshotReader) name() (string, error) {
	var size [1]byte
	if err := in.full(size[:]); err != nil {
		return "", err
	}
	if size[0] == 0 {
		return "", in.corrupt(errors.New("section without a name"))
	}
	b := make([]byte, size[0])
	err := in.full(b)
	return string(b), err
}

// A frameReader is the data of one section.
type frameReader struct {
	in   *snapshotReader
	sum  hash.Hash
	size int64
	rest []byte // of the frame
	err  error
}

func (f *frameReader) Read(p []byte) (int, error) {
	if len(f.rest) == 0 && f.err == nil {
		f.rest, f.err = f.in.next()
		f.sum.Write(f.rest)
		f.size += int64(len(f.rest))
		if f.err == io.ErrUnexpectedEOF {
			f.err = f.in.corrupt(f.err) // io.EOF would look like the section's end
		}
	}
	if f.err != nil {
		return 0, f.err
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// next reads a frame and checks it. io.EOF is the section's end.
func (in *snapshotReader) next() ([]byte, error) {
	var head [frameHeaderSize]byte
	if err := in.fullInside(head[:4]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(head[:])
	switch {
	case size == 0:
		return nil, io.EOF
	case size > frameSize:
		return nil, in.corrupt(fmt.Errorf("frame of %d bytes, at most %d are allowed", size, frameSize))
	case int64(size) > in.left:
		return nil, fmt.Errorf("%w: snapshot at byte %d has more than the bytes allowed", chain.ErrTooLarge, in.offset)
	}
	if err := in.fullInside(head[4:]); err != nil {
		return nil, err
	}
	in.frame = slices.Grow(in.frame[:0], int(size))
	data := in.frame[:size]
	if err := in.fullInside(data); err != nil {
		return nil, err
	}
	in.left -= int64(size)
	if sum, want := crc32.Checksum(data, castagnoli), binary.LittleEndian.Uint32(head[4:]); sum != want {
		return nil, in.corrupt(fmt.Errorf("frame has checksum %08x, want %08x", sum, want))
	}
	return data, nil
}

// fullInside is full where the input may not end.
func (in *snapshotReader) fullInside(b []byte) error {
	err := in.full(b)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readAll reads n bytes, and takes memory as they come.
func readAll(r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	var b []byte
	for len(b) < n {
		k := min(step, n-len(b))
		b = slices.Grow(b, k)[:len(b)+k]
		if _, err := io.ReadFull(r, b[len(b)-k:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}
