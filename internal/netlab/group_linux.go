package netlab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lead makes the command the leader of a process group of its own.
func lead(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func signalGroup(leader int, s syscall.Signal) error { return syscall.Kill(-leader, s) }

// awaitEnd returns when a child has ended, and leaves it to be waited for.
func awaitEnd(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

// usageOf is of a process that has not been waited for.
func usageOf(pid int) (u Usage) {
	// The clock of a process has its number in the upper bits, inverted; 2 stands
	// for the scheduler's clock (linux/posix-timers_types.h).
	clock := int32(^pid<<3 | 2)
	var t unix.Timespec
	if unix.ClockGettime(clock, &t) == nil {
		u.CPU = time.Duration(t.Nano())
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u
	}
	if _, rest, found := bytes.Cut(status, []byte("\nVmHWM:")); found {
		var kib int64
		if _, err := fmt.Sscan(string(rest[:bytes.IndexByte(rest, '\n')]), &kib); err == nil {
			u.MemoryMax = kib << 10
		}
	}
	return u
}

func usageAtEnd(s *os.ProcessState) Usage {
	return Usage{
		CPU:       s.UserTime() + s.SystemTime(),
		MemoryMax: s.SysUsage().(*syscall.Rusage).Maxrss << 10, // getrusage(2): KiB
	}
}
