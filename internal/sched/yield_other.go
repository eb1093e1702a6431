//go:build !linux

package sched

// Yield does nothing where it is not known to help.
func Yield() {}
