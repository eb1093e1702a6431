package sched

import "syscall"

// Yield lets another thread that waits for this processor have it first. If none waits
// it takes half a microsecond, so it may follow every piece of work of some 50. It keeps the
// goroutine on its thread; runtime.Gosched yields to goroutines, and is something else.
func Yield() { _, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }
