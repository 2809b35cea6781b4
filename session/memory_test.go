package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/internal/ftptest"
	"fastftps/metrics"
	"fastftps/storage"
)

// memory drives a session as the engine does, with a data plane, a tree and a
// clock in memory. It is the ftptest.Server of this package's tests.
type memory struct {
	s      *Session
	data   *memoryData
	events []ftptest.Event
	seen   func(codec.Verb, codec.Code)

	now      time.Time
	in       []byte // bytes of the client not taken yet
	text     []byte // bytes for the client that make no line yet
	awaitTLS bool
	waiting  bool
	failed   bool // a login has failed
	closed   bool
}

// newMemory makes the server that a transcript asks for.
func newMemory(t testing.TB, setup *ftptest.Setup) *memory {
	t.Helper()
	m := &memory{now: ftptest.Start}
	tree, err := setup.FS(func() time.Time { return m.now })
	if err != nil {
		t.Fatalf("tree: %v", err)
	}
	m.data = &memoryData{m: m, noPorts: setup.NoPorts, noSlots: setup.NoSlots}
	m.s = New(memoryConfig(m, setup, tree), memoryPeer(setup, m.data))
	t.Cleanup(m.gone)
	if setup.Mode == ftptest.Implicit {
		m.awaitTLS = true
		return m
	}
	m.s.Open()
	m.flush()
	return m
}

// memoryConfig turns a transcript's settings into a session's.
func memoryConfig(m *memory, setup *ftptest.Setup, tree storage.FS) *Config {
	return &Config{
		Mode:        map[string]Mode{ftptest.Explicit: Explicit, ftptest.Implicit: Implicit, ftptest.Plain: Plain}[setup.Mode],
		RequireTLS:  setup.RequireTLS,
		RequireProt: setup.RequireProt,
		CCC:         setup.CCC,
		LenientPBSZ: setup.LenientPBSZ,
		ModeZ:       setup.ModeZ,
		HideDot:     setup.HideDot,
		CSID:        setup.CSID,
		TrustHosts:  setup.Hosts,
		Greeting:    "Ready",
		Version:     "1.0",
		Auth:        memoryAuth{readOnly: setup.ReadOnly},
		OpenFS: func(_ context.Context, u *auth.User) (storage.FS, error) {
			if u.Name == "homeless" {
				return nil, fs.ErrNotExist
			}
			return sharedFS{tree}, nil
		},
		LoginTurn:   m.turnOf(setup.FailureDelay),
		LoginFailed: func(netip.Addr, string) { m.failed = true },
		Now:         func() time.Time { return m.now },
		Umask:       0o022,
		UploadClose: map[string]CloseRule{"strict": CloseStrict, "warn": CloseWarn, "off": CloseOff}[setup.UploadClose],
		MaxUpload:   setup.MaxUpload,
		MaxIdle:     time.Hour,
		IdleTimeout: 5 * time.Minute,

		MaxAttempts:        setup.Attempts,
		MaxBadCommands:     setup.BadCommands,
		MaxPendingCommands: setup.Pending,
		MaxPendingBytes:    16 << 10,
		MaxGlob:            1000,
		MaxTextSize:        1 << 20,
		MaxDigest:          setup.MaxDigest,
		Unique:             func() string { return "unique" },
		Events:             memoryEvents{m},
	}
}

// turnOf lets logins wait for the delay once one has failed.
func (m *memory) turnOf(delay time.Duration) func(netip.Addr, string) (time.Time, bool) {
	return func(_ netip.Addr, user string) (at time.Time, ok bool) {
		if m.failed && delay > 0 {
			at = m.now.Add(delay)
		}
		return at, user != "crowd"
	}
}

// memoryPeer is a client of this host.
func memoryPeer(setup *ftptest.Setup, data DataPlane) Peer {
	host := netip.MustParseAddr("127.0.0.1")
	if setup.IPv6 {
		host = netip.IPv6Loopback()
	}
	return Peer{
		Remote: netip.AddrPortFrom(host, 40000),
		Local:  netip.AddrPortFrom(host, 2121),
		Data:   data,
		Log:    func() *slog.Logger { return slog.New(slog.DiscardHandler) },
	}
}

// sharedFS outlives the sessions that use it.
type sharedFS struct{ storage.FS }

func (sharedFS) Close() error { return nil }

// memoryAuth knows alice, and users for whom something goes wrong.
type memoryAuth struct{ readOnly bool }

func (a memoryAuth) Authenticate(_ context.Context, name, password string) (*auth.User, error) {
	u := &auth.User{Name: name, Perms: auth.ReadWrite}
	if a.readOnly {
		u.Perms = auth.ReadOnly
	}
	switch {
	case name == "busy":
		return nil, auth.ErrBusy
	case name == "broken":
		return nil, errors.New("users file is gone")
	case name == "homeless", name == ftptest.User && password == ftptest.Password:
		return u, nil
	}
	return nil, auth.ErrDenied
}

// memoryEvents passes on which codes answered which commands.
type memoryEvents struct{ m *memory }

func (e memoryEvents) Command(v metrics.Verb, c codec.Code) {
	if e.m.seen != nil {
		e.m.seen(codec.V(v.String()), c)
	}
}
func (memoryEvents) Login(metrics.LoginResult) {}
func (memoryEvents) Transfer(TransferInfo)     {}
func (memoryEvents) Rejected(metrics.Reject)   {}
func (memoryEvents) Limit(metrics.Limit)       {}

// Send implements ftptest.Server.
func (m *memory) Send(p []byte) error {
	m.in = append(m.in, p...)
	m.turn()
	return nil
}

// turn feeds the session until it has taken all or has to wait.
func (m *memory) turn() {
	for !m.closed && !m.awaitTLS && !m.waiting {
		n, act := m.s.Feed(m.in)
		m.in = m.in[n:]
		m.do(act)
		m.endTransfer()
		if len(m.in) == 0 && act == Continue {
			return
		}
	}
}

// do is the driver's part of an action.
func (m *memory) do(act Action) {
	m.flush()
	switch act {
	case Work, WorkHash, WorkRead:
		m.s.Work()
		m.do(m.s.Resume())
	case Wait:
		m.waiting = true
	case StartTLS:
		m.awaitTLS = true
	case EndTLS:
		m.event(ftptest.EndTLS, "")
		m.s.Cleared()
	case Restart:
		m.event(ftptest.EndTLS, "")
		m.awaitTLS = true
	case Close, CloseDrop:
		m.event(ftptest.Closed, "")
		m.gone()
	}
}

// flush takes what the session says.
func (m *memory) flush() {
	m.text = append(m.text, m.s.Out()...)
	m.s.Sent()
	for {
		i := bytes.Index(m.text, []byte("\r\n"))
		if i < 0 {
			return
		}
		m.event(ftptest.Line, string(m.text[:i]))
		m.text = m.text[i+2:]
	}
}

func (m *memory) event(kind ftptest.Kind, text string) {
	m.events = append(m.events, ftptest.Event{Kind: kind, Text: text})
}

// gone ends the session as the driver does when the connection is lost.
func (m *memory) gone() {
	if m.closed {
		return
	}
	m.closed = true
	m.s.Gone()
	m.endTransfer()
}

// endTransfer reports the end of a transfer that was aborted meanwhile.
func (m *memory) endTransfer() {
	if r := m.data.ended; r != nil {
		m.data.ended = nil
		act := m.s.TransferDone(*r)
		if !m.closed {
			m.do(act)
			m.turn()
		}
	}
}

// Next implements ftptest.Server.
func (m *memory) Next(ftptest.Kind) (ftptest.Event, error) {
	if len(m.events) == 0 {
		return ftptest.Event{}, ftptest.ErrSilent
	}
	ev := m.events[0]
	m.events = m.events[1:]
	return ev, nil
}

// Ready implements ftptest.Server.
func (m *memory) Ready() bool { return len(m.events) > 0 }

// Handshake implements ftptest.Server.
func (m *memory) Handshake(serverName string) error {
	if !m.awaitTLS || m.closed {
		return errors.New("the server does not expect TLS")
	}
	if len(m.in) > 0 {
		return fmt.Errorf("%q was sent in place of TLS", m.in)
	}
	m.awaitTLS = false
	m.s.Secured(serverName)
	m.flush()
	return nil
}

// Advance implements ftptest.Server.
func (m *memory) Advance(d time.Duration) error {
	m.now = m.now.Add(d)
	if m.waiting && !m.now.Before(m.s.Wake()) {
		m.waiting = false
		m.do(m.s.Expire(m.now))
		m.turn()
	}
	return nil
}

// DataAddr implements ftptest.Server.
func (m *memory) DataAddr() (netip.AddrPort, error) {
	return netip.AddrPortFrom(m.s.peer.Remote.Addr(), 50000), nil
}

// DataOpen implements ftptest.Server.
func (m *memory) DataOpen(private bool) error {
	m.data.private = private
	return nil
}

// DataSend implements ftptest.Server.
func (m *memory) DataSend(p []byte) error {
	if err := m.data.check(); err != nil {
		return err
	}
	m.data.sent = append(m.data.sent, p...)
	return nil
}

// DataRead implements ftptest.Server.
func (m *memory) DataRead() ([]byte, error) {
	if err := m.data.check(); err != nil {
		return nil, err
	}
	b, cause := m.data.download()
	m.data.end(Result{Cause: cause, Bytes: int64(len(b))})
	m.endTransfer()
	return b, nil
}

// DataEnd implements ftptest.Server.
func (m *memory) DataEnd(how string) error {
	name, ok := strings.CutPrefix(how, "fail ")
	cause, known := causeNamed(name)
	if how == "none" {
		cause, known, ok = CauseNoConn, true, true
	}
	if ok && !known {
		return errors.New("no such cause")
	}
	if !ok {
		if err := m.data.check(); err != nil {
			return err
		}
		cause = m.data.finish(how)
	}
	if m.data.job == nil {
		return errNoTransfer
	}
	m.data.end(Result{Cause: cause, Bytes: int64(len(m.data.sent)), CloseNotify: how == "close" && m.data.private})
	m.endTransfer()
	return nil
}

// causeNamed finds a cause by its name in logs.
func causeNamed(name string) (Cause, bool) {
	for c, n := range causeNames {
		if n == name {
			return Cause(c), true
		}
	}
	return 0, false
}

var errNoTransfer = errors.New("no transfer is under way")

// memoryData is the data plane of one session. Transfers are done at once, when
// the transcript says that the client does its part.
type memoryData struct {
	m       *memory
	noPorts bool
	noSlots bool
	lapsed  bool // Start finds no endpoint, although it was armed

	ports   uint16 // handed out so far
	armed   bool
	job     *Job
	private bool // how the client opened its end
	sent    []byte
	ended   *Result
}

// Passive implements DataPlane.
func (d *memoryData) Passive(bool) (netip.AddrPort, error) {
	if d.noPorts {
		return netip.AddrPort{}, errors.New("all ports are in use")
	}
	d.armed = true
	d.ports++
	return netip.AddrPortFrom(d.m.s.peer.Local.Addr(), 50000+d.ports), nil
}

// Active implements DataPlane.
func (d *memoryData) Active(netip.AddrPort) { d.armed = true }

// Armed implements DataPlane.
func (d *memoryData) Armed() bool { return d.armed }

// Drop implements DataPlane.
func (d *memoryData) Drop() { d.armed = false }

// Start implements DataPlane.
func (d *memoryData) Start(j Job) error {
	if d.lapsed {
		return ErrNoEndpoint
	}
	if d.noSlots {
		return errors.New("all workers are busy")
	}
	d.armed, d.job, d.sent = false, &j, nil
	return nil
}

// Abort implements DataPlane.
func (d *memoryData) Abort() {
	if d.job != nil {
		d.end(Result{Cause: CauseAborted})
	}
}

// Progress implements DataPlane.
func (d *memoryData) Progress() int64 { return int64(len(d.sent)) }

// check reports whether the client may use its end of the data connection.
func (d *memoryData) check() error {
	switch {
	case d.job == nil:
		return errNoTransfer
	case d.job.Private != d.private:
		return ftptest.ErrProtection
	}
	return nil
}

// end ends the job; the session hears of it from endTransfer.
func (d *memoryData) end(r Result) {
	release(*d.job)
	d.job, d.private, d.ended = nil, false, &r
}

// download does the job of a client that reads to the end.
func (d *memoryData) download() ([]byte, Cause) {
	if d.job.Upload != nil {
		return nil, CauseCut
	}
	var b []byte
	var err error
	if d.job.Listing != nil {
		if b, err = io.ReadAll(d.job.Listing); err != nil {
			return b, CauseRead
		}
		return b, CauseOK
	}
	if _, err = d.job.File.Seek(d.job.Offset, io.SeekStart); err == nil {
		b, err = io.ReadAll(io.LimitReader(d.job.File, d.job.Length))
	}
	switch {
	case err != nil:
		return b, CauseRead
	case int64(len(b)) < d.job.Length:
		return b, CauseShort
	case d.job.ASCII:
		b = bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	}
	return b, CauseOK
}

// finish judges how the client ended its side.
func (d *memoryData) finish(how string) Cause {
	switch {
	case d.job.Upload == nil:
		return CauseCut
	case how == "cut" && !d.job.Private:
		return CauseCut
	case how == "cut" && d.job.Close == CloseStrict:
		return CauseNoCloseNotify
	}
	return d.store()
}

// store does the job of a client that has sent all.
func (d *memoryData) store() Cause {
	b := d.sent
	if d.job.ASCII {
		b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	}
	if most := d.job.MaxBytes; most > 0 && int64(len(b)) > most {
		return CauseQuota
	}
	up := d.job.Upload
	_, err := up.Write(b)
	if err == nil {
		d.job.Upload = nil
		err = up.Commit()
	}
	switch {
	case err == nil:
		return CauseOK
	case errors.Is(err, fs.ErrExist):
		return CauseExists
	case errors.Is(err, storage.ErrNoSpace):
		return CauseNoSpace
	case errors.Is(err, storage.ErrQuota):
		return CauseQuota
	}
	return CauseWrite
}
