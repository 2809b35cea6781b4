// Package report is what a benchmark run says: the model, its JSON form, and
// everything that is drawn from it (text, HTML, comparison). It measures
// nothing itself; package bench fills it in.
package report

import "time"

// Schema is the version of the JSON form. A reader refuses a higher one; fields
// may be added within a version, never changed or taken away.
const Schema = 1

// Report is one run against one target, or against two in alternation.
type Report struct {
	Schema  int       `json:"schema"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"` // measured time, without the warm-up
	Env     Env       `json:"env"`
	Args    Args      `json:"args"`

	// Interrupted: the run was ended early and shows what it had by then.
	Interrupted bool `json:"interrupted,omitempty"`
	// Invalid says why the figures must not be used: the generator was the
	// bottleneck, ports or descriptors ran out. Empty for a good run.
	Invalid []string `json:"invalid,omitempty"`

	Targets   []Target  `json:"targets"`
	Generator Generator `json:"generator"`
	AB        []Ratio   `json:"ab,omitempty"` // with two targets: B over A
	Verdict   []Verdict `json:"verdict,omitempty"`
	FindMax   []Probe   `json:"find_max,omitempty"`
}

// Env is what the run ran on.
type Env struct {
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	Kernel     string `json:"kernel"`
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	MemoryMiB  int64  `json:"memory_mib"`
	Congestion string `json:"congestion"` // TCP congestion control
	KTLS       bool   `json:"ktls"`
	Go         string `json:"go"`
	Version    string `json:"version"` // of fastftps
	Revision   string `json:"revision"`
}

// Args is how the run was asked for.
type Args struct {
	Command  string  `json:"command"` // to be pasted into a shell; without passwords
	Scenario string  `json:"scenario"`
	Loop     string  `json:"loop"`              // "open" or "closed"
	Rate     float64 `json:"rate,omitempty"`    // open: sessions or operations a second
	Arrival  string  `json:"arrival,omitempty"` // open: "constant" or "poisson"
	Clients  int     `json:"clients,omitempty"` // closed
	Seed     uint64  `json:"seed"`
	Verify   string  `json:"verify"` // "sample", "full" or "off"
	TLS      string  `json:"tls,omitempty"`
	Resume   string  `json:"resume,omitempty"`
	Prot     string  `json:"prot,omitempty"`
	Mode     string  `json:"mode,omitempty"`
	Slices   int     `json:"slices,omitempty"` // A/B: slices of each target
}

// Target is one server and what was measured on it.
type Target struct {
	Name  string `json:"name"` // "A" and "B", or the host
	URL   string `json:"url"`
	Spawn string `json:"spawn,omitempty"`

	Ops    []Op    `json:"ops"`    // by scenario order
	Phases []Phase `json:"phases"` // in the order of a session
	TLS    TLS     `json:"tls"`
	Idle   *Idle   `json:"idle,omitempty"`
	Cost   *Cost   `json:"cost,omitempty"` // nil when the server's processes are not known
	Errors []Error `json:"errors,omitempty"`
	Series []Point `json:"series"` // one a second
	Heat   Heat    `json:"heat"`   // latency over time, of all operations
	Slices []Slice `json:"slices,omitempty"`
	// With --repeat: each round, and how far they lie apart, by metric.
	Rounds []Slice           `json:"rounds,omitempty"`
	Spread map[string]Spread `json:"spread,omitempty"`
	Failed []string          `json:"failed,omitempty"` // faults of the server in all the run: wrong content, missing 226, no close_notify
}

// Op is one kind of operation: retr, stor, list, login, ...
type Op struct {
	Name    string `json:"name"`
	N       int64  `json:"n"` // ended, well or not
	OK      int64  `json:"ok"`
	Wrong   int64  `json:"wrong,omitempty"`   // the server said yes and was wrong
	Dropped int64  `json:"dropped,omitempty"` // open loop: never started, too many were in flight or it got no session
	Late    int64  `json:"late,omitempty"`    // open loop: started behind the schedule
	Bytes   int64  `json:"bytes"`             // file bytes of those that ended well, whole
	// Service is the time from the moment that the operation was really
	// begun; Response from when the schedule wanted it. In a closed loop both
	// are the same.
	Service  Dist `json:"service"`
	Response Dist `json:"response"`
	// Of well-ended ones that outlast the measured time only what fell into it.
	Rate float64 `json:"rate"`           // a second
	MB   float64 `json:"mbps,omitempty"` // 1e6 file bytes a second
}

// The phases of a session and a transfer, as Phase.Name.
const (
	PhaseConnect       = "connect" // TCP
	PhaseHandshakeFull = "handshake_full"
	PhaseHandshakeRes  = "handshake_resumed"
	PhaseGreeting      = "greeting"
	PhaseAuth          = "auth" // AUTH to 234
	PhaseLogin         = "login"
	PhaseEndpoint      = "endpoint" // PASV, EPSV, PORT, EPRT
	PhaseDataConnect   = "data_connect"
	PhaseDataFull      = "data_handshake_full"
	PhaseDataRes       = "data_handshake_resumed"
	PhaseFirstByte     = "first_byte" // from the command
	PhaseLastByte      = "last_byte"  // from the command
	PhaseCompletion    = "completion" // from the last byte to the completion reply
)

// Phase is one step of sessions and transfers, measured apart.
type Phase struct {
	Name string `json:"name"`
	Dist Dist   `json:"dist"`
}

// Dist is a distribution of times, in seconds.
type Dist struct {
	N    int64   `json:"n"`
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
	// Hdr is the whole histogram in microseconds, HdrHistogram's compressed
	// V2 form; JSON has it in base64.
	Hdr []byte `json:"hdr_b64,omitempty"`
}

// TLS counts the handshakes that the generator saw.
type TLS struct {
	ControlFull    int64            `json:"control_full"`
	ControlResumed int64            `json:"control_resumed"`
	DataFull       int64            `json:"data_full"`
	DataResumed    int64            `json:"data_resumed"`
	Versions       map[string]int64 `json:"versions,omitempty"` // "TLS 1.3": n
	Ciphers        map[string]int64 `json:"ciphers,omitempty"`
}

// Idle is the outcome of the idle and stalled scenarios.
type Idle struct {
	Wanted   int64 `json:"wanted"`
	Held     int64 `json:"held"`
	Answered int64 `json:"answered"` // of the closing NOOP round
	Noop     Dist  `json:"noop"`
}

// Cost is what the server's processes used, those that have ended included.
type Cost struct {
	CPUSeconds   float64 `json:"cpu_seconds"`
	UserSeconds  float64 `json:"user_seconds"`
	SysSeconds   float64 `json:"sys_seconds"`
	CPUPerGB     float64 `json:"cpu_s_per_gb,omitempty"`         // 1e9 file bytes
	CPUMsPerFile float64 `json:"cpu_ms_per_file,omitempty"`      // transfers
	CPUMsPerLog  float64 `json:"cpu_ms_per_login,omitempty"`     // logins, in login and handshake scenarios
	KiBPerIdle   float64 `json:"kib_per_idle_session,omitempty"` // PSS growth a held session
	PSSBefore    int64   `json:"pss_before"`                     // bytes
	PSSPeak      int64   `json:"pss_peak"`
	FDsBefore    int64   `json:"fds_before"`
	FDsPeak      int64   `json:"fds_peak"`
	Voluntary    int64   `json:"ctx_voluntary"`
	Involuntary  int64   `json:"ctx_involuntary"`
	Processes    int64   `json:"processes"` // at most at once
	Source       string  `json:"source"`    // "proc" or "cgroup"
}

// Generator is what the load generator used and how well it kept its schedule.
type Generator struct {
	CPUSeconds float64 `json:"cpu_seconds"`
	GCPauses   Dist    `json:"gc_pauses"`
	Lag        Dist    `json:"lag"` // how late the schedule was served
	PSSPeak    int64   `json:"pss_peak"`
	FDsPeak    int64   `json:"fds_peak"`
}

// Error is one group of failures.
type Error struct {
	Op   string `json:"op"`
	Code int    `json:"code,omitempty"` // FTP reply
	OS   string `json:"os,omitempty"`   // ECONNREFUSED, EADDRNOTAVAIL, ...
	Text string `json:"text"`           // an example
	N    int64  `json:"n"`
	Hint string `json:"hint,omitempty"` // the remedy, when there is one
}

// Point is one second of a run.
type Point struct {
	T           float64 `json:"t"` // seconds since the start of the measured time
	Ops         int64   `json:"ops"`
	Bytes       int64   `json:"bytes"`
	Errors      int64   `json:"errors"`
	Full        int64   `json:"full"` // handshakes
	Resumed     int64   `json:"resumed"`
	Sessions    int64   `json:"sessions"` // open
	P50         float64 `json:"p50"`      // response, seconds
	P99         float64 `json:"p99"`
	ServerCPU   float64 `json:"server_cpu"`    // cores
	ServerPSS   int64   `json:"server_pss"`    // bytes
	GeneratorPC float64 `json:"generator_cpu"` // cores
	Active      bool    `json:"active"`        // A/B: it was this target's slice
}

// Heat is a map of latency over time. Counts[row][col]: row i counts responses
// in (Edges[i-1], Edges[i]] seconds, the first from 0; col is a second.
type Heat struct {
	Edges  []float64 `json:"edges"`
	Counts [][]int64 `json:"counts"`
}

// Slice is one turn of a target in an A/B run.
type Slice struct {
	From    float64            `json:"from"` // seconds since the start
	Seconds float64            `json:"seconds"`
	Metrics map[string]float64 `json:"metrics"` // by the metric's name; see Ratio
}

// Spread says how far the rounds of a run lie apart in one metric.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Ratio compares two targets in one metric: B's value over A's, with a
// bootstrap interval over the slices.
type Ratio struct {
	Metric string  `json:"metric"` // "retr.rate", "retr.service.p50", "cpu_s_per_gb", ...
	A      float64 `json:"a"`
	B      float64 `json:"b"`
	Ratio  float64 `json:"ratio"` // 0, as its interval, when A is
	Low    float64 `json:"low"`   // 95 % interval of the ratio
	High   float64 `json:"high"`
	Diff   float64 `json:"diff"` // B - A, with its own interval
	DiffLo float64 `json:"diff_low"`
	DiffHi float64 `json:"diff_high"`
	Better string  `json:"better"` // "A", "B" or "no difference"
}

// Verdict is one threshold and whether it held.
type Verdict struct {
	Expr  string  `json:"expr"` // "retr.response.p99<50ms"
	Value float64 `json:"value"`
	OK    bool    `json:"ok"`
}

// Probe is one step of --find-max.
type Probe struct {
	Rate float64 `json:"rate"`
	OK   bool    `json:"ok"`
	Why  string  `json:"why,omitempty"`
}
