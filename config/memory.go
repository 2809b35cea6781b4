package config

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// MemoryBudget returns the bytes that the buffers of all transfers may take:
// limits.memory, or a quarter of what this process may use.
func (l *Limits) MemoryBudget() int64 {
	if l.Memory > 0 {
		return l.Memory
	}
	return max(memoryLimit(os.DirFS("/"))/4, minMemory)
}

// MemoryLimit returns the bytes of memory that this process may use: the
// cgroup's limit, or the machine's memory when that is less or there is none.
// 0 when neither can be found out.
func MemoryLimit() int64 { return memoryLimit(os.DirFS("/")) }

// memoryLimit looks in root, which holds proc and sys.
func memoryLimit(root fs.FS) int64 {
	least := int64(math.MaxInt64)
	for _, n := range []int64{machineMemory(root), cgroupMemory(root)} {
		if n > 0 {
			least = min(least, n)
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// machineMemory reads "MemTotal:  8000000 kB".
func machineMemory(root fs.FS) int64 {
	data, _ := fs.ReadFile(root, "proc/meminfo")
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) >= 2 && f[0] == "MemTotal:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// cgroupMemory returns the least limit on the way from this process's group to
// the root, version 2 or 1.
func cgroupMemory(root fs.FS) int64 {
	data, _ := fs.ReadFile(root, "proc/self/cgroup")
	var least int64
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		parts := strings.SplitN(s.Text(), ":", 3) // "0::/a/b" or "5:memory:/a/b"
		if len(parts) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		switch {
		case parts[1] == "memory":
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case parts[1] != "":
			continue
		}
		if n := groupLimit(root, mount, path.Clean("/"+parts[2]), file); n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}

func groupLimit(root fs.FS, mount, group, file string) (least int64) {
	for {
		data, _ := fs.ReadFile(root, path.Join(mount, group, file))
		if n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && n > 0 && (least == 0 || n < least) {
			least = n // "max" is no number
		}
		if group == "/" {
			return least
		}
		group = path.Dir(group)
	}
}
