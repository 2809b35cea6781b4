package bench

import "strings"

// metrics returns everything that has a name in thresholds and comparisons:
//
//	retr.rate  retr.mbps  retr.errors  retr.errors.rate  retr.dropped
//	retr.service.p50  retr.response.p99  retr.ttfb.p999       (mean, p50, p90, p99, p999, max)
//	data_handshake_resumed.p99                                (phases)
//	rate  mbps  errors  errors.rate                           (of all operations)
//	cpu_s_per_gb  cpu_ms_per_file  cpu_ms_per_login  cores    (of the server)
//
// Times are seconds. What was not measured is not there.
func (a *aggregate) metrics() map[string]float64 {
	m := map[string]float64{}
	var n, bad int64
	var okShare, byteShare float64
	for i := range a.ops {
		c := &a.ops[i]
		if c.n == 0 && c.dropped == 0 {
			continue
		}
		name := opNames[i]
		m[name+".rate"] = perTime(c.okShare, a.seconds)
		m[name+".errors"] = float64(c.n - c.ok)
		m[name+".errors.rate"] = perTime(float64(c.n-c.ok), float64(c.n))
		m[name+".dropped"] = float64(c.dropped)
		if c.bytes > 0 {
			m[name+".mbps"] = perTime(c.byteShare/1e6, a.seconds)
		}
		c.service.metrics(m, name+".service")
		c.response.metrics(m, name+".response")
		c.firstByte.metrics(m, name+".ttfb")
		n, bad = n+c.n, bad+c.n-c.ok
		okShare, byteShare = okShare+c.okShare, byteShare+c.byteShare
	}
	for i := range a.phases {
		a.phases[i].metrics(m, phaseNames[i])
	}
	m["rate"], m["mbps"] = perTime(okShare, a.seconds), perTime(byteShare/1e6, a.seconds)
	m["errors"], m["errors.rate"] = float64(bad), perTime(float64(bad), float64(n))
	a.costMetrics(m)
	return m
}

func (a *aggregate) costMetrics(m map[string]float64) {
	if !a.used.known {
		return
	}
	m["cores"] = perTime(a.used.cpu().Seconds(), a.used.wall.Seconds())
	if a.bytes() > 0 {
		m["cpu_s_per_gb"] = a.cpuPerGB()
	}
	if a.files() > 0 {
		m["cpu_ms_per_file"] = a.cpuPerFile()
	}
	if a.ops[opLogin].ok+a.ops[opHandshake].ok > 0 {
		m["cpu_ms_per_login"] = a.cpuPerLogin()
	}
}

func (h *hist) metrics(m map[string]float64, name string) {
	if h.n() == 0 {
		return
	}
	m[name+".mean"], m[name+".max"] = h.h.Mean()/1e6, float64(h.h.Max())/1e6
	m[name+".p50"], m[name+".p90"] = h.quantile(50), h.quantile(90)
	m[name+".p99"], m[name+".p999"] = h.quantile(99), h.quantile(99.9)
}

// moreIsBetter reports whether the larger value of a metric is the better one.
func moreIsBetter(metric string) bool {
	last := metric[strings.LastIndexByte(metric, '.')+1:]
	return last == "mbps" || last == "rate" && !strings.HasSuffix(metric, "errors.rate")
}

// compared reports whether a comparison of two targets shows the metric.
func compared(metric string) bool {
	switch last := metric[strings.LastIndexByte(metric, '.')+1:]; last {
	case "rate":
		return !strings.HasSuffix(metric, "errors.rate")
	case "mean", "p50", "p99", "mbps", "cpu_s_per_gb", "cpu_ms_per_file", "cpu_ms_per_login":
		return true
	}
	return false
}
