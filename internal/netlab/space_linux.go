package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// A space is a network namespace, held by a descriptor. It has no name, so that
// nothing has to take that away, and no thread: who needs one goes in for a while.
type space struct{ file *os.File }

// current is where /proc shows the namespace of the thread that asks.
const current = "/proc/thread-self/ns/net"

// newSpace makes a namespace whose loopback is up and which speaks IPv4 only: the
// kernel's own IPv6 messages would be counted as the node's traffic.
func newSpace() (*space, error) {
	s := new(space)
	err := visit(unshare, func() (err error) {
		if s.file, err = os.Open(current); err != nil {
			return err
		}
		for _, which := range []string{"all", "default"} { // absent where the kernel has no IPv6
			err := os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return device("lo").up()
	})
	if err != nil {
		return nil, errors.Join(refused(err), s.close())
	}
	return s, nil
}

// do calls something inside the namespace, on the goroutine of the caller: sockets and
// children that this goroutine makes are the namespace's.
func (s *space) do(call func() error) error {
	return visit(func() error { return enter(s.file) }, call)
}

// visit lets move take the thread to another namespace, and brings it back after call.
// The runtime starts new threads from none that is locked, so no other goroutine
// comes along.
func visit(move, call func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open(current)
	if err != nil {
		return err
	}
	defer home.Close()
	if err := move(); err != nil {
		return err
	}
	defer func() {
		if err := enter(home); err != nil {
			panic(fmt.Sprintf("netlab: a thread cannot leave a namespace: %v", err))
		}
	}()
	return call()
}

func unshare() error { return os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNET)) }

func enter(namespace *os.File) error {
	return os.NewSyscallError("setns", unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET))
}

// close lets the namespace go. It ends when nothing else is in it.
func (s *space) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
