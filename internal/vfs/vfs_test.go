package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// systems are the file systems that must behave alike.
func systems(t *testing.T, run func(t *testing.T, fsys FS, dir string)) {
	t.Run("os", func(t *testing.T) { run(t, OS, t.TempDir()) })
	t.Run("crash", func(t *testing.T) {
		fsys := NewCrash(1)
		require.NoError(t, fsys.MkdirAll("/tmp/x"))
		run(t, fsys, "/tmp/x")
	})
}

func content(t *testing.T, fsys FS, name string) string {
	t.Helper()
	b, err := ReadFile(fsys, name)
	require.NoError(t, err)
	return string(b)
}

func TestFS(t *testing.T) {
	systems(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "a")
		for _, err := range []error{
			func() error { _, err := fsys.Open(name); return err }(),
			func() error { _, err := fsys.Size(name); return err }(),
			func() error { _, err := fsys.List(name); return err }(),
			func() error { _, err := fsys.Create(filepath.Join(dir, "none", "a")); return err }(),
			fsys.Remove(name), fsys.Rename(name, name+"b"), fsys.SyncDir(filepath.Join(dir, "none")),
		} {
			require.ErrorIs(t, err, fs.ErrNotExist)
		}

		f, err := fsys.Create(name)
		require.NoError(t, err)
		_, err = f.Write([]byte("hello world"))
		require.NoError(t, err)
		require.NoError(t, f.Truncate(5))
		_, err = f.Write([]byte("!"))
		require.NoError(t, err, "behind the cut")
		require.NoError(t, f.Sync())
		size, err := f.Size()
		require.NoError(t, err)
		require.Equal(t, int64(6), size)
		b := make([]byte, 3)
		n, err := f.ReadAt(b, 4)
		require.Equal(t, io.EOF, err)
		require.Equal(t, "o!", string(b[:n]))
		_, err = f.ReadAt(b, 100)
		require.Equal(t, io.EOF, err)
		n, err = f.ReadAt(b, 0)
		require.NoError(t, err)
		require.Equal(t, "hel", string(b[:n]))
		require.NoError(t, f.Close())
		require.ErrorIs(t, f.Close(), fs.ErrClosed)
		require.Equal(t, "hello!", content(t, fsys, name))

		f, err = fsys.OpenReadWrite(name)
		require.NoError(t, err)
		_, err = f.Write([]byte("?"))
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Equal(t, "hello!?", content(t, fsys, name))

		f, err = fsys.Open(name)
		require.NoError(t, err)
		_, err = f.Write([]byte("x"))
		require.Error(t, err, "opened for reading")
		require.NoError(t, f.Close())

		f, err = fsys.OpenReadWrite(name + "2")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		names, err := fsys.List(dir)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "a2"}, names)
		require.NoError(t, fsys.Rename(name, name+"2"))
		require.Equal(t, "hello!?", content(t, fsys, name+"2"))
		size, err = fsys.Size(name + "2")
		require.NoError(t, err)
		require.Equal(t, int64(7), size)
		f, err = fsys.Create(name + "2")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Empty(t, content(t, fsys, name+"2"))

		require.NoError(t, fsys.MkdirAll(filepath.Join(dir, "d", "e")))
		require.NoError(t, fsys.MkdirAll(filepath.Join(dir, "d", "e")))
		require.NoError(t, WriteFile(fsys, filepath.Join(dir, "d", "e", "f"), func(w io.Writer) error {
			_, err := io.WriteString(w, "whole")
			return err
		}))
		require.Equal(t, "whole", content(t, fsys, filepath.Join(dir, "d", "e", "f")))
		require.Error(t, fsys.Remove(filepath.Join(dir, "d", "e")), "it is not empty")
		require.Error(t, fsys.MkdirAll(filepath.Join(dir, "a2", "x")), "it is a file")
		require.NoError(t, fsys.Remove(filepath.Join(dir, "d", "e", "f")))
		require.NoError(t, fsys.Remove(filepath.Join(dir, "d", "e")))
		require.NoError(t, fsys.SyncDir(dir))
	})
}

func TestReserve(t *testing.T) {
	systems(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "a")
		f, err := fsys.Create(name)
		require.NoError(t, err)
		write := func(s string) {
			_, err := f.Write([]byte(s))
			require.NoError(t, err)
		}
		write("one")
		require.NoError(t, f.Reserve(8))
		if content(t, fsys, name) == "one" {
			t.Skip("this file system reserves nothing")
		}
		write("two")
		require.NoError(t, f.Sync())
		require.Equal(t, "onetwo\x00\x00", content(t, fsys, name), "writes go on where they were")
		write("three")
		require.Equal(t, "onetwothree", content(t, fsys, name))
		require.NoError(t, f.Reserve(4))
		require.Equal(t, "onetwothree", content(t, fsys, name), "nothing is cut")
		require.NoError(t, f.Reserve(100))
		require.NoError(t, f.Truncate(6))
		write("3")
		require.NoError(t, f.Reserve(9))
		require.NoError(t, f.Close())
		require.Equal(t, "onetwo3\x00\x00", content(t, fsys, name), "and nothing of before is behind a cut")
		f, err = fsys.OpenReadWrite(name)
		require.NoError(t, err)
		write("!")
		require.NoError(t, f.Close())
		require.Equal(t, "onetwo3\x00\x00!", content(t, fsys, name), "who opens it does not know")
	})
}

func TestWriteFileFails(t *testing.T) {
	systems(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "a")
		require.NoError(t, WriteFile(fsys, name, func(w io.Writer) error { _, err := io.WriteString(w, "old"); return err }))
		fault := errors.New("fault")
		err := WriteFile(fsys, name, func(w io.Writer) error { io.WriteString(w, "half"); return fault })
		require.ErrorIs(t, err, fault)
		require.Equal(t, "old", content(t, fsys, name))
		names, err := fsys.List(dir)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, names)
	})
}

func TestLock(t *testing.T) {
	systems(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "LOCK")
		lock, err := fsys.Lock(name)
		require.NoError(t, err)
		_, err = fsys.Lock(name)
		require.ErrorIs(t, err, ErrLocked)
		require.NoError(t, lock.Close())
		lock, err = fsys.Lock(name)
		require.NoError(t, err)
		require.NoError(t, lock.Close())
	})
}

// A lock holds against another process, and ends with its holder.
func TestLockOtherProcess(t *testing.T) {
	const variable = "VFS_TEST_LOCK"
	if name := os.Getenv(variable); name != "" { // the other process
		if _, err := OS.Lock(name); err != nil {
			os.Stdout.WriteString("refused")
		} else {
			os.Stdout.WriteString("taken")
		}
		os.Exit(0)
	}
	name := filepath.Join(t.TempDir(), "LOCK")
	other := func() string {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLockOtherProcess$")
		cmd.Env = append(os.Environ(), variable+"="+name)
		out, err := cmd.Output()
		require.NoError(t, err)
		return string(out)
	}
	lock, err := OS.Lock(name)
	require.NoError(t, err)
	require.Equal(t, "refused", other())
	require.NoError(t, lock.Close())
	require.Equal(t, "taken", other())
	lock, err = OS.Lock(name)
	require.NoError(t, err, "the other process has ended without Close")
	require.NoError(t, lock.Close())
}
