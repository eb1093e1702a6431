package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/vfs"
)

const (
	// stockMost is how many snapshots' contents are kept: who began to fetch the one
	// before the newest goes on.
	stockMost = 2
	// chunksBytes is how long the list of a snapshot's chunks may be, in bytes: as long as
	// an answer.
	chunksBytes = chunksTold * chain.ChunkSize
	stockSuffix = ".chunks"
)

// A stock is the contents of snapshots that a node keeps for its peers, in files. All
// methods may be called concurrently.
//
//	file  4 length of the list ‖ list, a chain.Chunks ‖ the blob
type stock struct {
	fs   vfs.FS
	dir  string // empty: nothing is kept
	most int    // bytes of one
	log  *slog.Logger

	writing sync.Mutex // one blob at a time

	mu   sync.Mutex
	held []*stocked // as they came
	next uint64     // number of the next file
}

// A stocked is what there is of one snapshot.
type stocked struct {
	file   string
	digest common.Hash // of list
	list   []byte      // chunks, encoded
	chunks *chain.Chunks
	sound  []atomic.Bool // chunks that were found to be as they were written
}

// openStock finds what is in dir, and removes what cannot be read, or is too large.
func openStock(fsys vfs.FS, dir string, most int, log *slog.Logger) (*stock, error) {
	s := &stock{fs: fsys, dir: dir, most: most, log: log}
	if dir == "" {
		return s, nil
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, err
	}
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names { // ascending: by number
		whole, halfway := strings.CutSuffix(name, vfs.TempSuffix)
		var number uint64
		if _, err := fmt.Sscanf(whole, "%d"+stockSuffix, &number); err != nil || whole != stockName(number) {
			continue // it is not ours
		}
		file := filepath.Join(dir, name)
		if halfway {
			s.remove(file)
			continue
		}
		s.next = number + 1
		held, err := s.open(file)
		if err != nil {
			log.Warn("gossip: contents of a snapshot are let go", "file", file, "err", err)
			s.remove(file)
			continue
		}
		s.held = append(s.held, held)
	}
	s.evict()
	return s, nil
}

func stockName(number uint64) string { return fmt.Sprintf("%020d%s", number, stockSuffix) }

// open reads what a file is about. Its chunks are checked when somebody wants them.
func (s *stock) open(file string) (*stocked, error) {
	f, err := s.fs.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	in := io.NewSectionReader(f, 0, size)
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length > chunksBytes {
		return nil, fmt.Errorf("%w: list of %d bytes", chain.ErrTooLarge, length)
	}
	list := make([]byte, length)
	if _, err := io.ReadFull(in, list); err != nil {
		return nil, err
	}
	chunks := new(chain.Chunks)
	if err := chunks.UnmarshalBinary(list); err != nil {
		return nil, err
	}
	if chunks.Size > uint64(s.most) {
		return nil, fmt.Errorf("%w: contents of %d bytes, at most %d are kept", chain.ErrTooLarge, chunks.Size, s.most)
	}
	held := newStocked(file, list, chunks)
	if want := held.start() + held.chunks.Size; uint64(size) != want {
		return nil, &chain.CorruptError{What: file, Offset: size, Err: fmt.Errorf("want %d bytes", want)}
	}
	return held, nil
}

func newStocked(file string, list []byte, chunks *chain.Chunks) *stocked {
	return &stocked{file: file, digest: chain.Keccak256(list), list: list, chunks: chunks, sound: make([]atomic.Bool, len(chunks.Digests))}
}

// start is where in the file the blob begins.
func (h *stocked) start() uint64 { return 4 + uint64(len(h.list)) }

// keep keeps a blob, which is not held on to, and lets go of the oldest one.
func (s *stock) keep(blob []byte, chunks *chain.Chunks) error {
	if s.dir == "" {
		return nil
	}
	if len(blob) > s.most {
		return fmt.Errorf("%w: contents of %d bytes, at most %d are kept", chain.ErrTooLarge, len(blob), s.most)
	}
	list, err := chunks.AppendBinary(nil)
	if err != nil {
		return err
	}
	if len(list) > chunksBytes {
		return fmt.Errorf("%w: a list of %d chunks", chain.ErrTooLarge, len(chunks.Digests))
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.find(nameOf(chain.Keccak256(list))) != nil {
		return nil
	}
	held := newStocked(filepath.Join(s.dir, stockName(s.next)), list, chunks)
	s.next++
	if err := vfs.WriteFile(s.fs, held.file, func(w io.Writer) error {
		_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(list))), list...))
		if err == nil {
			_, err = w.Write(blob)
		}
		return err
	}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, held)
	s.evict()
	return nil
}

// evict lets go of the oldest. The caller holds mu, or is alone.
func (s *stock) evict() {
	for len(s.held) > stockMost {
		s.remove(s.held[0].file)
		s.held = s.held[1:]
	}
}

// drop lets go of what turned out to be spoiled.
func (s *stock) drop(spoiled *stocked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.held, spoiled); i >= 0 {
		s.held = slices.Delete(s.held, i, i+1)
		s.remove(spoiled.file)
	}
}

func (s *stock) remove(file string) {
	if err := s.fs.Remove(file); err != nil {
		s.log.Warn("gossip: a file stays that nobody needs", "file", file, "err", err)
	}
}

// nameOf is how requests name contents: by the first bytes of the digest, which tell the
// few that anybody keeps apart. That it is the right one, the bytes themselves show.
func nameOf(digest common.Hash) uint64 { return binary.BigEndian.Uint64(digest[:]) }

// find is what is kept under a name, or nil.
func (s *stock) find(name uint64) *stocked {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		if nameOf(h.digest) == name {
			return h
		}
	}
	return nil
}

// lookUp is the answer to a question for chunks.
func (s *stock) lookUp(r request) (iter.Seq2[[]byte, error], error) {
	h := s.find(r.from.Number)
	switch {
	case h == nil:
		return nil, errNotKept
	case r.from.Index == chunksIndex:
		return each([][]byte{h.list}), nil
	case uint64(r.from.Index) >= uint64(len(h.chunks.Digests)):
		return nil, errNotKept
	}
	return s.each(h, int(r.from.Index), r.items()), nil
}

// read is the blob by the digest of its chunks, if it is kept and can be read; else nil.
func (s *stock) read(digest common.Hash) []byte {
	h := s.find(nameOf(digest))
	if h == nil || h.digest != digest {
		return nil
	}
	blob := make([]byte, 0, h.chunks.Size)
	for chunk, err := range s.each(h, 0, len(h.chunks.Digests)) {
		if err != nil {
			return nil
		}
		blob = append(blob, chunk...)
	}
	return blob
}

// each reads chunks from first on, at most so many, one after the other into the same
// memory. Each is checked when it is wanted for the first time, because peers would take it
// for ours what the disk spoiled.
func (s *stock) each(h *stocked, first, most int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := s.fs.Open(h.file)
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		memory := make([]byte, chain.ChunkSize)
		for i := first; i < min(first+most, len(h.chunks.Digests)); i++ {
			from, to := h.chunks.Span(i)
			chunk := memory[:to-from]
			_, err := io.ReadFull(io.NewSectionReader(f, int64(h.start()+from), int64(to-from)), chunk)
			if err == nil && !h.sound[i].Load() && chain.Keccak256(chunk) != h.chunks.Digests[i] {
				err = &chain.CorruptError{What: h.file, Offset: int64(h.start() + from), Err: errors.New("it is not what was written")}
			}
			if err != nil {
				s.log.Warn("gossip: contents of a snapshot are spoiled", "file", h.file, "err", err)
				s.drop(h)
			} else {
				h.sound[i].Store(true)
			}
			if !yield(chunk, err) || err != nil {
				return
			}
		}
	}
}
