//go:build unix

package cli

import (
	"io/fs"
	"syscall"
)

// owner is the id of the user to whom a file belongs.
func owner(info fs.FileInfo) (uid int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}
