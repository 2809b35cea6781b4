package bench

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// FileSettings is what a scenario file says that flags can say too. Zero values
// are not said.
type FileSettings struct {
	Seed        uint64
	Rate        Rate
	Poisson     bool
	MaxInflight int
	Clients     int
	Duration    time.Duration
	Files       int
	Sizes       *Sizes
	Thresholds  []string
}

// Fault is a mistake in a scenario file, with its place.
type Fault struct {
	File      string
	Line, Col int // from 1, Col in bytes
	Key, Msg  string
	text      string
}

// Error returns the fault with the line and a caret below the place.
func (f *Fault) Error() string {
	where := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Col)
	if f.Key != "" {
		where += f.Key + ": "
	}
	number := fmt.Sprintf("%3d", f.Line)
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, f.text[:min(max(f.Col-1, 0), len(f.text))])
	return fmt.Sprintf("%s%s\n%s | %s\n%s | %s^", where, f.Msg, number, f.text, strings.Repeat(" ", len(number)), indent)
}

func readScenario(path string) (Scenario, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Scenario{}, err
	}
	return parseScenario(path, data)
}

// parseScenario reads a scenario file. It is strict: what it does not know is a
// mistake.
func parseScenario(path string, data []byte) (Scenario, error) {
	f := &scenarioFile{path: path, data: data, at: map[string]int{}}
	var doc map[string]any
	if err := toml.Unmarshal(data, &doc); err != nil {
		return Scenario{}, f.syntax(err)
	}
	f.locate()
	f.s = Scenario{Name: strings.TrimSuffix(path[strings.LastIndexByte(path, '/')+1:], ".toml"), walk: true, visit: true}
	f.s.background.keepalive = 30 * time.Second
	f.table("", doc)
	if f.fault != nil {
		return Scenario{}, f.fault
	}
	if len(f.s.steps) == 0 {
		return Scenario{}, fmt.Errorf("%s: session.ops: there are none", path)
	}
	return f.s, nil
}

// scenarioFile is a file while it is read.
type scenarioFile struct {
	path  string
	data  []byte
	at    map[string]int // offsets of keys
	s     Scenario
	fault *Fault // the first by place
}

// complain notes a mistake.
func (f *scenarioFile) complain(key, format string, args ...any) {
	fault := f.place(f.at[key])
	fault.Key, fault.Msg = key, fmt.Sprintf(format, args...)
	if f.fault == nil || fault.Line < f.fault.Line {
		f.fault = fault
	}
}

func (f *scenarioFile) place(offset int) *Fault {
	offset = min(offset, len(f.data))
	start := bytes.LastIndexByte(f.data[:offset], '\n') + 1
	line, _, _ := bytes.Cut(f.data[start:], []byte{'\n'})
	return &Fault{
		File: f.path, Line: 1 + bytes.Count(f.data[:offset], []byte{'\n'}), Col: offset - start + 1,
		text: string(bytes.TrimRight(line, "\r")),
	}
}

func (f *scenarioFile) syntax(err error) error {
	var de *toml.DecodeError
	if !errors.As(err, &de) {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	row, col := de.Position()
	offset := 0
	for range row - 1 {
		offset += bytes.IndexByte(f.data[offset:], '\n') + 1
	}
	fault := f.place(offset + col - 1)
	fault.Msg = strings.TrimPrefix(de.Error(), "toml: ")
	return fault
}

// locate notes where keys stand.
func (f *scenarioFile) locate() {
	var p unstable.Parser
	p.Reset(f.data)
	prefix := ""
	for p.NextExpression() {
		n := p.Expression()
		switch n.Kind {
		case unstable.Table, unstable.ArrayTable:
			prefix = f.note("", n) + "."
		default:
			f.noteValue(prefix, n)
		}
	}
}

func (f *scenarioFile) note(prefix string, n *unstable.Node) string {
	var parts []string
	offset := 0
	for it := n.Key(); it.Next(); {
		if len(parts) == 0 {
			offset = int(it.Node().Raw.Offset)
		}
		parts = append(parts, string(it.Node().Data))
	}
	path := prefix + strings.Join(parts, ".")
	if _, known := f.at[path]; !known {
		f.at[path] = offset
	}
	return path
}

func (f *scenarioFile) noteValue(prefix string, n *unstable.Node) {
	path := f.note(prefix, n)
	switch v := n.Value(); v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			f.noteValue(path+".", it.Node())
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			f.at[fmt.Sprintf("%s.%d", path, i)] = int(it.Node().Raw.Offset)
		}
	}
}

// sectionsOf are the tables there are.
var sectionsOf = []string{"load", "session", "session.abort", "session.slow_reader", "background", "thresholds"}

// table reads a table.
func (f *scenarioFile) table(prefix string, table map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(table)) {
		key := prefix + name
		sub, isTable := table[name].(map[string]any)
		switch {
		case prefix == "thresholds.":
			f.threshold(key, name, table[name])
		case isTable && slices.Contains(sectionsOf, key):
			f.table(key+".", sub)
		case slices.Contains(sectionsOf, key):
			f.complain(key, "must be a table")
		default:
			f.value(key, table[name])
		}
	}
}

// value reads one key.
func (f *scenarioFile) value(key string, v any) {
	set, ok := f.keys()[key]
	if !ok {
		f.complain(key, "unknown key; there are %s", strings.Join(slices.Sorted(maps.Keys(f.keys())), ", "))
		return
	}
	if err := set(v); err != nil {
		f.complain(key, "%v", err)
	}
}

// keys are what a file may say.
func (f *scenarioFile) keys() map[string]func(any) error {
	s := &f.s
	return map[string]func(any) error{
		"name":          text(func(v string) error { s.Name = v; return nil }),
		"seed":          number(1<<63-1, func(n int64) { s.File.Seed = uint64(n) }),
		"load.rate":     text(func(v string) (err error) { s.File.Rate, err = ParseRate(v); return err }),
		"load.ramp":     text(func(v string) (err error) { s.File.Rate, err = ParseRamp(v); return err }),
		"load.arrival":  text(f.arrival),
		"load.clients":  number(1e6, func(n int64) { s.File.Clients = int(n) }),
		"load.duration": text(func(v string) (err error) { s.File.Duration, err = time.ParseDuration(v); return err }),
		"load.files":    number(1e7, func(n int64) { s.File.Files = int(n) }),
		"load.size": text(func(v string) error {
			sizes, err := ParseSizes(v)
			s.File.Sizes = &sizes
			return err
		}),
		"load.max_inflight":          number(1e6, func(n int64) { s.File.MaxInflight = int(n) }),
		"session.login":              f.login,
		"session.ops":                f.ops,
		"session.abort.chance":       f.probability(&s.abort.of),
		"session.abort.after":        text(func(v string) (err error) { s.abort.after, err = time.ParseDuration(v); return err }),
		"session.slow_reader.chance": f.probability(&s.slow.of),
		"session.slow_reader.rate":   text(func(v string) (err error) { s.slow.rate, err = byteRate(v); return err }),
		"background.idle_sessions":   number(1e6, func(n int64) { s.background.idle = int(n) }),
		"background.keepalive": text(func(v string) (err error) {
			if s.background.keepalive, err = time.ParseDuration(v); err == nil && s.background.keepalive < time.Second {
				err = errors.New("must be 1s at least")
			}
			return err
		}),
	}
}

func text(set func(string) error) func(any) error {
	return func(v any) error {
		s, ok := v.(string)
		if !ok {
			return errors.New("must be a string in quotes")
		}
		return set(s)
	}
}

func number(most int64, set func(int64)) func(any) error {
	return func(v any) error {
		n, ok := v.(int64)
		if !ok || n < 0 || n > most {
			return fmt.Errorf("must be a whole number, 0 to %d", most)
		}
		set(n)
		return nil
	}
}

func (f *scenarioFile) arrival(v string) error {
	if v != "poisson" && v != "constant" {
		return fmt.Errorf("%q is none of poisson, constant", v)
	}
	f.s.File.Poisson = v == "poisson"
	return nil
}

// login says whether every arrival is a new session, or goes on with the one
// there is.
func (f *scenarioFile) login(v any) error {
	b, ok := v.(bool)
	if !ok {
		return errors.New("must be true or false")
	}
	f.s.visit = b
	return nil
}

func (f *scenarioFile) probability(p *float64) func(any) error {
	return func(v any) error {
		switch n := v.(type) {
		case float64:
			*p = n
		case int64:
			*p = float64(n)
		default:
			return errors.New("must be a number, 0 to 1")
		}
		if !(*p >= 0 && *p <= 1) {
			return errors.New("must be 0 to 1")
		}
		return nil
	}
}

// byteRate reads 20KiB/s.
func byteRate(s string) (float64, error) {
	n, err := parseSize(strings.TrimSuffix(s, "/s"))
	if err == nil && n == 0 {
		err = errors.New("must be more than 0")
	}
	return float64(n), err
}

func (f *scenarioFile) threshold(key, metric string, v any) {
	s, ok := v.(string)
	if !ok {
		f.complain(key, "must be a string, as \"<50ms\"")
		return
	}
	if _, err := parseThreshold(metric + s); err != nil {
		f.complain(key, "%v", err)
		return
	}
	f.s.File.Thresholds = append(f.s.File.Thresholds, metric+s)
}

// ops reads what a client does.
func (f *scenarioFile) ops(v any) error {
	list, ok := v.([]any)
	if !ok {
		return errors.New("must be a list of strings")
	}
	for i, item := range list {
		line, ok := item.(string)
		if !ok {
			return errors.New("must be a list of strings")
		}
		steps, err := parseSteps(line)
		if err != nil {
			f.complain(fmt.Sprintf("session.ops.%d", i), "%v", err)
		}
		f.s.steps = append(f.s.steps, steps...)
	}
	return nil
}

// parseSteps reads a line of a session:
//
//	retr [${file}] [x3]      stor [${tmp}] [x3] [size=64k]
//	list|nlst|mlsd [PATH]    think 200ms[..2s]    quit
func parseSteps(line string) ([]step, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil, errors.New("an empty step")
	}
	verb, args := words[0], words[1:]
	st := step{weight: 1}
	times := 1
	switch verb {
	case "quit":
		return nil, wantNone(verb, args) // every session ends so
	case "list", "nlst", "mlsd":
		st.kind, st.line = stepList, strings.ToUpper(verb)
		if len(args) > 0 {
			st.line += " " + strings.Join(args, " ")
		}
		return []step{st}, nil
	case "think":
		st.kind = stepThink
		var err error
		if len(args) != 1 {
			return nil, errors.New("think: for how long? 200ms..2s")
		}
		st.lo, st.hi, err = span(args[0])
		return []step{st}, err
	case "retr":
		st.kind = stepRetr
	case "stor":
		st.kind = stepStor
	default:
		return nil, fmt.Errorf("%q is none of list, nlst, mlsd, retr, stor, think, quit", verb)
	}
	for _, arg := range args {
		if err := st.argument(arg, &times); err != nil {
			return nil, err
		}
	}
	return slices.Repeat([]step{st}, times), nil
}

func (st *step) argument(arg string, times *int) error {
	name := map[stepKind]string{stepRetr: "${file}", stepStor: "${tmp}"}[st.kind]
	if arg == name {
		return nil
	}
	if n, ok := strings.CutPrefix(arg, "x"); ok {
		var err error
		if *times, err = strconv.Atoi(n); err != nil || *times < 1 || *times > 10000 {
			return fmt.Errorf("%q: write it as x3", arg)
		}
		return nil
	}
	if size, ok := strings.CutPrefix(arg, "size="); ok && st.kind == stepStor {
		sizes, err := ParseSizes(size)
		st.sizes = &sizes
		return err
	}
	return fmt.Errorf("%q: not known here; there are %s, xN and, for stor, size=", arg, name)
}

func wantNone(verb string, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument", verb)
	}
	return nil
}

// span reads 200ms or 200ms..2s.
func span(s string) (lo, hi time.Duration, err error) {
	first, last, isSpan := strings.Cut(s, "..")
	if !isSpan {
		last = first
	}
	lo, err1 := time.ParseDuration(first)
	hi, err2 := time.ParseDuration(last)
	if err1 != nil || err2 != nil || lo < 0 || hi < lo {
		return 0, 0, fmt.Errorf("%q is no time: write it as 200ms or 200ms..2s", s)
	}
	return lo, hi, nil
}

// hasArgument reports whether a listing names its folder.
func (st step) hasArgument() bool { return strings.Contains(st.line, " ") }
