package directory

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// ErrReadOnly is what Put returns on a Store that was opened with ReadOnly.
var ErrReadOnly = errors.New("da directory is open for reading only")

// Config of a Store. Directory is required.
type Config struct {
	// Directory is made if it is missing, unless ReadOnly.
	Directory string
	// MaxBlob is the largest blob in bytes, for Put and Get. Default 256 MiB.
	MaxBlob int
	// ReadOnly opens a directory that another process writes to. One Store at
	// a time may be open for writing, any number for reading.
	ReadOnly bool
	// FS is the file system; nil is the operating system's. It is a seam for
	// tests.
	FS vfs.FS
}

func (c Config) withDefaults() Config {
	if c.MaxBlob <= 0 {
		c.MaxBlob = 256 << 20
	}
	if c.FS == nil {
		c.FS = vfs.OS
	}
	return c
}

// A Store implements chain.DAClient over a directory. All methods but Close may
// be called concurrently.
type Store struct {
	config Config
	lock   io.Closer // nil when read only
	shards [256]shard
}

// A shard is a directory of blobs that begin with the same byte. Its mutex lets
// one Put at a time write there, so that two of the same blob do not share a
// temporary file.
type shard struct {
	sync.Mutex
	ready bool // made, durably, and cleaned
}

var _ chain.DAClient = (*Store)(nil)

// Open opens the store. For writing it takes the directory's lock; the error
// matches vfs.ErrLocked while someone else has it.
func Open(config Config) (*Store, error) {
	config = config.withDefaults()
	if config.Directory == "" {
		return nil, errors.New("da directory: Config.Directory is empty")
	}
	s := &Store{config: config}
	if config.ReadOnly {
		return s, nil
	}
	if err := vfs.MkdirAllSync(config.FS, config.Directory); err != nil {
		return nil, fmt.Errorf("da directory: %w", err)
	}
	lock, err := config.FS.Lock(filepath.Join(config.Directory, "LOCK"))
	if err != nil {
		return nil, fmt.Errorf("da directory: %w", err)
	}
	s.lock = lock
	return s, nil
}

// Close gives the directory's lock back. No Put may follow.
func (s *Store) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// Put implements chain.DAClient. The BlobID is keccak256 of blob.
func (s *Store) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	switch {
	case s.config.ReadOnly:
		return nil, ErrReadOnly
	case len(blob) > s.config.MaxBlob:
		return nil, s.tooLarge(int64(len(blob)))
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	hash := chain.Keccak256(blob)
	if err := s.write(hash, blob); err != nil {
		return nil, fmt.Errorf("da directory: blob %s: %w", hash, err)
	}
	return hash[:], nil
}

// write also replaces a blob that is there: it may be corrupt, or its name not
// durable yet.
func (s *Store) write(hash common.Hash, blob []byte) error {
	sh := &s.shards[hash[0]]
	sh.Lock()
	defer sh.Unlock()
	if err := s.prepare(sh, filepath.Dir(s.path(hash))); err != nil {
		return err
	}
	return vfs.WriteFile(s.config.FS, s.path(hash), func(w io.Writer) error {
		_, err := w.Write(blob)
		return err
	})
}

// prepare makes the shard's directory durable and removes what a crash left of a
// Put, once per Store.
func (s *Store) prepare(sh *shard, dir string) error {
	if sh.ready {
		return nil
	}
	fsys := s.config.FS
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	if err := fsys.SyncDir(s.config.Directory); err != nil {
		return err
	}
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, vfs.TempSuffix) {
			if err := fsys.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	sh.ready = true
	return nil
}

// Get implements chain.DAClient. A file larger than MaxBlob is ErrTooLarge before
// memory is taken.
func (s *Store) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(id) != common.HashLength {
		return nil, fmt.Errorf("%w: da directory: blob %x is not named by a hash", chain.ErrNotFound, id)
	}
	hash := common.Hash(id)
	blob, err := s.read(hash)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: da directory: blob %s", chain.ErrNotFound, hash)
	case err != nil:
		return nil, fmt.Errorf("da directory: blob %s: %w", hash, err)
	}
	if got := chain.Keccak256(blob); got != hash {
		return nil, &chain.CorruptError{What: "blob " + hash.Hex(), Offset: -1, Err: fmt.Errorf("content has hash %s", got)}
	}
	return blob, nil
}

func (s *Store) read(hash common.Hash) (blob []byte, err error) {
	f, err := s.config.FS.Open(s.path(hash))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > int64(s.config.MaxBlob) {
		return nil, s.tooLarge(size)
	}
	blob = make([]byte, size)
	// A file that shrank meanwhile does not have its hash either.
	if _, err := f.ReadAt(blob, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return blob, nil
}

func (s *Store) path(hash common.Hash) string {
	name := hex.EncodeToString(hash[:])
	return filepath.Join(s.config.Directory, name[:2], name)
}

func (s *Store) tooLarge(size int64) error {
	return fmt.Errorf("%w: da directory: blob of %d bytes, at most %d allowed", chain.ErrTooLarge, size, s.config.MaxBlob)
}
