package report

import (
	"encoding/json"
	"slices"
)

// embed returns the report as JSON that fits into limit bytes and can stand in
// a script element: json.Marshal writes <, > and & as \u003c and so on. What
// takes room and is not compared is left out first.
func embed(r *Report, limit int) ([]byte, error) {
	c := *r
	c.Schema = Schema
	c.Targets = slices.Clone(c.Targets)
	steps := []func(*Target){
		func(*Target) {},
		func(t *Target) { t.dropSliceMetrics(); t.Series = thin(t.Series, 200); t.Heat = t.Heat.thin(200) },
		(*Target).dropBlobs,
		func(t *Target) { t.Series = []Point{}; t.Heat = Heat{Edges: []float64{}, Counts: [][]int64{}} },
		func(t *Target) { t.Errors = nil; t.Failed = nil },
	}
	var data []byte
	var err error
	for _, step := range steps {
		for i := range c.Targets {
			step(&c.Targets[i])
		}
		if data, err = json.Marshal(&c); err != nil || len(data) <= limit {
			return data, err
		}
	}
	return data, nil
}

// dropBlobs takes the histograms out, without touching those of the original.
func (t *Target) dropBlobs() {
	t.Ops = slices.Clone(t.Ops)
	for i := range t.Ops {
		t.Ops[i].Service.Hdr, t.Ops[i].Response.Hdr = nil, nil
	}
	t.Phases = slices.Clone(t.Phases)
	for i := range t.Phases {
		t.Phases[i].Dist.Hdr = nil
	}
	if t.Idle != nil {
		idle := *t.Idle
		idle.Noop.Hdr = nil
		t.Idle = &idle
	}
}

// dropSliceMetrics keeps when it was whose turn.
func (t *Target) dropSliceMetrics() {
	t.Slices, t.Rounds = slices.Clone(t.Slices), slices.Clone(t.Rounds)
	for _, turns := range [][]Slice{t.Slices, t.Rounds} {
		for i := range turns {
			turns[i].Metrics = map[string]float64{}
		}
	}
}

// thin draws points together until there are at most n. Counts become means a
// second, so that curves keep their height; of p99 the worst stays.
func thin(points []Point, n int) []Point {
	if len(points) <= n {
		return points
	}
	step := (len(points) + n - 1) / n
	out := make([]Point, 0, n)
	for group := range slices.Chunk(points, step) {
		out = append(out, mean(group))
	}
	return out
}

// mean is the point that stands for a group: only the seconds in which it was
// the target's turn count, if there are any.
func mean(group []Point) Point {
	active := slices.DeleteFunc(slices.Clone(group), func(p Point) bool { return !p.Active })
	if len(active) == 0 {
		active = group
	}
	m := Point{T: group[0].T, Active: active[0].Active}
	for _, p := range active {
		m.Ops += p.Ops
		m.Bytes += p.Bytes
		m.Full += p.Full
		m.Resumed += p.Resumed
		m.Sessions = max(m.Sessions, p.Sessions)
		m.P50 += p.P50
		m.P99 = max(m.P99, p.P99)
		m.ServerCPU += p.ServerCPU
		m.ServerPSS = max(m.ServerPSS, p.ServerPSS)
		m.GeneratorPC += p.GeneratorPC
	}
	for _, p := range group {
		m.Errors = max(m.Errors, p.Errors)
	}
	n := int64(len(active))
	m.Ops, m.Bytes, m.Full, m.Resumed = m.Ops/n, m.Bytes/n, m.Full/n, m.Resumed/n
	m.P50, m.ServerCPU, m.GeneratorPC = m.P50/float64(n), m.ServerCPU/float64(n), m.GeneratorPC/float64(n)
	return m
}

// cols is how many seconds the map has.
func (h Heat) cols() int {
	n := 0
	for _, row := range h.Counts {
		n = max(n, len(row))
	}
	return n
}

// thin adds columns up until there are at most n.
func (h Heat) thin(n int) Heat {
	cols := h.cols()
	if cols <= n {
		return h
	}
	step := (cols + n - 1) / n
	out := Heat{Edges: h.Edges, Counts: make([][]int64, len(h.Counts))}
	for i, row := range h.Counts {
		out.Counts[i] = make([]int64, (cols+step-1)/step)
		for j, v := range row {
			out.Counts[i][j/step] += v
		}
	}
	return out
}
