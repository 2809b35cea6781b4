package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// odd are reports at the edges of what can be drawn.
func odd(t *testing.T) map[string]*Report {
	t.Helper()
	onePoint := simulate(t, sim{seconds: 1, targets: 1, rate: 5})
	huge := simulate(t, sim{seconds: 20, targets: 1, rate: 30, cost: true, errors: true})
	huge.Args.Clients = math.MaxInt32
	for i := range huge.Targets[0].Series {
		p := &huge.Targets[0].Series[i]
		p.Ops, p.Bytes, p.ServerPSS, p.Errors, p.ServerCPU = 1e9, 1e15, 1<<50, 1e7, 1024
	}
	o := &huge.Targets[0].Ops[0]
	o.N, o.OK, o.Bytes, o.Rate = 1e12, 1e12-1e9, 1e18, 1e9
	o.Response = Dist{N: 1e12, Min: 1e-6, Mean: 3600, P50: 3600, P90: 7200, P99: 86400, P999: 1e6, Max: 1e7}
	flat := simulate(t, sim{seconds: 10, targets: 2, rate: 20})
	for i := range flat.AB {
		flat.AB[i].Ratio, flat.AB[i].Low, flat.AB[i].High = 1, 1, 1
	}
	flat.AB[0].Ratio, flat.AB[1].Low, flat.AB[2].High = 0, 0, math.Inf(1)
	for i := range flat.Targets[0].Phases {
		flat.Targets[0].Phases[i].Dist = Dist{N: 3}
	}
	ragged := simulate(t, sim{seconds: 10, targets: 1, rate: 20})
	h := &ragged.Targets[0].Heat
	h.Counts = append(h.Counts, []int64{1, 2}) // more rows than edges
	h.Counts[9] = h.Counts[9][:3]
	nan := &Report{Seconds: math.NaN(), Targets: []Target{{
		Ops: []Op{{Name: "x", N: 1, Rate: math.NaN(), Service: Dist{N: 1, P50: math.NaN()}, Response: Dist{N: 2, Max: math.Inf(1), Hdr: []byte("no histogram")}}}, Series: []Point{{T: math.NaN(), Ops: 1, ServerCPU: math.Inf(1)}},
		Phases: []Phase{{"connect", Dist{N: 1, P50: math.NaN(), Max: math.Inf(1)}}}, Heat: Heat{Edges: []float64{0}, Counts: [][]int64{{1}}},
	}}}
	return map[string]*Report{
		"one point": onePoint, "huge": huge, "flat": flat, "ragged": ragged, "not numbers": nan,
		"four targets": merge(merge(flat, flat), merge(onePoint, onePoint)),
	}
}

// TestDraw writes the pages into FASTFTPS_REPORT_DIR, to be looked at.
func TestDraw(t *testing.T) {
	dir := os.Getenv("FASTFTPS_REPORT_DIR")
	if dir == "" {
		t.Skip("FASTFTPS_REPORT_DIR is not set")
	}
	all := cases(t)
	for name, r := range odd(t) {
		all[strings.ReplaceAll(name, " ", "-")] = r
	}
	all["long"] = simulate(t, long)
	all["merged"] = merge(simulate(t, sim{seconds: 30, targets: 1, rate: 200, cost: true}), simulate(t, sim{seconds: 30, targets: 1, rate: 200, cost: true, scale: 1.3}))
	for name, r := range all {
		if err := os.WriteFile(filepath.Join(dir, name+".html"), htmlOf(t, r), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// long is a run of which not every second can be drawn.
var long = sim{seconds: 3000, targets: 2, rate: 12, cost: true, errors: true}

func htmlOf(t *testing.T, r *Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestHTML: pages of every shape are well formed, draw nothing outside of their
// pictures, ask nothing of elsewhere and say what each picture shows.
func TestHTML(t *testing.T) {
	all := cases(t)
	for name, r := range odd(t) {
		all[name] = r
	}
	for name, r := range all {
		checkPage(t, name, htmlOf(t, r))
	}
}

// TestHTMLSize: a page stays small however long the run was, and can be compared.
func TestHTMLSize(t *testing.T) {
	r := simulate(t, long)
	for i := range r.Targets {
		for j := range 300 {
			metrics := map[string]float64{}
			for k := range 40 {
				metrics[fmt.Sprintf("metric.%d.p99", k)] = 0.123456789 * float64(k)
			}
			r.Targets[i].Slices = append(r.Targets[i].Slices, Slice{From: float64(10*j + 5*i), Seconds: 5, Metrics: metrics})
		}
	}
	page := htmlOf(t, r)
	if len(page) > pageLimit {
		t.Errorf("got %d bytes, want at most %d", len(page), pageLimit)
	}
	checkPage(t, "long", page)
	path := filepath.Join(t.TempDir(), "r.html")
	if err := os.WriteFile(path, page, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Compare(r, got, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range c.Changes {
		if x.Old != x.New {
			t.Errorf("%s: got %v in the page, want %v", x.Metric, x.New, x.Old)
		}
	}
	if a, b := r.Targets[1].length(r), got.Targets[1].length(got); a != b {
		t.Errorf("got length %v, want %v", b, a)
	}
}

var coordinates = regexp.MustCompile(`-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?`)

// checkPage looks at the markup.
func checkPage(t *testing.T, name string, page []byte) {
	t.Helper()
	body, script, ok := strings.Cut(string(page), embedOpen)
	if !ok {
		t.Errorf("%s: no report in the page", name)
	}
	if strings.Count(script, "<") != 3 { // the ends of script, body and html
		t.Errorf("%s: the JSON can leave its element", name)
	}
	if strings.Contains(style, "url(") || strings.Contains(style, "@import") {
		t.Error("the style asks for something")
	}
	if i := strings.Index(body, "NaN"); i >= 0 || strings.Contains(body, "Inf ") {
		t.Errorf("%s: not a number in the page: %s", name, body[max(i-80, 0):i+20])
	}
	d := xml.NewDecoder(strings.NewReader(body + embedClose))
	d.Strict = false // void elements
	d.AutoClose = []string{"meta"}
	var width, height float64
	var pictures, titles, descs int
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			if !strings.Contains(err.Error(), "</script>") && !strings.Contains(err.Error(), "closed by") {
				t.Errorf("%s: %v", name, err)
			}
			break
		}
		el, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range el.Attr {
			if n := a.Name.Local; n == "src" || n == "href" || n == "style" || strings.HasPrefix(n, "on") {
				t.Errorf("%s: %s has %s", name, el.Name.Local, n)
			}
		}
		switch el.Name.Local {
		case "img", "link", "iframe", "object", "script":
			t.Errorf("%s: a %s in the page", name, el.Name.Local)
		case "svg":
			pictures++
			if _, err := fmt.Sscanf(attr(el, "viewBox"), "0 0 %f %f", &width, &height); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case "title":
			titles++
		case "desc":
			descs++
		case "rect", "circle", "text":
			for _, key := range []string{"x", "cx"} {
				inside(t, name, el, key, width)
			}
			for _, key := range []string{"y", "cy"} {
				inside(t, name, el, key, height)
			}
		case "path":
			if !strings.HasPrefix(attr(el, "class"), "h") { // heat has a scale of its own
				insidePath(t, name, attr(el, "d"), width, height)
			}
		}
	}
	if titles != pictures+1 || descs != pictures { // the page has a title too
		t.Errorf("%s: %d pictures, %d titles, %d descriptions", name, pictures, titles, descs)
	}
}

func attr(el xml.StartElement, name string) string {
	for _, a := range el.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func inside(t *testing.T, name string, el xml.StartElement, key string, limit float64) {
	t.Helper()
	s := attr(el, key)
	if v, err := strconv.ParseFloat(s, 64); s != "" && (err != nil || v < 0 || v > limit) {
		t.Errorf("%s: %s %s=%q is outside of %v", name, el.Name.Local, key, s, limit)
	}
}

// insidePath follows a path of M, L, l, h and V.
func insidePath(t *testing.T, name, d string, width, height float64) {
	t.Helper()
	var x, y float64
	for _, part := range regexp.MustCompile(`[MLlhV][^MLlhV]*`).FindAllString(d, -1) {
		var v [2]float64
		for i, s := range coordinates.FindAllString(part, 2) {
			v[i], _ = strconv.ParseFloat(s, 64)
		}
		switch part[0] {
		case 'M', 'L':
			x, y = v[0], v[1]
		case 'l':
			x, y = x+v[0], y+v[1]
		case 'h':
			x += v[0]
		case 'V':
			y = v[0]
		}
		if x < -0.5 || x > width+0.5 || y < -0.5 || y > height+0.5 {
			t.Errorf("%s: a path leaves its picture of %v x %v at %v %v: %.60s", name, width, height, x, y, d)
			return
		}
	}
}

// TestHTMLEscapes: what a server or a user says does not become markup.
func TestHTMLEscapes(t *testing.T) {
	const evil = `"><img src=x onerror=alert(1)></script><script>alert('x')</script>&amp;`
	r := simulate(t, sim{seconds: 5, targets: 2, rate: 10, cost: true})
	r.Args.Command, r.Args.Scenario, r.Env.CPU, r.Invalid = evil, evil, evil, []string{evil}
	r.AB[0].Metric, r.Verdict[0].Expr = evil, evil
	for i := range r.Targets {
		tg := &r.Targets[i]
		tg.Name, tg.URL, tg.Spawn, tg.Failed = evil, evil, evil, []string{evil}
		tg.Ops[0].Name, tg.Phases[0].Name = evil, evil
		tg.Errors = []Error{{Op: evil, OS: evil, Text: evil, Hint: evil}}
		tg.TLS.Ciphers = map[string]int64{evil: 1}
	}
	page := htmlOf(t, r)
	if bytes.Contains(page, []byte("<img")) || bytes.Contains(page, []byte("<script>")) {
		t.Error("markup got through")
	}
	checkPage(t, "evil", page)
}

// TestTurns: the slices say whose second it was.
func TestTurns(t *testing.T) {
	r := &Report{Seconds: 6, Targets: []Target{
		{Name: "A", Slices: []Slice{{From: 0, Seconds: 2}, {From: 4.2, Seconds: 1.8}}},
		{Name: "B", Slices: []Slice{{From: 2.1, Seconds: 2}}},
	}}
	for i := range r.Targets {
		for j := range 6 {
			r.Targets[i].Series = append(r.Targets[i].Series, Point{T: float64(j), Ops: 1, Active: j == 5-i})
		}
	}
	want := []band{{0, 2, "a"}, {4, 6, "a"}, {2, 4, "b"}}
	if got := r.withTurns().turnBands(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if r.Targets[0].Series[0].Active {
		t.Error("the report itself was changed")
	}
}

func TestSteps(t *testing.T) {
	for _, row := range []struct {
		lo, hi float64
		n      int
		want   string
	}{
		{0, 10, 5, "[0 2 4 6 8 10]"},
		{0, 512, 5, "[0 200 400]"},
		{0, 1, 4, "[0 0.25 0.5 0.75 1]"},
		{0, 0, 4, "[0]"},
		{0.9, 1.1, 4, "[0.9 0.95 1 1.05 1.1]"},
	} {
		var short []string
		for _, v := range steps(row.lo, row.hi, row.n) {
			short = append(short, strconv.FormatFloat(v, 'g', 6, 64))
		}
		if got := "[" + strings.Join(short, " ") + "]"; got != row.want {
			t.Errorf("steps(%v, %v, %d): got %s, want %s", row.lo, row.hi, row.n, got, row.want)
		}
	}
	if hi, _ := roof(512, 5); hi != 600 {
		t.Errorf("got roof %v, want 600", hi)
	}
	from, to, major, minor := decades(3e-4, 0.9)
	if from != 2e-4 || to != 1 || len(major) != 4 || len(minor) == 0 {
		t.Errorf("got %v %v %v %v, want 0.0002 to 1 in 4 decades", from, to, major, minor)
	}
}

// TestThin: what is drawn of a long run keeps its height and its errors.
func TestThin(t *testing.T) {
	var points []Point
	for i := range 1200 {
		p := Point{T: float64(i), Ops: 100, Active: i%10 < 5}
		if !p.Active {
			p.Ops = 0
		}
		if i == 777 {
			p.Errors, p.P99 = 7, 3
		}
		points = append(points, p)
	}
	got := thin(points, 600)
	if len(got) != 600 {
		t.Fatalf("got %d points, want 600", len(got))
	}
	var errors int64
	for _, p := range got {
		if p.Active && p.Ops != 100 {
			t.Errorf("at %v: got %d operations, want 100", p.T, p.Ops)
		}
		errors = max(errors, p.Errors)
	}
	if errors != 7 {
		t.Errorf("got %d errors at most, want 7", errors)
	}
}
