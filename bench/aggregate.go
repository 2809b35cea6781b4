package bench

import (
	"crypto/tls"
	"fmt"
	"time"

	"fastftps/bench/report"
)

// opCount is what is known of one kind of operation.
type opCount struct {
	n, ok, wrong, dropped, late int64
	bytes                       int64 // of those that ended well, whole, as is what they cost
	// What of it fell into the measured time: an operation that outlasts it
	// counts by its share. Rates are made of these.
	okShare, byteShare           float64
	service, response, firstByte hist
}

// aggregate is what one target did in some time.
type aggregate struct {
	seconds float64
	ops     [ops]opCount
	phases  [phases]hist
	full    [2]int64 // handshakes: of control, of data connections
	resumed [2]int64
	version map[uint16]int64
	cipher  map[uint16]int64
	fails   failures
	used    usage // of the server
}

func newAggregate() *aggregate {
	return &aggregate{version: map[uint16]int64{}, cipher: map[uint16]int64{}, fails: failures{}}
}

// reset empties a, keeping its memory.
func (a *aggregate) reset() {
	for i := range a.ops {
		c := &a.ops[i]
		service, response, firstByte := c.service, c.response, c.firstByte
		service.reset()
		response.reset()
		firstByte.reset()
		*c = opCount{service: service, response: response, firstByte: firstByte}
	}
	for i := range a.phases {
		a.phases[i].reset()
	}
	a.seconds, a.full, a.resumed, a.used = 0, [2]int64{}, [2]int64{}, usage{}
	clear(a.version)
	clear(a.cipher)
	clear(a.fails)
}

// addPhase takes one phase.
func (a *aggregate) addPhase(s phaseSample) {
	a.phases[s.phase].add(s.took)
	switch s.phase {
	case phaseHandshakeFull:
		a.full[0]++
	case phaseHandshakeRes:
		a.resumed[0]++
	case phaseDataFull:
		a.full[1]++
	case phaseDataRes:
		a.resumed[1]++
	case phaseFirstByte:
		a.ops[s.op].firstByte.add(s.took)
	}
	if s.version != 0 {
		a.version[s.version]++
		a.cipher[s.cipher]++
	}
}

// addOp takes one operation; until is when the measured time ended.
func (a *aggregate) addOp(s opSample, until time.Duration) {
	c := &a.ops[s.op.op]
	c.n++
	switch s.op.outcome {
	case wrong:
		c.wrong++
		return
	case failed:
		return
	}
	share := shareBefore(s.from, s.end, until)
	c.ok++
	c.bytes += s.bytes
	c.okShare += share
	c.byteShare += share * float64(s.bytes)
	c.service.add(s.end - s.from)
	c.response.add(s.end - s.wanted)
	if s.from-s.wanted > lateAfter {
		c.late++
	}
}

// lateAfter is how far behind its time an operation of an open loop may start
// without being called late.
const lateAfter = 5 * time.Millisecond

// shareBefore returns how much of from to end lies before until.
func shareBefore(from, end, until time.Duration) float64 {
	switch {
	case end <= until:
		return 1
	case from >= until:
		return 0
	}
	return float64(until-from) / float64(end-from)
}

// merge adds another time's aggregate.
func (a *aggregate) merge(o *aggregate) {
	a.seconds += o.seconds
	for i := range a.ops {
		c, from := &a.ops[i], &o.ops[i]
		c.n, c.ok, c.wrong = c.n+from.n, c.ok+from.ok, c.wrong+from.wrong
		c.dropped, c.late, c.bytes = c.dropped+from.dropped, c.late+from.late, c.bytes+from.bytes
		c.okShare, c.byteShare = c.okShare+from.okShare, c.byteShare+from.byteShare
		c.service.merge(&from.service)
		c.response.merge(&from.response)
		c.firstByte.merge(&from.firstByte)
	}
	for i := range a.phases {
		a.phases[i].merge(&o.phases[i])
	}
	for i := range a.full {
		a.full[i] += o.full[i]
		a.resumed[i] += o.resumed[i]
	}
	for k, n := range o.version {
		a.version[k] += n
	}
	for k, n := range o.cipher {
		a.cipher[k] += n
	}
	for k, e := range o.fails {
		if have := a.fails[k]; have != nil {
			have.N += e.N
		} else if len(a.fails) < maxFailureGroups {
			c := *e
			a.fails[k] = &c
		}
	}
	a.used.merge(o.used)
}

// bytes counts file bytes.
func (a *aggregate) bytes() (n int64) {
	for i := range a.ops {
		n += a.ops[i].bytes
	}
	return n
}

// files counts transfers of files.
func (a *aggregate) files() int64 {
	return a.ops[opRetr].ok + a.ops[opStor].ok + a.ops[opSlow].ok + a.ops[opAbort].ok
}

// fill writes what is known into the report.
func (a *aggregate) fill(t *report.Target) {
	t.Ops, t.Phases = []report.Op{}, []report.Phase{}
	for i := range a.ops {
		c := &a.ops[i]
		if c.n == 0 && c.dropped == 0 {
			continue
		}
		t.Ops = append(t.Ops, report.Op{
			Name: opNames[i], N: c.n, OK: c.ok, Wrong: c.wrong, Dropped: c.dropped, Late: c.late,
			Bytes: c.bytes, Rate: perTime(c.okShare, a.seconds), MB: perTime(c.byteShare/1e6, a.seconds),
			Service: c.service.dist(true), Response: c.response.dist(true),
		})
	}
	for i := range a.phases {
		if a.phases[i].n() > 0 {
			t.Phases = append(t.Phases, report.Phase{Name: phaseNames[i], Dist: a.phases[i].dist(true)})
		}
	}
	t.TLS = report.TLS{
		ControlFull: a.full[0], ControlResumed: a.resumed[0], DataFull: a.full[1], DataResumed: a.resumed[1],
		Versions: map[string]int64{}, Ciphers: map[string]int64{},
	}
	for v, n := range a.version {
		t.TLS.Versions[tls.VersionName(v)] += n
	}
	for c, n := range a.cipher {
		t.TLS.Ciphers[tls.CipherSuiteName(c)] += n
	}
	t.Errors = a.fails.list()
}

func perTime(n, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return n / seconds
}

// faults returns what the server did wrong, one line a kind.
func (fs failures) faults() (lines []string) {
	for key, e := range fs {
		if key.wrong {
			lines = append(lines, fmt.Sprintf("%s: %d times: %s", e.Op, e.N, e.Text))
		}
	}
	return lines
}
