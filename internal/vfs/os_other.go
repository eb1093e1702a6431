//go:build !unix || solaris || illumos || aix

package vfs

import (
	"os"
	"sync"
)

var (
	lockedMu sync.Mutex
	locked   = make(map[string]*os.File)
)

// lockFile excludes other holders in this process only; these systems have no
// flock. A handle that was closed frees its name.
func lockFile(f *os.File) error {
	lockedMu.Lock()
	defer lockedMu.Unlock()
	if holder := locked[f.Name()]; holder != nil {
		if _, err := holder.Stat(); err == nil {
			return ErrLocked
		}
	}
	locked[f.Name()] = f
	return nil
}

// syncDir does nothing: these systems cannot sync a directory, and their file
// systems journal names by themselves.
func syncDir(*os.File) error { return nil }
