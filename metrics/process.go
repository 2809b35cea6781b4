package metrics

import "runtime"

// processUse is what the process has taken from the system.
type processUse struct {
	fds, maxFDs int64
	resident    int64 // bytes
	cpu         int64 // nanoseconds, user and system
}

// writeRuntime writes what the process uses, under the names that Prometheus'
// client libraries have for it: dashboards know them.
func writeRuntime(p *page) {
	p.standard("go_goroutines", "gauge", "Goroutines that exist now.")
	p.sample(int64(runtime.NumGoroutine()))
	u := readProcess()
	if u.fds <= 0 {
		return
	}
	p.standard("process_open_fds", "gauge", "Descriptors that are open now.")
	p.sample(u.fds)
	p.standard("process_max_fds", "gauge", "Descriptors that may be open.")
	p.sample(u.maxFDs)
	p.standard("process_resident_memory_bytes", "gauge", "Resident memory.")
	p.sample(u.resident)
	p.standard("process_cpu_seconds_total", "counter", "User and system CPU time.")
	p.decimal(seconds(u.cpu))
}
