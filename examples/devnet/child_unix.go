//go:build unix

package main

import "syscall"

// apart starts a child in a process group of its own: Ctrl-C is for the devnet, which asks
// its children to end.
var apart = &syscall.SysProcAttr{Setpgid: true}
