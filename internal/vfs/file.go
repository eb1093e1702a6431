package vfs

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
)

// TempSuffix ends the name under which WriteFile writes. A crash can leave such a
// file; its owner removes it when it starts.
const TempSuffix = ".tmp"

// WriteFile makes the file name hold what write gives it, in one step: after a
// crash the file is there whole, or as it was before. When WriteFile returns, it
// is durable. Two calls for one name may not run at the same time.
func WriteFile(fsys FS, name string, write func(io.Writer) error) (err error) {
	temp := name + TempSuffix
	f, err := fsys.Create(temp)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, fsys.Remove(temp))
	}
	if err := fsys.Rename(temp, name); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// MkdirAllSync makes dir and the missing ones above it, durably. It syncs the names
// of all of them, not only of those that were missing: whoever made the others may
// have come to an end before that. It stops at a directory that this process may
// not read, and so cannot have made.
func MkdirAllSync(fsys FS, dir string) error {
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	for dir = filepath.Clean(dir); filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		err := fsys.SyncDir(filepath.Dir(dir))
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ReadFile returns the content of a file.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	_, err = io.ReadFull(io.NewSectionReader(f, 0, size), b)
	return b, err
}
