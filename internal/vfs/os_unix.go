//go:build unix && !solaris && !illumos && !aix

package vfs

import (
	"errors"
	"os"
	"syscall"
)

// lockFile uses flock: it belongs to the open file, so that it excludes a second
// holder in this process as well, and ends with the process however that ends.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

func syncDir(d *os.File) error { return d.Sync() }
