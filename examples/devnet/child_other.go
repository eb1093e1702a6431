//go:build !unix

package main

import "syscall"

// apart is nothing here: Ctrl-C ends the children when it ends the devnet.
var apart *syscall.SysProcAttr
