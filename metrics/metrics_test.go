package metrics

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// scrape returns the samples by series and checks the page's grammar on the way.
func scrape(t *testing.T, s *Server) map[string]float64 {
	t.Helper()
	var buf bytes.Buffer
	n, err := s.WriteTo(&buf)
	if err != nil || n != int64(buf.Len()) {
		t.Fatalf("WriteTo: got %d, %v; %d bytes written", n, err, buf.Len())
	}
	line := regexp.MustCompile(`^((?:fastftps|process|go)_[a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? (\S+)$`)
	samples, typed, family := map[string]float64{}, map[string]bool{}, ""
	for sc := bufio.NewScanner(&buf); sc.Scan(); {
		text := sc.Text()
		if f := strings.Fields(text); f[0] == "#" {
			if f[1] == "TYPE" {
				if typed[f[2]] {
					t.Errorf("family %s stands twice", f[2])
				}
				family, typed[f[2]] = f[2], true
			}
			continue
		}
		m := line.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("not a sample: %q", text)
		}
		if !strings.HasPrefix(m[1], family) {
			t.Errorf("sample %q stands under family %s", text, family)
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Errorf("value of %q: %v", text, err)
		}
		if _, dup := samples[m[1]+m[2]]; dup {
			t.Errorf("series %s%s stands twice", m[1], m[2])
		}
		samples[m[1]+m[2]] = v
	}
	return samples
}

func TestExposition(t *testing.T) {
	s := NewServer(`v1 "quoted\"`, "abc\n", "go1.26")
	s.Sessions[StateTransfer].Add(3)
	s.Sessions[StateTransfer].Dec()
	s.Connections[ModeImplicit].Inc()
	s.Rejected[RejectBanned].Add(4)
	s.Limits[LimitStallTimeout].Inc()
	s.Handshake(ChannelData, 0x0304, true, 700*time.Microsecond)
	s.HandshakeErrors[HandshakeALPN].Inc()
	s.Logins[LoginDenied].Inc()
	s.Command(VerbOf("RETR"), 226)
	s.Command(VerbOf("EVIL"), 500)
	s.Transfer(Upload, ProtPrivate, TransferNoCloseNotify, 2*time.Second)
	s.Bytes[Download][ProtClear].Add(1 << 40)
	s.PassivePending.Set(7)
	s.CertExpiry.Set(1893456000)
	s.Panics.Inc()
	s.Reloads[ReloadFailed].Inc()

	got := scrape(t, s)
	for series, want := range map[string]float64{
		`fastftps_sessions{state="transfer"}`:                                           2,
		`fastftps_sessions{state="idle"}`:                                               0,
		`fastftps_connections_total{mode="implicit"}`:                                   1,
		`fastftps_connections_rejected_total{reason="banned"}`:                          4,
		`fastftps_limits_hit_total{limit="stall_timeout"}`:                              1,
		`fastftps_tls_handshakes_total{channel="data",version="1.3",resumed="true"}`:    1,
		`fastftps_tls_handshakes_total{channel="control",version="1.3",resumed="true"}`: 0,
		`fastftps_tls_handshake_errors_total{reason="alpn"}`:                            1,
		`fastftps_tls_handshake_seconds_bucket{channel="data",le="0.0005"}`:             0,
		`fastftps_tls_handshake_seconds_bucket{channel="data",le="0.001"}`:              1,
		`fastftps_tls_handshake_seconds_bucket{channel="data",le="+Inf"}`:               1,
		`fastftps_tls_handshake_seconds_sum{channel="data"}`:                            0.0007,
		`fastftps_tls_handshake_seconds_count{channel="data"}`:                          1,
		`fastftps_logins_total{result="denied"}`:                                        1,
		`fastftps_commands_total{verb="RETR",class="2xx"}`:                              1,
		`fastftps_commands_total{verb="other",class="5xx"}`:                             1,
		`fastftps_transfers_total{dir="upload",prot="P",result="no_close_notify"}`:      1,
		`fastftps_transfer_bytes_total{dir="download",prot="C"}`:                        1 << 40,
		`fastftps_passive_pending`:                                                      7,
		`fastftps_cert_expiry_timestamp_seconds`:                                        1893456000,
		`fastftps_panics_total`:                                                         1,
		`fastftps_config_reloads_total{result="failed"}`:                                1,
		`fastftps_build_info{version="v1 \"quoted\\\"",revision="abc\n",go="go1.26"}`:   1,
		`fastftps_transfer_seconds_bucket{dir="upload",le="1"}`:                         0,
		`fastftps_transfer_seconds_bucket{dir="upload",le="2.5"}`:                       1,
	} {
		v, ok := got[series]
		if !ok || v != want {
			t.Errorf("%s: got %v (present: %t), want %v", series, v, ok, want)
		}
	}
	if _, ok := got[`fastftps_commands_total{verb="STOR",class="2xx"}`]; ok {
		t.Error("a command that never came has a series")
	}
}

// TestProcess: what the page says of the process is what it has.
func TestProcess(t *testing.T) {
	before := scrape(t, NewServer("", "", ""))
	if n := before["go_goroutines"]; n < 2 || n > 1000 {
		t.Errorf("%v goroutines", n)
	}
	if runtime.GOOS != "linux" {
		return
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	after := scrape(t, NewServer("", "", ""))
	if got := after["process_open_fds"] - before["process_open_fds"]; got != 1 {
		t.Errorf("one more open file: got %v more", got)
	}
	if after["process_max_fds"] < after["process_open_fds"] || after["process_resident_memory_bytes"] < 1<<20 ||
		after["process_cpu_seconds_total"] < before["process_cpu_seconds_total"] || after["process_cpu_seconds_total"] == 0 {
		t.Errorf("got %v", after)
	}
}

func TestEveryLabelHasAName(t *testing.T) {
	for name, set := range map[string][]string{
		"state": sessionStates[:], "mode": modes[:], "reject": rejects[:], "channel": channels[:],
		"version": tlsVersions[:], "handshake error": handshakeErrors[:], "login": loginResults[:],
		"class": classes[:], "direction": directions[:], "prot": prots[:],
		"transfer": transferResults[:], "limit": limits[:], "reload": reloadResults[:], "verb": verbs[:],
	} {
		for i, value := range set {
			if value == "" || slices.Index(set, value) != i {
				t.Errorf("label %s, value %d: got %q, want a name of its own", name, i, value)
			}
		}
	}
}

func TestEngineOf(t *testing.T) {
	for i, name := range engines {
		if got, ok := EngineOf(name); got != Engine(i) || !ok {
			t.Errorf("EngineOf(%q): got %d, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "FAST"} {
		if got, ok := EngineOf(name); ok {
			t.Errorf("EngineOf(%q): got %d", name, got)
		}
	}
}

func TestVerbOf(t *testing.T) {
	if !slices.IsSorted(verbs[1:]) {
		t.Fatal("verbs are not sorted: the search would miss some")
	}
	for i, name := range verbs[1:] {
		if got := VerbOf(name); got != Verb(i+1) || got.String() != name {
			t.Errorf("VerbOf(%q): got %d (%s), want %d", name, got, got, i+1)
		}
	}
	for _, name := range []string{"", "other", "retr", "GET", "ZZZZ", "\x00"} {
		if got := VerbOf(name); got != VerbOther {
			t.Errorf("VerbOf(%q): got %s, want other", name, got)
		}
	}
}

func TestClassOf(t *testing.T) {
	for code, want := range map[int]Class{0: ClassNone, 150: ClassNone, 200: Class2, 331: Class3, 426: Class4, 550: Class5, 632: ClassNone, -1: ClassNone} {
		if got := ClassOf(code); got != want {
			t.Errorf("ClassOf(%d): got %v, want %v", code, got, want)
		}
	}
}

func TestHandler(t *testing.T) {
	s := NewServer("v1", "", "go1.26")
	notReady := errors.New("draining")
	h := s.Handler(func() error { return nil }, func() error { return notReady })
	for _, tt := range []struct {
		method, path string
		code         int
		body         string
	}{
		{"GET", "/metrics", http.StatusOK, "fastftps_panics_total 0\n"},
		{"GET", "/healthz", http.StatusOK, "ok\n"},
		{"GET", "/readyz", http.StatusServiceUnavailable, "draining\n"},
		{"POST", "/metrics", http.StatusMethodNotAllowed, ""},
		{"GET", "/debug/pprof/", http.StatusNotFound, ""},
	} {
		t.Run(tt.method+tt.path, func(t *testing.T) {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(tt.method, tt.path, nil))
			if rec.Code != tt.code || !strings.Contains(rec.Body.String(), tt.body) {
				t.Errorf("got %d %q, want %d and %q in it", rec.Code, rec.Body, tt.code, tt.body)
			}
		})
	}
}

func TestConcurrentCounting(t *testing.T) {
	const workers, each = 8, 1000
	s := NewServer("v1", "", "go1.26")
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				s.Command(VerbOf("NOOP"), 200)
				s.HashWait.Observe(time.Millisecond)
			}
		})
	}
	scrape(t, s)
	wg.Wait()
	if got := s.Commands[VerbOf("NOOP")][Class2].Load(); got != workers*each {
		t.Errorf("commands: got %d, want %d", got, workers*each)
	}
	if got := s.HashWait.Count(); got != workers*each {
		t.Errorf("observations: got %d, want %d", got, workers*each)
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	s, retr := NewServer("v1", "", "go1.26"), VerbOf("RETR")
	if n := testing.AllocsPerRun(100, func() {
		s.Command(retr, 226)
		s.Bytes[Download][ProtPrivate].Add(1 << 18)
		s.Transfer(Download, ProtPrivate, TransferOK, time.Second)
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkCommand(b *testing.B) {
	s, retr := NewServer("v1", "", "go1.26"), VerbOf("RETR")
	for b.Loop() {
		s.Command(retr, 226)
	}
}
