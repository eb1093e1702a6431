package sequencer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// kept are the payloads of blocks that are not proven, in a file for each block, for provers
// that do not find them in the data-availability layer: what that loses after it was read
// back, nobody else could give them. A file is durable before its block is published, so what
// provers must have outlives this process.
//
// The files take up to max bytes. Of those that do not fit, the newest are given up: the
// proven head waits for the oldest, and can pass none.
//
// Nothing in a file says that it is right: who reads it compares it with the claim.
//
// Rejected: memory, which after a restart has nothing but what the layer still gives;
// the log, which a snapshot cuts at a block that is published, whether it is proven or not;
// to give up the oldest, as caches do: the head would stand at a block of which nothing is
// kept, while what is kept is of no use before that.
type kept struct {
	fs  vfs.FS
	dir string
	max int // bytes; 0 keeps nothing

	files sync.Mutex // taken before mu: one file is written, or removed, at a time

	mu     sync.Mutex
	bytes  int
	proven uint64         // nothing up to here is kept
	sizes  map[uint64]int // of the files, by block
	gone   []uint64       // given up, but for their files
}

// payloads are those of a block's objects.
type payloads struct{ body, witness, diff []byte }

func (p *payloads) size() int { return len(p.body) + len(p.witness) + len(p.diff) }

const (
	keptSuffix = ".objects"
	// keptHead is what a file begins with: the sizes of block, witness and diff, in 8 bytes
	// each, big-endian. They follow.
	keptHead = 3 * 8
)

// open finds what an earlier process kept of the blocks after proven.
func (k *kept) open(proven uint64) error {
	k.sizes, k.proven = make(map[uint64]int), proven
	if err := vfs.MkdirAllSync(k.fs, k.dir); err != nil {
		return err
	}
	names, err := k.fs.List(k.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, keptSuffix+vfs.TempSuffix) {
			if err := k.fs.Remove(filepath.Join(k.dir, name)); err != nil {
				return err
			}
		}
		digits, isKept := strings.CutSuffix(name, keptSuffix)
		number, err := strconv.ParseUint(digits, 10, 64)
		if !isKept || err != nil {
			continue
		}
		size, err := k.fs.Size(filepath.Join(k.dir, name))
		if err != nil {
			return err
		}
		k.enter(number, int(size))
	}
	return k.sweep()
}

// keep makes the payloads of a block durable, if they fit.
func (k *kept) keep(number uint64, p *payloads) error {
	k.files.Lock()
	defer k.files.Unlock()
	if k.enter(number, keptHead+p.size()) {
		if err := vfs.WriteFile(k.fs, k.name(number), p.write); err != nil {
			return fmt.Errorf("objects of block %d: %w", number, err)
		}
	}
	return k.sweep()
}

func (k *kept) name(number uint64) string {
	return filepath.Join(k.dir, strconv.FormatUint(number, 10)+keptSuffix)
}

func (p *payloads) write(w io.Writer) error {
	var head []byte
	for _, payload := range [][]byte{p.body, p.witness, p.diff} {
		head = binary.BigEndian.AppendUint64(head, uint64(len(payload)))
	}
	for _, b := range [][]byte{head, p.body, p.witness, p.diff} {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// get reads the payloads of a block; chain.ErrNotFound if it is not kept.
func (k *kept) get(number uint64) (p payloads, err error) {
	if !k.has(number) {
		return p, fmt.Errorf("objects of block %d: %w", number, chain.ErrNotFound)
	}
	raw, err := vfs.ReadFile(k.fs, k.name(number))
	if errors.Is(err, fs.ErrNotExist) { // it was proven meanwhile
		err = chain.ErrNotFound
	}
	if err == nil {
		err = p.read(raw)
	}
	if err != nil {
		return payloads{}, fmt.Errorf("objects of block %d: %w", number, err)
	}
	return p, nil
}

// read makes the payloads views of a file.
func (p *payloads) read(raw []byte) error {
	if len(raw) < keptHead {
		return &chain.CorruptError{What: "file of objects", Offset: int64(len(raw)), Err: io.ErrUnexpectedEOF}
	}
	rest := raw[keptHead:]
	for i, payload := range []*[]byte{&p.body, &p.witness, &p.diff} {
		size := binary.BigEndian.Uint64(raw[8*i:])
		if size > uint64(len(rest)) {
			return &chain.CorruptError{What: "file of objects", Offset: int64(len(raw)), Err: io.ErrUnexpectedEOF}
		}
		*payload, rest = rest[:size:size], rest[size:]
	}
	return nil
}

// has reports whether a block is kept.
func (k *kept) has(number uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, known := k.sizes[number]
	return known
}

// enter counts a file, and reports whether it is to be there.
func (k *kept) enter(number uint64, size int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if number <= k.proven {
		k.gone = append(k.gone, number)
		return false
	}
	k.bytes += size - k.sizes[number]
	k.sizes[number] = size
	for k.bytes > k.max {
		k.drop(k.newest())
	}
	_, fits := k.sizes[number]
	return fits
}

func (k *kept) newest() (number uint64) {
	for n := range k.sizes {
		number = max(number, n)
	}
	return number
}

func (k *kept) drop(number uint64) {
	k.bytes -= k.sizes[number]
	delete(k.sizes, number)
	k.gone = append(k.gone, number)
}

// prove gives up the blocks up to number, which are proven. Their files stay until another
// is written: who proves must not wait for that.
func (k *kept) prove(number uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.proven = max(k.proven, number)
	for n := range k.sizes {
		if n <= k.proven {
			k.drop(n)
		}
	}
}

// sweep removes the files of what was given up. One that comes back after a crash is removed
// by open.
func (k *kept) sweep() error {
	k.mu.Lock()
	gone := k.gone
	k.gone = nil
	k.mu.Unlock()
	for _, number := range gone {
		if k.has(number) { // it was given up, and then did fit
			continue
		}
		if err := k.fs.Remove(k.name(number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("objects of block %d: %w", number, err)
		}
	}
	return nil
}

// report is what Stats says of them.
func (k *kept) report(s *Stats) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.UnprovenBytes, s.UnprovenBytesMax = k.bytes, k.max
}
