package history

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/vivace-chain/vivace/chain"
)

const (
	fileName    = "history.db" // in the store's directory
	fileSizeMin = 4 * 4096     // of a file with nothing in it
)

// The buckets. Keys of heads are block numbers, big-endian; those of chunks have the
// chunk's number in the block after it (4 bytes).
var (
	bucketState  = []byte("state")
	bucketHeads  = []byte("heads")
	bucketChunks = []byte("chunks")
	// The indexes, of runs: of transactions and blocks by hash, of logs by address and
	// by topic.
	bucketTxs    = []byte("txs")
	bucketHashes = []byte("hashes")
	bucketLogs   = []byte("logs")

	keyState = []byte("state")
)

// A disk is the store's file. It may be read concurrently with everything; one
// goroutine at a time writes.
type disk struct {
	db     *bbolt.DB
	codec  *codec
	state  atomic.Pointer[state] // as last read or written: see view
	broken error                 // why nothing is written any more; the writer's
	logger *slog.Logger
	told   atomic.Int64 // when damage was last logged, Unix seconds
}

// tellEvery is how many seconds pass between two reports of damage: strangers may ask
// for what is damaged again and again.
const tellEvery = 60

// tell lets the operator know of damage that a read found. It returns err.
func (d *disk) tell(err error) error {
	if errors.Is(err, chain.ErrCorrupt) {
		last, now := d.told.Load(), time.Now().Unix()
		if now-last >= tellEvery && d.told.CompareAndSwap(last, now) {
			d.logger.Error("history's file is damaged", "file", d.db.Path(), "error", err)
		}
	}
	return err
}

// openDisk opens the file in dir, or makes it for the chain that begins with genesis.
func openDisk(dir string, genesis *chain.Header, logger *slog.Logger) (d *disk, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	name := filepath.Join(dir, fileName)
	info, err := os.Stat(name)
	isNew := errors.Is(err, fs.ErrNotExist)
	if err == nil && info.Size() > 0 && info.Size() < fileSizeMin {
		return nil, corrupt(fmt.Sprintf("history: %s", name), fmt.Errorf("it has %d bytes", info.Size()))
	}
	d = &disk{logger: logger}
	if err := guard("file", func() (err error) {
		d.db, err = bbolt.Open(name, 0o600, &bbolt.Options{
			Timeout: time.Second, FreelistType: bbolt.FreelistMapType, InitialMmapSize: initialMmap(),
		})
		return err
	}); err != nil {
		return nil, openError(name, err)
	}
	if d.codec, err = newCodec(); err == nil {
		err = d.begin(isNew, dir, genesis)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// initialMmap is how much of the address space the file gets: as long as it is
// smaller, its growth does not wait for readers. On Windows the file would become as
// large.
func initialMmap() int {
	if ^uint(0)>>32 == 0 || runtime.GOOS == "windows" {
		return 0
	}
	return 4 << 30
}

// openError marks what bbolt says of a file that is none of its own, or not whole.
func openError(name string, err error) error {
	for _, damage := range []error{berrors.ErrInvalid, berrors.ErrChecksum, berrors.ErrVersionMismatch, berrors.ErrInvalidMapping} {
		if errors.Is(err, damage) {
			return corrupt(fmt.Sprintf("history: %s", name), err)
		}
	}
	if errors.Is(err, berrors.ErrTimeout) {
		err = errors.New("it is in use")
	}
	return fmt.Errorf("history: %s: %w", name, err)
}

// begin reads the state, or writes the first.
func (d *disk) begin(isNew bool, dir string, genesis *chain.Header) error {
	if err := d.checkSize(); err != nil {
		return err
	}
	fresh := false
	err := d.read(func(tx *bbolt.Tx) error {
		fresh = tx.Bucket(bucketState) == nil && tx.Bucket(bucketHeads) == nil
		return nil
	})
	if err == nil && fresh {
		err = d.create(genesis)
	}
	if err == nil && isNew {
		err = syncDir(dir)
	}
	if err != nil {
		return err
	}
	return d.view(func(_ *bbolt.Tx, st *state) error {
		if want := genesis.Hash(); st.genesis != want {
			return mismatch(0, "genesis", st.genesis, want)
		}
		return nil
	})
}

// checkSize finds a file that is shorter than what is in it, before a read beyond its
// end does.
func (d *disk) checkSize() error {
	info, err := os.Stat(d.db.Path())
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return d.read(func(tx *bbolt.Tx) error {
		if info.Size() < tx.Size() {
			return corrupt("history: file", fmt.Errorf("it has %d bytes of %d", info.Size(), tx.Size()))
		}
		return nil
	})
}

func (d *disk) create(genesis *chain.Header) error {
	st := &state{genesis: genesis.Hash(), head: genesis.ID()}
	if _, err := rand.Read(st.seed[:]); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return d.write(func(tx *bbolt.Tx) (*state, error) {
		for _, name := range [][]byte{bucketState, bucketHeads, bucketChunks, bucketTxs, bucketHashes, bucketLogs} {
			if _, err := tx.CreateBucket(name); err != nil {
				return nil, err
			}
		}
		return st, nil
	})
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // which has no such thing
	}
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// guard makes an error of a panic, and of a fault of memory: bbolt trusts the pages of
// its file, which it maps, and damage to them takes it anywhere.
func guard(what string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = corrupt("history: "+what, fmt.Errorf("%v", p))
		}
	}()
	return f()
}

// read runs f on the file as it is now. It must be quick: as long as it runs, no page
// that it may see is used anew, and the file cannot outgrow its mapping.
func (d *disk) read(f func(*bbolt.Tx) error) error {
	return d.tell(guard("file", func() error {
		tx, err := d.db.Begin(false)
		if err != nil {
			return dbError(err)
		}
		defer tx.Rollback()
		return f(tx)
	}))
}

// view is read with the state that belongs to what is read.
func (d *disk) view(f func(*bbolt.Tx, *state) error) error {
	return d.read(func(tx *bbolt.Tx) error {
		st := d.state.Load()
		if st == nil || st.id != tx.ID() {
			var err error
			if st, err = loadState(tx); err != nil {
				return err
			}
			d.state.Store(st)
		}
		return f(tx, st)
	})
}

// write runs f, and makes durable what it did together with the state that it
// returns: all, or nothing. When a commit failed nobody knows what is on disk, so
// nothing is written any more; nor is anything on top of damage.
func (d *disk) write(f func(*bbolt.Tx) (*state, error)) error {
	if d.broken != nil {
		return d.broken
	}
	committing := false
	err := guard("file", func() error {
		tx, err := d.db.Begin(true)
		if err != nil {
			return dbError(err)
		}
		defer tx.Rollback()
		st, err := f(tx)
		if err != nil {
			return err
		}
		if err := st.save(tx); err != nil {
			return err
		}
		committing = true
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("history: commit: %w", err)
		}
		return nil
	})
	if err != nil && (committing || errors.Is(err, chain.ErrCorrupt)) {
		d.broken = err
		d.logger.Error("history is not written any more", "file", d.db.Path(), "error", err)
	}
	return err
}

func dbError(err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return chain.ErrClosed
	}
	return fmt.Errorf("history: %w", err)
}

// close waits for readers.
func (d *disk) close() error { return guard("file", d.db.Close) }
