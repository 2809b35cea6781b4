// Package session is the FTP state of one control connection: what a client
// has said, what it may do, and what each command answers. It is a state
// machine with no socket, no goroutine and no clock of its own.
//
//	in:  Feed (bytes), Work/Resume (a blocking command's end), TransferDone, Expire, Stop
//	out: Out (bytes for the client) and an Action for whoever drives it
//
// The driver, package engine, owns the session: it makes one call at a time.
// During Work the session belongs to the worker and no other call is made.
// Transcripts in testdata drive it the same way, at any fragmentation.
package session

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/metrics"
	"fastftps/storage"
)

// Action is what the driver must do next, after it has sent Out.
type Action uint8

// The actions.
const (
	Continue  Action = iota // go on feeding
	Flush                   // output has piled up: feed the bytes not taken once Out is sent
	Work                    // call Work on a worker that may wait for a disk, then Resume
	WorkHash                // call Work on a worker for password hashes, then Resume
	WorkRead                // call Work on a worker for reading whole files, then Resume
	Wait                    // feed nothing until Expire at Wake
	StartTLS                // send Out in clear, then begin a TLS handshake; Secured follows
	EndTLS                  // send Out, end TLS; what the peer sends next is clear; Cleared follows
	Restart                 // implicit REIN: send Out, end TLS, await a new ClientHello; Secured follows
	Close                   // send Out, end TLS if any, close the control connection
	CloseDrop               // close at once with no reply: the peer does not speak FTP
)

// Mode is how a listener treats TLS.
type Mode uint8

// The modes of a listener.
const (
	Explicit Mode = iota // RFC 4217: clear until AUTH TLS
	Implicit             // [MS-FTPS]: TLS from the first byte, greeting after it
	Plain                // RFC 959 only: AUTH is refused
)

// Protection is the data channel protection level (RFC 2228 section 3).
type Protection uint8

// The two levels of RFC 4217 section 9.
const (
	Clear Protection = iota
	Private
)

// state is where the control connection stands. Values follow protocol order;
// each says which may come next.
type state uint8

const (
	stateSilent   state = iota // accepted, nothing may be said yet → stateUser
	stateUser                  // USER awaited → statePassword, stateReady
	statePassword              // USER taken, PASS awaited → stateReady, stateUser
	stateReady                 // logged in → stateUser (REIN, AUTH)
	stateClosed                // the last reply is written; input is ignored
)

// Session is the FTP state of one control connection. The zero value is not
// usable; see New.
type Session struct {
	cfg  *Config
	peer Peer

	// ctx ends when nobody waits for an answer any more; see Cancel.
	ctx    context.Context
	cancel context.CancelFunc

	// Control connection.
	state  state
	secure bool // the control connection is under TLS
	ended  bool // CCC was done: PBSZ and PROT are frozen (RFC 4217 section 5)

	serverName string // SNI of the control connection's TLS, "" for none
	dec        codec.Decoder
	out        []byte // replies not yet taken by the driver
	more       bool   // bytes follow the command that is being executed
	unfed      bool   // the driver has bytes that Feed did not take
	bad        int    // unknown commands before login

	// Login.
	name     string // as USER gave it
	user     *auth.User
	fs       storage.FS
	attempts int // failed logins on this connection; survives AUTH and REIN
	host     string

	// Transfer parameters (RFC 959 section 5.1).
	cwd     storage.Path
	prot    Protection
	pbsz    bool // PBSZ was given, or implied by the implicit mode
	binary  bool // TYPE I or L 8; the default is A
	deflate bool // MODE Z
	level   int8 // compression level of MODE Z
	epsvAll bool // EPSV ALL was given (RFC 2428 section 4)
	facts   codec.Facts
	hash    hashAlgorithm
	umask   uint16

	// Pending between commands.
	restart  int64 // REST
	rangeEnd int64 // RANG: first byte not wanted; 0 without RANG
	from     storage.Path
	allo     int64
	idle     time.Duration // SITE IDLE; 0: the listener's limit

	// What the driver waits for.
	row   *command  // command that Work runs
	arg   string    // its argument
	wake  time.Time // and not before
	then  Action    // what follows the reply of the command that has ended
	xfer  *transfer
	queue queue // commands that arrived during a transfer
}

// New makes the session of a connection that was just accepted. Nothing is
// said until Open or Secured.
func New(cfg *Config, peer Peer) *Session {
	s := &Session{cfg: cfg, peer: peer}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.reset()
	s.forget()
	return s
}

// Cancel makes a running Work return early: the control connection is gone, or
// the server is going down. It is the one method that another goroutine may
// call at any time. What is cancelled answers 451.
func (s *Session) Cancel() { s.cancel() }

// Open greets the client of a listener that starts in clear text. Driver only,
// once.
func (s *Session) Open() {
	s.state = stateUser
	s.say(codec.C220Ready, s.cfg.Greeting)
}

// Secured tells that the control connection's TLS handshake has ended. On an
// implicit listener PBSZ 0 and PROT P are assumed and the greeting follows
// ([MS-FTPS] section 3.2.5.1). After AUTH the login starts again and nothing
// is said (RFC 4217 section 4.2). serverName is the host name that the client
// asked for by SNI, "" for none; an IP literal there counts as none (RFC 6066
// section 3).
func (s *Session) Secured(serverName string) {
	if _, err := netip.ParseAddr(serverName); err == nil {
		serverName = ""
	}
	s.secure, s.ended = true, false
	s.serverName = serverName
	if s.state == stateSilent {
		s.pbsz, s.prot = true, Private
		s.Open()
	}
}

// Cleared tells that TLS has ended after EndTLS.
func (s *Session) Cleared() { s.secure = false }

// Secure reports whether the control connection is under TLS.
func (s *Session) Secure() bool { return s.secure }

// LoggedIn reports whether a user is logged in.
func (s *Session) LoggedIn() bool { return s.state == stateReady }

// User is the name of the logged-in user, "" before login.
func (s *Session) User() string {
	if s.user == nil {
		return ""
	}
	return s.user.Name
}

// Transferring reports whether a transfer runs. The idle limit rests meanwhile.
func (s *Session) Transferring() bool { return s.xfer != nil }

// IdleLimit is the limit that SITE IDLE set, 0 when it set none.
func (s *Session) IdleLimit() time.Duration { return s.idle }

// Out returns the bytes to be sent. They stay valid until the next call of the
// session; Sent takes them away.
func (s *Session) Out() []byte { return s.out }

// maxSpareOut is how much reply buffer an idle session may keep.
const maxSpareOut = 512

// Sent drops the bytes that Out returned.
func (s *Session) Sent() {
	if cap(s.out) > maxSpareOut {
		s.out = nil
		return
	}
	s.out = s.out[:0]
}

// Feed takes bytes that the client sent on the control connection, executes
// the commands in them in order and appends their replies to Out. It returns
// how many bytes it took. The rest, if any, waits for the action's end and is
// fed again; after StartTLS, EndTLS and Restart there is no rest, for bytes
// behind those commands close the connection.
func (s *Session) Feed(p []byte) (n int, act Action) {
	n, act = s.feed(p)
	s.unfed = n < len(p)
	return n, act
}

func (s *Session) feed(p []byte) (n int, act Action) {
	if s.xfer == nil && s.queue.len() > 0 {
		if act := s.Resume(); act != Continue {
			return 0, act
		}
	}
	for n < len(p) {
		if act := s.pending(); act != Continue && act != transferring {
			return n, act
		}
		if p[n] == tlsRecord && s.speaksTLS() {
			s.state = stateClosed
			return n, CloseDrop
		}
		cmd, k, ok := s.dec.Next(p[n:])
		n += k
		s.more = n < len(p)
		s.out = s.dec.AppendTelnet(s.out)
		if !ok {
			break
		}
		if act := s.take(cmd); act != Continue {
			return n, act
		}
	}
	return n, s.public(s.pending())
}

// tlsRecord is the first byte of a TLS handshake (RFC 8446 section 5.1).
const tlsRecord = 0x16

// speaksTLS reports whether a TLS record where a command should begin means
// that the client takes this for an implicit listener. It is cut off: none of
// the replies that its bytes would get could reach its user.
func (s *Session) speaksTLS() bool {
	if s.secure || s.state == stateReady || s.dec.Partial() {
		return false
	}
	s.rejected(metrics.RejectProtocol, "implicit client on an explicit listener")
	return true
}

// take executes cmd, or queues it behind the running transfer.
func (s *Session) take(cmd codec.Command) Action {
	if s.xfer != nil {
		return s.duringTransfer(cmd)
	}
	return s.public(s.execute(cmd.Verb, cmd.Arg, cmd.Err))
}

// transferring is the internal state in which commands are taken but queued.
const transferring Action = 0xff

// public maps transferring to Continue: the driver goes on feeding, so that
// ABOR is heard.
func (s *Session) public(a Action) Action {
	if a == transferring {
		return Continue
	}
	return a
}

// pending returns what the session waits for before it executes a command.
func (s *Session) pending() Action {
	switch {
	case !s.wake.IsZero():
		return Wait
	case s.state == stateClosed:
		return Close
	case s.row != nil:
		return s.workOf(s.row)
	case len(s.out) >= maxOut:
		return Flush
	case s.xfer != nil:
		return transferring
	}
	return Continue
}

// maxOut is how many reply bytes pile up before commands are left waiting.
const maxOut = 16 << 10

// Resume goes on after Work, or after a Flush: it says what the command that
// has ended asks for, or executes the commands that were queued until one of
// them has to wait.
func (s *Session) Resume() Action {
	for {
		if act := s.after(); act != Continue {
			return s.public(act)
		}
		verb, arg, err, ok := s.queue.pop()
		if !ok {
			return Continue
		}
		s.more = s.queue.len() > 0 || s.dec.Partial() || s.unfed
		if act := s.execute(verb, arg, err); act != Continue && act != transferring {
			return act
		}
	}
}

// Work runs the command that asked for it. It may block. The session belongs
// to the caller's goroutine until it returns.
func (s *Session) Work() {
	row, arg := s.row, s.arg
	s.arg = ""
	s.finish(row, row.run, arg)
	s.row = nil
}

// Wake is when Expire is due, the zero time when nothing waits.
func (s *Session) Wake() time.Time { return s.wake }

// Expire goes on with the command that waited for Wake: PASS after failed
// logins (RFC 2577 section 5).
func (s *Session) Expire(now time.Time) Action {
	if now.Before(s.wake) {
		return Wait
	}
	s.wake = time.Time{}
	return s.Resume()
}

// Stop says 421 with the reason and closes: a time limit, a flood, the server
// going down (RFC 959 section 4.2.1: any command may get 421). Nothing is
// said before the greeting.
func (s *Session) Stop(reason string) Action {
	if s.state == stateClosed || s.state == stateSilent {
		s.state = stateClosed
		return Close
	}
	s.say(codec.C421Closing, reason)
	s.state = stateClosed
	return Close
}

// Ended tells, while a transfer runs, that the client sends no more and that all of it
// was fed. A transfer behind which QUIT waits goes on, another is aborted (RFC 959
// section 4.1.1).
func (s *Session) Ended() {
	if s.xfer != nil && !s.queue.has(verbQUIT) {
		s.peer.Data.Abort()
	}
}

// More reports whether something waits behind the command that runs.
func (s *Session) More() bool { return s.queue.len() > 0 || s.unfed }

// Gone releases everything once the control connection is lost or closed: a
// running transfer is aborted (RFC 959 section 4.1.1: as ABOR and QUIT), the
// file system is closed. No call follows, but for a TransferDone, which does
// nothing more than the bookkeeping.
func (s *Session) Gone() {
	s.cancel()
	s.state = stateClosed
	if s.peer.Data != nil {
		if s.xfer != nil {
			s.peer.Data.Abort()
		}
		s.peer.Data.Drop()
	}
	s.closeFS()
	s.out, s.queue = nil, queue{}
}

// closeFS lets go of the user's root. Open files stay usable.
func (s *Session) closeFS() {
	if s.fs == nil {
		return
	}
	if err := s.fs.Close(); err != nil {
		s.log().Error("close root", slog.Any("err", err))
	}
	s.fs = nil
}

// reset puts the registers to what they are before USER. AUTH and REIN do it
// (RFC 4217 section 4.2, RFC 959 section 4.1.1). HOST and OPTS may come before
// AUTH, so what they set is not among them: see forget.
func (s *Session) reset() {
	if s.peer.Data != nil {
		s.peer.Data.Drop()
	}
	s.closeFS()
	s.name, s.user = "", nil
	s.cwd = storage.Root
	s.prot, s.pbsz = Clear, false
	s.binary, s.deflate, s.level, s.epsvAll = false, false, defaultLevel, false
	s.restart, s.rangeEnd, s.from, s.allo, s.idle = 0, 0, "", 0, 0
	s.umask = s.cfg.Umask
}

// forget puts back what AUTH keeps and REIN does not (RFC 7151 section 3.2.1,
// RFC 3659 section 7.9).
func (s *Session) forget() {
	s.host, s.serverName = "", ""
	s.ended = false
	s.facts, s.hash = codec.AllFacts, sha256Hash
}

// log is the session's logger. It carries the connection's id and address.
func (s *Session) log() *slog.Logger { return s.peer.Log() }

// Peer is what a session knows of its connection.
type Peer struct {
	Remote netip.AddrPort // the client, unmapped and without a zone
	Local  netip.AddrPort // where it connected to, unmapped
	Data   DataPlane
	Log    func() *slog.Logger // with the connection's id and address; made a line, for most sessions only wait
}
