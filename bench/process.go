package bench

import (
	"os/exec"
	"syscall"
)

// ownGroup has a command run in a process group of its own, so that it can be
// ended with all its children and does not hear our Ctrl-C.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func signalGroup(cmd *exec.Cmd, sig syscall.Signal) {
	_ = syscall.Kill(-cmd.Process.Pid, sig) // nobody left is fine
}
