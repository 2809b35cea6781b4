//go:build interop

package interop

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The operations of a cell, as the table limits names them.
const (
	opMkdir     = "mkdir"
	opPut       = "put"
	opList      = "list"
	opGet       = "get"
	opResumePut = "resume upload"
	opResumeGet = "resume download"
	opZeroByte  = "zero-byte upload"
	opRename    = "rename"
	opRemove    = "delete"
	opRmdir     = "rmdir"
	opActive    = "active mode"
)

// limit is something that a client cannot do, whatever the server.
type limit struct {
	program string
	setups  func(setup) bool // nil: in every setup
	op      string           // "": nothing at all; else an operation
	name    string           // "": with every name; else the key of an odd name
	why     string
}

func overTLS(s setup) bool    { return s.mode != plain }
func inClear(s setup) bool    { return s.mode == plain }
func sealedData(s setup) bool { return s.prot == "P" }
func clearData(s setup) bool  { return s.mode != plain && s.prot == "C" }

// limits is the whole list. Every row must be met by a run of all tests.
var limits = []limit{
	{"curl", sealedData, opActive, "", "curl 7.88 sends clear bytes on active data connections after PROT P"},

	{"wget", nil, opMkdir, "", "wget only downloads"},
	{"wget", nil, opPut, "", "wget only downloads"},
	{"wget", nil, opResumePut, "", "wget only downloads"},
	{"wget", nil, opZeroByte, "", "wget only downloads"},
	{"wget", nil, opRename, "", "wget only downloads"},
	{"wget", nil, opRemove, "", "wget only downloads"},
	{"wget", nil, opRmdir, "", "wget only downloads"},

	{"rclone", clearData, "", "", "rclone sends PROT P and has no switch for it"},
	{"rclone", nil, opResumePut, "", "rclone starts a broken upload again"},
	{"rclone", nil, opResumeGet, "", "rclone starts a broken download again"},

	{"ncftp", overTLS, "", "", "ncftp has no TLS"},

	{"s_client", inClear, "", "", "s_client makes TLS connections only"},
	{"s_client", clearData, "", "", "s_client makes TLS connections only"},

	{"jlaffaye", clearData, "", "", "jlaffaye/ftp sends PROT P and has no switch for it"},
}

// results are what became of each cell.
type results struct {
	mu    sync.Mutex
	cells map[string]map[setup]string
	met   map[int]bool // rows of limits
}

var matrix = results{cells: map[string]map[setup]string{}, met: map[int]bool{}}

// lacks says why the program cannot do op, "" if it can.
func (r *results) lacks(program string, s setup, op, name string) string {
	for i, l := range limits {
		if l.program == program && (l.setups == nil || l.setups(s)) && l.op == op && l.name == name {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.met[i] = true
			return l.why
		}
	}
	return ""
}

func (r *results) set(program string, s setup, result string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cells[program] == nil {
		r.cells[program] = map[setup]string{}
	}
	r.cells[program][s] = result
}

// unused returns an error for each row of limits that no test met: the client
// can do it after all, or the row is misspelt.
func (r *results) unused() error {
	var rows []string
	for i, l := range limits {
		if !r.met[i] {
			rows = append(rows, fmt.Sprintf("%s: %s %s", l.program, l.op, l.name))
		}
	}
	if rows == nil {
		return nil
	}
	return fmt.Errorf("rows of the table limits that nothing needs: %s", strings.Join(rows, "; "))
}

// print writes the matrix, and below it what single clients cannot do.
func (r *results) print(w io.Writer) {
	if len(r.cells) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%-13s%-6s%-9s%-5s%-5s%s\n", "client", "", "mode", "TLS", "PROT", "result")
	for _, p := range programs {
		for _, s := range setups {
			if result, ok := r.cells[p.name][s]; ok {
				fmt.Fprintf(w, "%-19s%-9s%-5s%-5s%s\n", p.name, s.mode, dash(s.tls), s.prot, result)
			}
		}
	}
	fmt.Fprintln(w)
	for _, p := range programs {
		for _, why := range p.lacks() {
			fmt.Fprintf(w, "%-19s%s\n", p.name, why)
		}
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// lacks groups by reason what the program cannot do in a setup that it has.
func (p *program) lacks() []string {
	var whys []string
	ops := map[string][]string{}
	for _, l := range limits {
		if l.program != p.name || l.op == "" {
			continue
		}
		what := l.op
		if l.name != "" {
			what += " of a name with " + l.name
		}
		if !slices.Contains(whys, l.why) {
			whys = append(whys, l.why)
		}
		ops[l.why] = append(ops[l.why], what)
	}
	for i, why := range whys {
		whys[i] = fmt.Sprintf("no %s: %s", strings.Join(ops[why], ", "), why)
	}
	return whys
}

// TestLimitsTable holds the table to names that exist.
func TestLimitsTable(t *testing.T) {
	for _, l := range limits {
		if !slices.ContainsFunc(programs, func(p program) bool { return p.name == l.program }) {
			t.Errorf("no program %q", l.program)
		}
		if l.why == "" {
			t.Errorf("%s, %s: no reason", l.program, l.op)
		}
	}
}
