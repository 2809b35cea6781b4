package report

import (
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// seriesColumns are the first line of the CSV; see Point for units and meaning.
var seriesColumns = []string{
	"target", "t", "ops", "bytes", "errors", "full", "resumed", "sessions", "p50", "p99",
	"server_cpu", "server_pss", "generator_cpu", "active",
}

// WriteCSV writes the course of the run: a line of names, then a line for each second of
// each target (RFC 4180). Times are in seconds, memory in bytes, CPU in cores.
func WriteCSV(w io.Writer, r *Report) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	_ = out.Write(seriesColumns) // Flush and Error tell
	float := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	whole := func(v int64) string { return strconv.FormatInt(v, 10) }
	for i := range r.Targets {
		t := &r.Targets[i]
		for _, p := range t.Series {
			_ = out.Write([]string{
				t.Name, float(p.T), whole(p.Ops), whole(p.Bytes), whole(p.Errors), whole(p.Full), whole(p.Resumed), whole(p.Sessions),
				float(p.P50), float(p.P99), float(p.ServerCPU), whole(p.ServerPSS), float(p.GeneratorPC), strconv.FormatBool(p.Active),
			})
		}
	}
	out.Flush()
	return out.Error()
}

// hgrmTicks is how many lines an HGRM file has for each halving of what is left to 100 %.
const hgrmTicks = 5

// WriteHGRM writes every histogram of the run into a folder, which is made if it is
// missing: TARGET-OPERATION-service.hgrm, -response.hgrm and TARGET-PHASE-phase.hgrm. They
// are HdrHistogram's percentile tables, with values in milliseconds, as its plotters read
// them.
func WriteHGRM(dir string, r *Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	write := func(name, kind string, d Dist) {
		h := d.histogram()
		if h == nil {
			return
		}
		f, err := os.Create(filepath.Join(dir, name+"-"+kind+".hgrm"))
		if err != nil {
			errs = append(errs, err)
			return
		}
		_, err = h.PercentilesPrint(f, hgrmTicks, 1000)
		errs = append(errs, err, f.Close())
	}
	for i := range r.Targets {
		t := &r.Targets[i]
		name := fileName(t.Name)
		for _, op := range t.Ops {
			write(name+"-"+op.Name, "service", op.Service)
			write(name+"-"+op.Name, "response", op.Response)
		}
		for _, p := range t.Phases {
			write(name+"-"+p.Name, "phase", p.Dist)
		}
	}
	return errors.Join(errs...)
}

// fileName makes a host and port fit for a file system.
func fileName(target string) string {
	safe := []byte(target)
	for i, c := range safe {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.' && i > 0, c == '_':
		default:
			safe[i] = '-'
		}
	}
	return string(safe)
}
