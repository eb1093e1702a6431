//go:build unix

package zkvm

import (
	"os/exec"
	"syscall"
)

// group makes cmd the first of a process group.
func group(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends cmd, which was started, and all its children. After cmd ended its
// number is still that of the group while there is one, and is not given away again
// soon: numbers are handed out in a circle.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
