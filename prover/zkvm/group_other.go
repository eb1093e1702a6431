//go:build !unix

package zkvm

import "os/exec"

// group does nothing where there are no process groups.
func group(*exec.Cmd) {}

// killGroup ends cmd, which was started, but not its children.
func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
