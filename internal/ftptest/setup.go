package ftptest

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"fastftps/storage/memfs"
)

// User and Password log in to every server that plays transcripts.
const (
	User     = "alice"
	Password = "secret"
)

// Epoch is when the files of a tree were made, and Start what a settable clock
// shows at first: so much later that LIST shows the year of those files, as it
// does where the clock is today's.
var (
	Epoch = time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	Start = Epoch.AddDate(1, 0, 0)
)

// The modes of a listener.
const (
	Explicit = "explicit"
	Implicit = "implicit"
	Plain    = "plain"
)

// Where the conversation starts. All but greeting stand for lines that are
// played before it and not shown.
const (
	StartGreeting = "greeting" // the connection was just made
	StartLogin    = "login"    // logged in; on an explicit listener in clear
	StartTLS      = "tls"      // AUTH TLS is done, and the login
	StartPrivate  = "private"  // and PBSZ 0 and PROT P
)

// Setup is what a transcript's head asks of the server. Its keys are the
// fields' names in lower case with dashes; yes sets a bool.
type Setup struct {
	Mode  string // explicit (default), implicit, plain
	Start string // greeting (default), login, tls, private

	MemoryOnly bool // "only: memory"
	Uncut      bool // what the client sends must not be cut into pieces

	RequireTLS  bool
	RequireProt bool
	CCC         bool
	LenientPBSZ bool
	ModeZ       bool
	CSID        bool
	HideDot     bool
	ReadOnly    bool     // the user may list and read
	IPv6        bool     // the control connection is over IPv6
	NoPorts     bool     // no passive port is free
	NoSlots     bool     // no transfer can be started
	Hosts       []string // names that HOST knows; none: all

	UploadClose  string        // strict (default), warn, off
	MaxUpload    int64         // bytes
	MaxDigest    int64         // bytes that one HASH may read; 1 MiB
	Space        int64         // bytes that the tree may hold
	Attempts     int           // failed logins before 421; 3
	BadCommands  int           // unknown commands before login; 10
	Pending      int           // commands behind a transfer; 64
	FailureDelay time.Duration // before the answer to a failed login; 0

	tree []byte
}

// FS makes the tree that the transcript asks for. now is the clock of what is
// made later; nil means time.Now.
func (s *Setup) FS(now func() time.Time) (*memfs.FS, error) {
	if now == nil {
		now = time.Now
	}
	var made atomic.Bool
	clock := func() time.Time {
		if made.Load() {
			return now()
		}
		return Epoch
	}
	defer made.Store(true)
	return memfs.FromTxtar(memfs.Options{Now: clock, Limit: s.Space}, s.tree)
}

// parseSetup reads the head of a transcript.
func parseSetup(head string) (Setup, error) {
	s := Setup{Mode: Explicit, Start: StartGreeting, UploadClose: "strict", MaxDigest: 1 << 20, Attempts: 3, BadCommands: 10, Pending: 64}
	for line := range strings.Lines(head) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return s, fmt.Errorf("%q is no setting", line)
		}
		if err := s.set(key, strings.TrimSpace(value)); err != nil {
			return s, fmt.Errorf("setting %q: %w", line, err)
		}
	}
	return s, nil
}

// set sets one field.
func (s *Setup) set(key, value string) (err error) {
	if b := s.flag(key); b != nil {
		*b = value == "yes"
		return oneOf(value, "yes", "no")
	}
	switch key {
	case "mode":
		s.Mode = value
		return oneOf(value, Explicit, Implicit, Plain)
	case "start":
		s.Start = value
		return oneOf(value, StartGreeting, StartLogin, StartTLS, StartPrivate)
	case "only":
		s.MemoryOnly = true
		return oneOf(value, "memory")
	case "upload-close":
		s.UploadClose = value
		return oneOf(value, "strict", "warn", "off")
	case "hosts":
		s.Hosts = strings.Fields(value)
	case "max-upload":
		s.MaxUpload, err = strconv.ParseInt(value, 10, 64)
	case "max-digest":
		s.MaxDigest, err = strconv.ParseInt(value, 10, 64)
	case "space":
		s.Space, err = strconv.ParseInt(value, 10, 64)
	case "attempts":
		s.Attempts, err = strconv.Atoi(value)
	case "bad-commands":
		s.BadCommands, err = strconv.Atoi(value)
	case "pending":
		s.Pending, err = strconv.Atoi(value)
	case "failure-delay":
		s.FailureDelay, err = time.ParseDuration(value)
	default:
		err = fmt.Errorf("no such setting")
	}
	return err
}

// flag returns the bool that key sets, nil when there is none.
func (s *Setup) flag(key string) *bool {
	switch key {
	case "uncut":
		return &s.Uncut
	case "require-tls":
		return &s.RequireTLS
	case "require-prot":
		return &s.RequireProt
	case "ccc":
		return &s.CCC
	case "lenient-pbsz":
		return &s.LenientPBSZ
	case "mode-z":
		return &s.ModeZ
	case "csid":
		return &s.CSID
	case "hide-dot":
		return &s.HideDot
	case "read-only":
		return &s.ReadOnly
	case "ipv6":
		return &s.IPv6
	case "no-ports":
		return &s.NoPorts
	case "no-slots":
		return &s.NoSlots
	}
	return nil
}

// oneOf checks a value against those that are known.
func oneOf(value string, known ...string) error {
	for _, k := range known {
		if value == k {
			return nil
		}
	}
	return fmt.Errorf("want one of %s", strings.Join(known, ", "))
}
