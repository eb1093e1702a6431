package vfs

import "io"

// FS is a file system. Names are paths as the operating system writes them. It
// may be called concurrently; two operations on the same name at the same time
// happen in some order.
type FS interface {
	// Create makes an empty file, or empties the one that is there.
	Create(name string) (File, error)
	// OpenReadWrite opens a file, or makes an empty one. Write begins at its end.
	OpenReadWrite(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// Rename gives a file another name, in place of a file that had it.
	Rename(oldName, newName string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// MkdirAll makes a directory and those above it, where they are missing.
	MkdirAll(dir string) error
	// List returns the names in a directory, without its path, ascending.
	List(dir string) ([]string, error)
	// Size is the length of a file in bytes.
	Size(name string) (int64, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Lock takes the file name, which it makes if it is missing, for this process
	// and this holder alone. It does not wait: while someone else holds it the
	// error matches ErrLocked. Closing the result, or the end of the process,
	// gives it back.
	Lock(name string) (io.Closer, error)
}

// A File is an open file. ReadAt may be called concurrently with everything but
// Close; Write, Truncate, Reserve and Close are for one goroutine at a time; Sync may
// run beside Write and Reserve, and then covers what returned before it was called.
type File interface {
	// Write goes on where the last one ended.
	io.Writer
	io.ReaderAt
	io.Closer
	// Sync makes the file's bytes and length durable.
	Sync() error
	// Truncate cuts the file to size bytes. The next Write goes there.
	Truncate(size int64) error
	// Reserve takes space for a file of size bytes and makes it as long, with zeros,
	// if it is shorter. The next Write goes where it would have gone. A file system
	// that cannot do this does nothing: an error says that the disk is full or broken.
	Reserve(size int64) error
	// Size is the length of the file in bytes, with what is reserved.
	Size() (int64, error)
}
