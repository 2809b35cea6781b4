package report

// Snapshot is a running benchmark at one moment, made once a second. What is
// counted is of the last second, but for the totals that say so; times are in
// seconds.
type Snapshot struct {
	Scenario string // "mixed"
	Loop     string // "open 500/s poisson", "closed 64 clients"
	Stage    string // "setup", "warm-up", "measure", "cleanup", "find-max 800/s", "round 2/3", "slice A 9/24"
	Elapsed  float64
	Total    float64 // planned, 0 when unknown

	Rows    []LiveRow    // one an operation of each target, targets in order
	Targets []LiveTarget // one a target
	LagP99  float64      // how late the generator served its schedule
	CPU     float64      // cores that the generator used
}

// LiveRow is one kind of operation on one target.
type LiveRow struct {
	Target  string  // "A", "B" or the host
	Op      string  // "retr"
	Ops     float64 // well-ended ones a second
	MB      float64 // 1e6 file bytes a second
	P50     float64 // to the first byte where there is one, else of the response; NaN when nothing ended
	P99     float64
	P999    float64
	FirstB  bool  // the percentiles are of the first byte
	Errors  int64 // total: failed and wrong
	Dropped int64 // total
}

// LiveTarget is what is known of a target beyond its operations.
type LiveTarget struct {
	Name     string
	URL      string
	Active   bool    // A/B: it is this target's slice
	Full     float64 // handshakes a second
	Resumed  float64
	Sessions int64   // open
	HasCost  bool    // the server's processes are known
	CPU      float64 // cores
	PSS      int64   // bytes
	P50      float64 // response of all operations of the last second, NaN when none ended
	P99      float64
}
