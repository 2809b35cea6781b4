package metrics

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// ContentType is the media type of what WriteTo writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// WriteTo writes all series in the Prometheus text format, version 0.0.4. The
// values are read one by one while the server counts on. Commands that never
// came are left out, or most of the page would be zeros.
func (s *Server) WriteTo(w io.Writer) (int64, error) {
	s.scrape()
	p := page{buf: make([]byte, 0, 32<<10)}
	s.writeConnections(&p)
	s.writeTLS(&p)
	s.writeLogins(&p)
	s.writeCommands(&p)
	s.writeTransfers(&p)
	s.writeProcess(&p)
	writeRuntime(&p)
	n, err := w.Write(p.buf)
	return int64(n), err
}

func (s *Server) writeConnections(p *page) {
	p.family("sessions", "gauge", "Sessions open now, by what they do.")
	for i, name := range sessionStates {
		p.sample(s.Sessions[i].Load(), "state", name)
	}
	p.family("connections_total", "counter", "Control connections accepted, by the listener's mode.")
	for i, name := range modes {
		p.sample(s.Connections[i].Load(), "mode", name)
	}
	p.family("connections_rejected_total", "counter", "Control connections refused, by reason.")
	for i, name := range rejects {
		p.sample(s.Rejected[i].Load(), "reason", name)
	}
	p.family("limits_hit_total", "counter", "Times that a limit bit, by its configuration key.")
	for i, name := range limits {
		p.sample(s.Limits[i].Load(), "limit", name)
	}
}

func (s *Server) writeTLS(p *page) {
	p.family("tls_handshakes_total", "counter", "Finished TLS handshakes.")
	for c, channel := range channels {
		for v, version := range tlsVersions {
			for r, resumed := range [...]string{"false", "true"} {
				p.sample(s.Handshakes[c][v][r].Load(), "channel", channel, "version", version, "resumed", resumed)
			}
		}
	}
	p.family("tls_handshake_errors_total", "counter", "Failed TLS handshakes, by reason.")
	for i, name := range handshakeErrors {
		p.sample(s.HandshakeErrors[i].Load(), "reason", name)
	}
	p.family("tls_handshake_seconds", "histogram", "Time from the first byte of a handshake to its end.")
	for i, name := range channels {
		p.histogram(&s.HandshakeSeconds[i], "channel", name)
	}
	p.single("tls_handshakes_running", "gauge", "TLS handshakes under way.", s.HandshakesNow.Load())
	p.family("tls_data_engine_total", "counter",
		"Transfers under TLS, by who sealed and opened the records. unfit: crypto/tls did, though the fast engine knows the suite; please report it. kernel: the kernel sealed a download (tls.ktls).")
	for i, name := range engines {
		p.sample(s.Engines[i].Load(), "engine", name)
	}
	p.family("tls_control_engine_total", "counter",
		"TLS sessions of control connections, by who seals and opens the records. unfit: as above.")
	for i, name := range engines[:EngineKernel] {
		p.sample(s.ControlEngines[i].Load(), "engine", name)
	}
	p.single("tls_kernel_refused_total", "counter",
		"Downloads that the kernel should have sealed and did not take; the server sealed them.", s.KernelRefused.Load())
	p.single("tls_reuse_missing_total", "counter",
		"Private data connections that did not resume their session: data_tls_reuse = \"required\" would refuse them.",
		s.ReuseRefused.Load())
	if at := s.CertExpiry.Load(); at > 0 { // else an alert would see 1970
		p.single("cert_expiry_timestamp_seconds", "gauge", "When the first of the server's certificates expires.", at)
	}
}

func (s *Server) writeLogins(p *page) {
	p.family("logins_total", "counter", "Logins, by result.")
	for i, name := range loginResults {
		p.sample(s.Logins[i].Load(), "result", name)
	}
	p.single("login_hash_queue", "gauge", "Logins that wait for a password hash.", s.HashQueue.Load())
	p.family("login_hash_seconds", "histogram", "Time a password check took, its wait in the queue included.")
	p.histogram(&s.HashWait)
}

func (s *Server) writeCommands(p *page) {
	p.family("commands_total", "counter", "Commands, by verb and first digit of the completion reply.")
	for v, verb := range verbs {
		for c, class := range classes {
			if n := s.Commands[v][c].Load(); n > 0 || v == int(VerbOther) {
				p.sample(n, "verb", verb, "class", class)
			}
		}
	}
}

func (s *Server) writeTransfers(p *page) {
	p.family("transfers_total", "counter", "Finished transfers.")
	for d, dir := range directions {
		for t, prot := range prots {
			for r, result := range transferResults {
				p.sample(s.Transfers[d][t][r].Load(), "dir", dir, "prot", prot, "result", result)
			}
		}
	}
	p.family("transfer_bytes_total", "counter", "Bytes of files and listings moved.")
	for d, dir := range directions {
		for t, prot := range prots {
			p.sample(s.Bytes[d][t].Load(), "dir", dir, "prot", prot)
		}
	}
	p.family("transfer_seconds", "histogram", "Duration of transfers.")
	for d, dir := range directions {
		p.histogram(&s.TransferSeconds[d], "dir", dir)
	}
	p.family("ttfb_seconds", "histogram", "Time from a transfer command to its first byte.")
	for d, dir := range directions {
		p.histogram(&s.FirstByte[d], "dir", dir)
	}
	p.single("transfers_running", "gauge", "Transfers under way.", s.TransfersNow.Load())
	p.single("passive_pending", "gauge", "Passive endpoints that wait for their client.", s.PassivePending.Load())
	p.single("passive_strangers_total", "counter", "Data connections from an address that no endpoint waited for.", s.Strangers.Load())
	p.single("buffers_bytes", "gauge", "Bytes of the transfer buffer budget in use.", s.BufferBytes.Load())
}

func (s *Server) writeProcess(p *page) {
	p.family("config_reloads_total", "counter", "Reloads of configuration, certificates and users.")
	for i, name := range reloadResults {
		p.sample(s.Reloads[i].Load(), "result", name)
	}
	p.single("log_errors_total", "counter", "Lines of the log that could not be written.", s.LogErrors.Load())
	p.single("panics_total", "counter", "Recovered faults of the server.", s.Panics.Load())
	p.single("start_timestamp_seconds", "gauge", "When the server started.", s.started.Unix())
	p.family("build_info", "gauge", "Always 1; the build is in the labels.")
	p.sample(1, "version", s.build.version, "revision", s.build.revision, "go", s.build.goVersion)
}

// page collects the text. Every name but the standard ones gets the prefix fastftps_.
type page struct {
	buf  []byte
	name string // of the family that samples belong to
}

func (p *page) family(name, kind, help string) {
	p.standard("fastftps_"+name, kind, help)
}

func (p *page) standard(name, kind, help string) {
	p.name = name
	p.buf = append(p.buf, "# HELP "+p.name+" "+helpEscaper.Replace(help)+"\n# TYPE "+p.name+" "+kind+"\n"...)
}

func (p *page) single(name, kind, help string, v int64) {
	p.family(name, kind, help)
	p.sample(v)
}

// sample appends one line; labels are pairs of name and value.
func (p *page) sample(v int64, labels ...string) {
	p.series("", labels)
	p.buf = strconv.AppendInt(p.buf, v, 10)
	p.buf = append(p.buf, '\n')
}

// decimal appends one line without labels.
func (p *page) decimal(v float64) {
	p.series("", nil)
	p.value(v)
}

func (p *page) value(v float64) {
	p.buf = append(strconv.AppendFloat(p.buf, v, 'g', -1, 64), '\n')
}

func (p *page) histogram(h *Histogram, labels ...string) {
	var sum int64
	for i := range h.buckets {
		sum += h.buckets[i].Load()
		le := "+Inf"
		if i < len(bounds) {
			le = strconv.FormatFloat(bounds[i], 'g', -1, 64)
		}
		p.series("_bucket", append(labels[:len(labels):len(labels)], "le", le))
		p.buf = append(strconv.AppendInt(p.buf, sum, 10), '\n')
	}
	p.series("_sum", labels)
	p.value(seconds(h.nanos.Load()))
	p.series("_count", labels)
	p.buf = append(strconv.AppendInt(p.buf, sum, 10), '\n')
}

// series appends the name of a series and the space before its value.
func (p *page) series(suffix string, labels []string) {
	p.buf = append(p.buf, p.name+suffix...)
	for i := 0; i < len(labels); i += 2 {
		open := byte(',')
		if i == 0 {
			open = '{'
		}
		p.buf = append(p.buf, open)
		p.buf = append(p.buf, labels[i]+`="`+labelEscaper.Replace(labels[i+1])+`"`...)
	}
	if len(labels) > 0 {
		p.buf = append(p.buf, '}')
	}
	p.buf = append(p.buf, ' ')
}

var (
	helpEscaper  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
)

// Handler serves /metrics, /healthz (alive) and /readyz (taking new clients).
// ready returns nil when the server takes clients; alive returns nil while its
// clock ticks. Their errors become the body of a 503.
func (s *Server) Handler(alive, ready func() error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", ContentType)
		_, _ = s.WriteTo(w) // the scraper went away: nobody to tell
	})
	mux.Handle("GET /healthz", probe(alive))
	mux.Handle("GET /readyz", probe(ready))
	return mux
}

func probe(check func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
}
