package bench

import (
	"bytes"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"fastftps/bench/report"
)

// machine fills in what the system tells.
func machine(e *report.Env) {
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		e.Kernel = string(bytes.TrimRight(u.Release[:], "\x00"))
	}
	e.Congestion = firstLine("/proc/sys/net/ipv4/tcp_congestion_control")
	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		e.MemoryMiB = field(data, "MemTotal:") >> 10
	}
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				e.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	e.KTLS = strings.Contains(" "+firstLine("/proc/sys/net/ipv4/tcp_available_ulp")+" ", " tls ")
}

func firstLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return line
}
