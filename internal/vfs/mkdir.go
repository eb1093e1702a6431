package vfs

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// MkdirAllSync makes dir and the missing ones above it, durably. The name of an
// existing dir is synced as well: whoever made it may have crashed before that.
func MkdirAllSync(fsys FS, dir string) error {
	parent := filepath.Dir(dir)
	if parent == dir {
		return nil // the root is there
	}
	if _, err := fsys.Size(parent); errors.Is(err, fs.ErrNotExist) {
		if err := MkdirAllSync(fsys, parent); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	return fsys.SyncDir(parent)
}
