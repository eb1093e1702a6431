//go:build !linux

package vfs

import "os"

func syncFile(f *os.File) error { return f.Sync() }

// reserve does nothing: the file grows with each write.
func reserve(*os.File, int64) error { return nil }
