package sequencer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
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

func (p *payloads) parts() [3][]byte { return [3][]byte{p.body, p.witness, p.diff} }

// page is what a file of the payloads has there.
func (p *payloads) page(from uint64, most int) *Page {
	out := new(Page)
	for i, part := range p.parts() {
		out.Sizes[i] = uint64(len(part))
		skip := min(from, uint64(len(part)))
		from, part = from-skip, part[skip:]
		out.Bytes = append(out.Bytes, part[:min(len(part), most-len(out.Bytes))]...)
	}
	return out
}

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
	for _, part := range p.parts() {
		head = binary.BigEndian.AppendUint64(head, uint64(len(part)))
	}
	_, err := w.Write(head)
	for _, part := range p.parts() {
		if err == nil {
			_, err = w.Write(part)
		}
	}
	return err
}

// get reads the payloads of a block; chain.ErrNotFound if it is not kept.
func (k *kept) get(number uint64) (payloads, error) {
	page, err := k.page(number, 0, math.MaxInt)
	if err != nil {
		return payloads{}, err
	}
	body, rest := cut(page.Bytes, page.Sizes[0])
	witness, diff := cut(rest, page.Sizes[1])
	return payloads{body, witness, diff}, nil
}

func cut(b []byte, at uint64) (before, after []byte) { return b[:at:at], b[at:] }

// page reads up to most bytes of the payloads of a block; chain.ErrNotFound if it is not kept.
func (k *kept) page(number, from uint64, most int) (*Page, error) {
	fail := func(err error) (*Page, error) {
		return nil, fmt.Errorf("objects of block %d: %w", number, err)
	}
	if !k.has(number) {
		return fail(chain.ErrNotFound)
	}
	f, err := k.fs.Open(k.name(number))
	if errors.Is(err, fs.ErrNotExist) { // it was proven meanwhile
		return fail(chain.ErrNotFound)
	}
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	page := new(Page)
	left, err := page.readHead(f)
	if err != nil {
		return fail(err)
	}
	from = min(from, left)
	page.Bytes = make([]byte, min(left-from, uint64(most)))
	if _, err := f.ReadAt(page.Bytes, keptHead+int64(from)); err != nil && !errors.Is(err, io.EOF) {
		return fail(err)
	}
	return page, nil
}

// readHead reads the sizes, and returns what follows the head, which is as long as they say.
func (p *Page) readHead(f vfs.File) (left uint64, err error) {
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	left = uint64(max(0, size-keptHead))
	var head [keptHead]byte
	if _, err := f.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	rest := left
	for i := range p.Sizes {
		p.Sizes[i] = binary.BigEndian.Uint64(head[8*i:])
		if p.Sizes[i] > rest {
			return 0, &chain.CorruptError{What: "file of objects", Offset: size, Err: io.ErrUnexpectedEOF}
		}
		rest -= p.Sizes[i]
	}
	if size < keptHead || rest > 0 {
		return 0, &chain.CorruptError{What: "file of objects", Offset: size, Err: errors.New("is not as long as its head says")}
	}
	return left, nil
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
