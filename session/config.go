package session

import (
	"context"
	"net/netip"
	"time"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/metrics"
	"fastftps/storage"
)

// Config is what all sessions of one listener share. It is not changed once a
// session uses it; a reload makes a new one for new sessions.
type Config struct {
	Mode        Mode
	RequireTLS  bool // explicit: USER before AUTH is answered 530
	RequireProt bool // transfers in clear are answered 521, PROT C 534
	CCC         bool // explicit: CCC is allowed after login
	LenientPBSZ bool // PROT without PBSZ is taken (RFC 4217 section 9 forbids it)
	ModeZ       bool // MODE Z is offered
	HideDot     bool // names that start with a dot are listed with -a only
	CSID        bool // CSID is offered; it tells the version
	TrustHosts  []string

	Greeting string // text of the 220
	Version  string // for CSID

	// Auth checks passwords; OpenFS opens the jail of a user. Both may block.
	Auth   auth.Authenticator
	OpenFS func(ctx context.Context, u *auth.User) (storage.FS, error)
	// LoginTurn says when a password may be checked, the zero time for at
	// once; ok is false when it is not to be checked, for too many wait
	// already. LoginFailed and LoginOK tell it how logins end. Each may be
	// nil; they are asked on the event loop.
	LoginTurn   func(addr netip.Addr, user string) (at time.Time, ok bool)
	LoginFailed func(addr netip.Addr, user string)
	LoginOK     func(addr netip.Addr, user string)

	// Now is the clock for listings and delays.
	Now func() time.Time

	Umask       uint16        // permission bits taken from new files, e.g. 0o027
	Durable     bool          // files are on stable storage before 226
	UploadClose CloseRule     // what an upload without close_notify is worth
	MaxUpload   int64         // bytes one upload may store, 0 without bound
	MaxIdle     time.Duration // upper bound of SITE IDLE
	IdleTimeout time.Duration // what SITE IDLE shows when it was not set

	MaxAttempts        int // failed logins before 421
	MaxBadCommands     int // unknown commands before login, then the connection is closed
	MaxPendingCommands int // commands queued behind a transfer
	MaxPendingBytes    int // and their bytes
	MaxGlob            int // names that one pattern of a listing shows, 0 without bound

	MaxTextSize int64 // files up to this size are read for SIZE in TYPE A; the answer for others is 550
	MaxDigest   int64 // bytes that one HASH or XCRC may read, 0 without bound

	// Unique makes the part of a name that STOU adds; nil means a random one.
	Unique func() string

	Events Events
}

// Events is told what sessions do, for metrics and the transfer log. Calls
// come from whoever owns the session and must not block.
type Events interface {
	// Command reports an executed command and its completion code.
	Command(v metrics.Verb, code codec.Code)
	// Login reports the outcome of a PASS.
	Login(r metrics.LoginResult)
	// Transfer reports the end of a transfer.
	Transfer(t TransferInfo)
	// Rejected reports a client that is cut off: it does not speak FTP, or
	// crosses a border of TLS as no client does.
	Rejected(r metrics.Reject)
	// Limit reports that a limit was met.
	Limit(l metrics.Limit)
}

// TransferInfo describes a finished transfer to Events.
type TransferInfo struct {
	Verb    codec.Verb
	Path    storage.Path
	Private bool
	Result  Result
}
