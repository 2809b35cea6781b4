package bench

import (
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// pin has a process, and all that it starts from now on, run on certain CPUs.
func pin(pid int, cpus []int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return unix.SchedSetaffinity(pid, &set)
}

// PinSelf has this process run on certain CPUs.
func PinSelf(cpus []int) error {
	tasks, err := readNames("/proc/self/task")
	if err != nil {
		return err
	}
	for _, name := range tasks {
		tid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if err := pin(tid, cpus); err != nil && err != unix.ESRCH {
			return err
		}
	}
	runtime.GOMAXPROCS(len(cpus))
	return nil
}
