package directory

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/internal/vfs"
)

func open(t testing.TB, config Config) *Store {
	t.Helper()
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestDAClient(t *testing.T) {
	for name, fsys := range map[string]func() vfs.FS{
		"os":     func() vfs.FS { return vfs.OS },
		"memory": func() vfs.FS { return vfs.NewCrash(1) },
	} {
		t.Run(name, func(t *testing.T) {
			chaintest.TestDAClient(t, func(t testing.TB) chain.DAClient {
				return open(t, Config{Directory: t.TempDir(), FS: fsys()})
			})
		})
	}
}

func BenchmarkDAClient(b *testing.B) {
	chaintest.BenchmarkDAClient(b, func(t testing.TB) chain.DAClient { return open(t, Config{Directory: t.TempDir()}) })
}

// TestDamage: whatever happens to a file, Get says so, and Put heals it.
func TestDamage(t *testing.T) {
	var (
		ctx  = context.Background()
		s    = open(t, Config{Directory: t.TempDir()})
		blob = []byte("a blob that will be damaged")
	)
	for name, damage := range map[string]func(b []byte) []byte{
		"bit flipped": func(b []byte) []byte { b[3] ^= 1; return b },
		"truncated":   func(b []byte) []byte { return b[:5] },
		"emptied":     func([]byte) []byte { return nil },
		"extended":    func(b []byte) []byte { return append(b, 0) },
	} {
		id, err := s.Put(ctx, blob)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.path(common.Hash(id)), damage(bytes.Clone(blob)), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(ctx, id); !errors.Is(err, chain.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
		if _, err := s.Put(ctx, blob); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(ctx, id); err != nil || !bytes.Equal(got, blob) {
			t.Errorf("%s: not healed: %v", name, err)
		}
	}
}

func TestTooLarge(t *testing.T) {
	var (
		ctx = context.Background()
		s   = open(t, Config{Directory: t.TempDir(), MaxBlob: 100})
		id  = common.Hash{7}
	)
	if _, err := s.Put(ctx, make([]byte, 101)); !errors.Is(err, chain.ErrTooLarge) {
		t.Errorf("put: %v, want ErrTooLarge", err)
	}
	if _, err := s.Put(ctx, make([]byte, 100)); err != nil {
		t.Errorf("put at the limit: %v", err)
	}
	// A sparse file of 1 TiB must not be read.
	if err := os.Mkdir(filepath.Dir(s.path(id)), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(s.path(id))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 40); err != nil {
		t.Skip("no sparse files here:", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = s.Get(ctx, id[:])
	runtime.ReadMemStats(&after)
	if !errors.Is(err, chain.ErrTooLarge) || after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("get: %v after taking %d bytes, want ErrTooLarge", err, after.TotalAlloc-before.TotalAlloc)
	}
}

func TestReadersBesideAWriter(t *testing.T) {
	var (
		ctx    = context.Background()
		dir    = filepath.Join(t.TempDir(), "not", "made", "yet")
		reader = open(t, Config{Directory: dir, ReadOnly: true})
	)
	if _, err := reader.Get(ctx, make([]byte, 32)); !errors.Is(err, chain.ErrNotFound) {
		t.Errorf("before there is a writer: %v, want ErrNotFound", err)
	}
	writer := open(t, Config{Directory: dir})
	id, err := writer.Put(ctx, []byte("blob"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Get(ctx, id); err != nil {
		t.Error(err)
	}
	if _, err := reader.Put(ctx, []byte("blob")); !errors.Is(err, ErrReadOnly) {
		t.Errorf("%v, want ErrReadOnly", err)
	}
	if _, err := Open(Config{Directory: dir}); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("second writer: %v, want ErrLocked", err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, Config{Directory: dir})
}

func TestConfigNeedsADirectory(t *testing.T) {
	if _, err := Open(Config{}); err == nil {
		t.Fatal("opened a store nowhere")
	}
}

// TestCrash crashes the file system at seeded points of a run of Puts: whatever
// Put returned is there afterwards, and nothing that is there is wrong.
func TestCrash(t *testing.T) {
	points := 1000
	if testing.Short() {
		points = 100
	}
	for seed := range points {
		loss := []vfs.Loss{vfs.LoseUnsynced, vfs.LoseSome, vfs.LoseNothing}[seed%3]
		if lost, err := crash(uint64(seed), loss, false); err != nil || lost > 0 {
			t.Fatalf("seed %d, loss %d: %d blobs lost, %v", seed, loss, lost, err)
		}
	}
}

// TestCrashWithoutSync is the proof that TestCrash can fail: with a file system
// that only claims to sync, blobs are lost.
func TestCrashWithoutSync(t *testing.T) {
	for seed := range 1000 {
		if lost, err := crash(uint64(seed), vfs.LoseUnsynced, true); err != nil || lost > 0 {
			return
		}
	}
	t.Fatal("the missing sync went unnoticed")
}

// crash puts blobs until the file system crashes, restarts, and counts those that
// Put had returned and that are gone or wrong. An error is damage of another kind.
func crash(seed uint64, loss vfs.Loss, ignoreSync bool) (lost int, err error) {
	const dir = "data/da"
	fsys := vfs.NewCrash(seed)
	if ignoreSync {
		fsys.IgnoreSync()
	}
	fsys.CrashAt(1 + int(seed/3)%120)
	var (
		blobs = make(map[common.Hash][]byte)
		tried = make(map[common.Hash][]byte)
		ctx   = context.Background()
	)
	if s, err := Open(Config{Directory: dir, FS: fsys}); err == nil {
		for i := range 30 {
			// Few different ones: some are put again, some share a directory.
			blob := bytes.Repeat(binary.BigEndian.AppendUint64(nil, seed+uint64(i%20)), 1+i*20)
			tried[chain.Keccak256(blob)] = blob
			id, err := s.Put(ctx, blob)
			if err != nil {
				break
			}
			blobs[common.Hash(id)] = blob
		}
	}
	after := fsys.Crash(loss)
	s, err := Open(Config{Directory: dir, FS: after})
	if err != nil {
		return 0, fmt.Errorf("reopen: %w", err)
	}
	defer s.Close()
	for hash, blob := range tried {
		got, err := s.Get(ctx, hash[:])
		_, acknowledged := blobs[hash]
		switch {
		case err == nil && bytes.Equal(got, blob):
		case acknowledged:
			lost++
		case !errors.Is(err, chain.ErrNotFound):
			return 0, fmt.Errorf("half a blob: %w", err)
		}
		if _, err := s.Put(ctx, blob); err != nil { // and it goes on
			return 0, fmt.Errorf("put after the crash: %w", err)
		}
	}
	return lost, leftovers(after, dir)
}

// leftovers reports files that are not blobs in directories that were used since.
func leftovers(fsys vfs.FS, dir string) error {
	shards, err := fsys.List(dir)
	if err != nil {
		return err
	}
	for _, shard := range shards {
		names, err := fsys.List(filepath.Join(dir, shard))
		if err != nil {
			continue // LOCK
		}
		for _, name := range names {
			if len(name) != 64 {
				return fmt.Errorf("%s was left in %s", name, shard)
			}
		}
	}
	return nil
}

// TestFailedOperations: an operation of the file system that fails is Put's
// failure, and the next Put of the same blob works.
func TestFailedOperations(t *testing.T) {
	broken := errors.New("disk on fire")
	for number := 1; ; number++ {
		fsys := vfs.NewCrash(uint64(number))
		s, err := Open(Config{Directory: "da", FS: fsys})
		if err != nil {
			t.Fatal(err)
		}
		first := fsys.Ops()
		fsys.Inject(func(op vfs.Op) error {
			if op.Number == first+number {
				return broken
			}
			return nil
		})
		blob := []byte("blob")
		if _, err := s.Put(context.Background(), blob); err == nil {
			if number == 1 {
				t.Fatal("Put does nothing that can fail")
			}
			return // all operations have failed once
		} else if !errors.Is(err, broken) {
			t.Fatalf("operation %d: %v", number, err)
		}
		fsys.Inject(nil)
		id, err := s.Put(context.Background(), blob)
		if err != nil {
			t.Fatalf("after operation %d failed: %v", number, err)
		}
		if got, err := s.Get(context.Background(), id); err != nil || !bytes.Equal(got, blob) {
			t.Fatalf("after operation %d failed: %v", number, err)
		}
	}
}
