package vfs

import (
	"errors"
	"os"
	"syscall"
)

// syncFile makes bytes and length durable, and leaves the times to the system: with
// them every fsync would commit the file system's journal, whether or not the file
// has grown.
func syncFile(f *os.File) error {
	return control(f, "fdatasync", syscall.Fdatasync)
}

// reserve takes space that reads as zeros and is not yet written: fast, whatever the
// size.
func reserve(f *os.File, size int64) error {
	err := control(f, "fallocate", func(fd int) error { return syscall.Fallocate(fd, 0, 0, size) })
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return nil
	}
	return err
}

// control calls a system call until no signal interrupts it.
func control(f *os.File, name string, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	if err := conn.Control(func(fd uintptr) {
		for failure = call(int(fd)); failure == syscall.EINTR; failure = call(int(fd)) {
		}
	}); err != nil {
		return err
	}
	if failure != nil {
		return &os.PathError{Op: name, Path: f.Name(), Err: failure}
	}
	return nil
}
