package vfs

import (
	"io"
	"io/fs"
)

// A crashFile is an open file of a CrashFS.
type crashFile struct {
	fs     *CrashFS
	node   *node
	name   string
	write  bool
	end    int // where the next Write goes
	closed bool
}

// usable reports why the file cannot be used. The caller holds fs.mu.
func (f *crashFile) usable(write bool) error {
	switch {
	case f.fs.crashed:
		return ErrCrashed
	case f.closed:
		return &fs.PathError{Op: "use", Path: f.name, Err: fs.ErrClosed}
	case write && !f.write:
		return &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrPermission}
	}
	return nil
}

func (f *crashFile) Write(b []byte) (n int, err error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(true); err != nil {
		return 0, err
	}
	err = f.fs.do(OpWrite, f.name,
		func() { n = len(b); f.node.write(f.end, b) },
		func() { n = f.fs.rng.IntN(len(b) + 1); f.node.write(f.end, b[:n]) })
	f.end += n
	return n, err
}

func (f *crashFile) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(false); err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(false); err != nil {
		return err
	}
	return f.fs.do(OpSync, f.name, func() { f.fs.sync(f.node) }, nil)
}

func (f *crashFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(true); err != nil {
		return err
	}
	return f.fs.do(OpTruncate, f.name, func() { f.node.truncate(size); f.end = int(size) }, nil)
}

func (f *crashFile) Reserve(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(true); err != nil {
		return err
	}
	return f.fs.do(OpReserve, f.name, func() { f.node.reserve(size) }, nil)
}

func (f *crashFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(false); err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

func (f *crashFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(false); err != nil {
		return err
	}
	f.closed = true
	return nil
}
