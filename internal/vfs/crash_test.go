package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func create(t *testing.T, fsys FS, name string) File {
	t.Helper()
	f, err := fsys.Create(name)
	require.NoError(t, err)
	return f
}

func put(t *testing.T, f File, b []byte) {
	t.Helper()
	_, err := f.Write(b)
	require.NoError(t, err)
}

// What was synced is there after any crash; what was not is there as Loss says.
func TestCrashContent(t *testing.T) {
	synced, unsynced := bytes.Repeat([]byte{1}, 700), bytes.Repeat([]byte{2}, 2000)
	seen := make(map[Loss]map[int]bool)
	for loss := LoseUnsynced; loss <= LoseNothing; loss++ {
		seen[loss] = make(map[int]bool)
		for seed := range uint64(300) {
			fsys := NewCrash(seed)
			f := create(t, fsys, "a")
			put(t, f, synced)
			require.NoError(t, f.Sync())
			require.NoError(t, fsys.SyncDir("."))
			put(t, f, unsynced)
			got, err := ReadFile(fsys.Crash(loss), "a")
			require.NoError(t, err)
			require.Equal(t, synced, got[:len(synced)], "a crash does not harm what was synced")
			seen[loss][len(got)] = true
			switch loss {
			case LoseUnsynced:
				require.LessOrEqual(t, len(got), 1024, "no more than the rest of the sector")
			case LoseNothing:
				require.Equal(t, append(bytes.Clone(synced), unsynced...), got)
			}
		}
	}
	require.Greater(t, len(seen[LoseUnsynced]), 50, "torn anywhere in the sector")
	require.Greater(t, len(seen[LoseSome]), 5)
}

// Reserved space that was synced keeps its length; what was written there and not
// synced is torn like the rest, or zero, and never longer.
func TestCrashReserved(t *testing.T) {
	const length, used = 4 * sectorSize, 700
	synced := bytes.Repeat([]byte{1}, used)
	torn := make(map[Loss]map[int]bool)
	for loss := LoseUnsynced; loss <= LoseSome; loss++ {
		torn[loss] = make(map[int]bool)
		for seed := range uint64(300) {
			fsys := NewCrash(seed)
			f := create(t, fsys, "a")
			require.NoError(t, f.Reserve(length))
			put(t, f, synced)
			require.NoError(t, f.Sync())
			require.NoError(t, fsys.SyncDir("."))
			put(t, f, bytes.Repeat([]byte{2}, 1000))
			got, err := ReadFile(fsys.Crash(loss), "a")
			require.NoError(t, err)
			require.Len(t, got, length)
			require.Equal(t, synced, got[:used])
			require.Equal(t, make([]byte, length-used-1000), got[used+1000:], "behind all writes")
			if loss == LoseUnsynced {
				require.Equal(t, make([]byte, length-2*sectorSize), got[2*sectorSize:], "one sector is torn")
			}
			torn[loss][bytes.Count(got, []byte{2})] = true
		}
	}
	require.Greater(t, len(torn[LoseUnsynced]), 50)
	require.Greater(t, len(torn[LoseSome]), 5)

	lengths := make(map[int]bool)
	for seed := range uint64(20) {
		fsys := NewCrash(seed)
		f := create(t, fsys, "a")
		require.NoError(t, fsys.SyncDir("."))
		require.NoError(t, f.Reserve(length))
		got, err := ReadFile(fsys.Crash(LoseSome), "a")
		require.NoError(t, err)
		lengths[len(got)] = true
	}
	require.Equal(t, map[int]bool{0: true, length: true}, lengths, "an unsynced length may be lost")
}

// A later sector may be there without an earlier one.
func TestCrashLeavesHoles(t *testing.T) {
	holes := 0
	for seed := range uint64(100) {
		fsys := NewCrash(seed)
		f := create(t, fsys, "a")
		require.NoError(t, fsys.SyncDir("."))
		put(t, f, bytes.Repeat([]byte{2}, 5*sectorSize))
		got, err := ReadFile(fsys.Crash(LoseSome), "a")
		require.NoError(t, err)
		if n := len(got); n > sectorSize && got[0] != 2 && got[n-1] == 2 {
			holes++
		}
	}
	require.Greater(t, holes, 10)
}

func TestCrashNames(t *testing.T) {
	build := func(seed uint64, sync bool) *CrashFS {
		fsys := NewCrash(seed)
		require.NoError(t, fsys.MkdirAll("d"))
		require.NoError(t, fsys.SyncDir("."))
		for _, name := range []string{"d/removed", "d/old"} {
			f := create(t, fsys, name)
			put(t, f, []byte(name))
			require.NoError(t, f.Sync())
		}
		require.NoError(t, fsys.SyncDir("d"))
		f := create(t, fsys, "d/created")
		require.NoError(t, f.Sync())
		require.NoError(t, fsys.Rename("d/old", "d/new"))
		require.NoError(t, fsys.Remove("d/removed"))
		if sync {
			require.NoError(t, fsys.SyncDir("d"))
		}
		return fsys
	}
	list := func(fsys *CrashFS) []string {
		names, err := fsys.List("d")
		require.NoError(t, err)
		return names
	}
	before, after := []string{"old", "removed"}, []string{"created", "new"}
	require.Equal(t, before, list(build(1, false).Crash(LoseUnsynced)), "File.Sync does not make a name durable")
	require.Equal(t, after, list(build(1, false).Crash(LoseNothing)))
	for loss := LoseUnsynced; loss <= LoseNothing; loss++ {
		require.Equal(t, after, list(build(1, true).Crash(loss)))
	}
	seen := make(map[string]bool)
	for seed := range uint64(100) {
		names := list(build(seed, false).Crash(LoseSome))
		seen[fmt.Sprint(names)] = true
		require.NotEqual(t, slices.Contains(names, "old"), slices.Contains(names, "new"), "a rename is one step")
	}
	require.Len(t, seen, 8)
	require.Equal(t, "d/old", content(t, build(1, true).Crash(LoseUnsynced), "d/new"))
}

// The end of the process is not the end of the machine: what it left unsynced can
// still be lost.
func TestCrashTwice(t *testing.T) {
	fsys := NewCrash(1)
	f := create(t, fsys, "a")
	put(t, f, []byte("x"))
	require.NoError(t, f.Sync())
	fsys = fsys.Crash(LoseNothing)
	require.Equal(t, "x", content(t, fsys, "a"))
	names, err := fsys.Crash(LoseUnsynced).List(".")
	require.NoError(t, err)
	require.Empty(t, names)
}

func TestCrashAt(t *testing.T) {
	run := func(fsys *CrashFS) error {
		if err := fsys.MkdirAll("d"); err != nil {
			return err
		}
		f, err := fsys.Create("d/a")
		if err != nil {
			return err
		}
		_, err = f.Write(make([]byte, 100))
		return errors.Join(err, f.Sync(), f.Truncate(10), f.Close(), fsys.Rename("d/a", "d/b"), fsys.SyncDir("d"), fsys.Remove("d/b"))
	}
	whole := NewCrash(1)
	require.NoError(t, run(whole))
	require.Equal(t, 8, whole.Ops())
	for op := 1; op <= whole.Ops(); op++ {
		fsys := NewCrash(1)
		fsys.CrashAt(op)
		require.ErrorIs(t, run(fsys), ErrCrashed)
		require.Equal(t, op, fsys.Ops())
		_, err := fsys.List(".")
		require.ErrorIs(t, err, ErrCrashed)
		_, err = fsys.Lock("x")
		require.ErrorIs(t, err, ErrCrashed)
		require.NoError(t, run(fsys.Crash(LoseUnsynced)))
	}
}

func TestIgnoreSync(t *testing.T) {
	fsys := NewCrash(1)
	fsys.IgnoreSync()
	f := create(t, fsys, "a")
	put(t, f, []byte("x"))
	require.NoError(t, f.Sync())
	require.NoError(t, fsys.SyncDir("."))
	names, err := fsys.Crash(LoseUnsynced).List(".")
	require.NoError(t, err)
	require.Empty(t, names)
}

func TestInject(t *testing.T) {
	fault := errors.New("fault")
	fsys := NewCrash(1)
	f := create(t, fsys, "a")
	var ops []Op
	fsys.Inject(func(op Op) error { ops = append(ops, op); return fault })
	n, err := f.Write(make([]byte, 100))
	require.ErrorIs(t, err, fault)
	require.ErrorIs(t, f.Sync(), fault)
	require.ErrorIs(t, fsys.Remove("a"), fault)
	require.Equal(t, []Op{{2, OpWrite, "a"}, {3, OpSync, "a"}, {4, OpRemove, "a"}}, ops)
	fsys.Inject(nil)
	size, err := fsys.Size("a")
	require.NoError(t, err)
	require.Equal(t, int64(n), size, "what a failed Write has written is what it says")
}

func TestMkdirAllSync(t *testing.T) {
	for _, before := range []string{".", "a", "a/b", "a/b/c"} { // who made these did not sync
		fsys := NewCrash(1)
		require.NoError(t, fsys.MkdirAll(before))
		require.NoError(t, MkdirAllSync(fsys, "a/b/c"))
		names, err := fsys.Crash(LoseUnsynced).List("a/b")
		require.NoError(t, err)
		require.Equal(t, []string{"c"}, names)
	}
	require.NoError(t, MkdirAllSync(OS, filepath.Join(t.TempDir(), "a", "b")))
}
