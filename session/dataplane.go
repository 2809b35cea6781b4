package session

import (
	"errors"
	"io"
	"net/netip"
	"time"

	"fastftps/storage"
)

// DataPlane is what a session asks of the data connections. One value belongs
// to one session; the engine makes it. Calls return at once: they neither wait
// for the peer nor for a disk. They are made by whoever owns the session at
// that moment, never by two goroutines at a time.
//
// A session has at most one endpoint (set by Passive or Active) and at most one
// transfer. A new endpoint replaces the old one; Start uses the endpoint up.
type DataPlane interface {
	// Passive takes a port on which the peer will connect and returns the
	// address to advertise in 227 (for 229 only its port is used). private is
	// the protection as it stands. An error when none is free: the reply is 425.
	Passive(private bool) (netip.AddrPort, error)
	// Active remembers where to connect to. The session has checked the
	// address (RFC 2577 section 3).
	Active(to netip.AddrPort)
	// Armed reports whether an endpoint is set.
	Armed() bool
	// Drop forgets the endpoint and closes whatever waits on it.
	Drop()
	// Start begins the transfer. Its end comes as exactly one
	// Session.TransferDone, never during Start itself. The data plane owns
	// j.File, j.Upload and j.Listing from here on and ends them. After an error
	// the caller still owns them and the endpoint: ErrNoEndpoint if that has
	// lapsed since Armed, anything else is for want of room.
	Start(j Job) error
	// Abort ends the running transfer early with CauseAborted, unless it
	// was already over. TransferDone still comes.
	Abort()
	// Progress returns the file bytes moved by the running transfer.
	Progress() int64
}

// ErrNoEndpoint is returned by DataPlane.Start when there is nothing to connect by.
var ErrNoEndpoint = errors.New("the data endpoint has lapsed")

// Job is one transfer: exactly one of File, Upload and Listing is set.
type Job struct {
	File    storage.File   // RETR: read from Offset, Length bytes
	Upload  storage.Upload // STOR, STOU, APPE: committed when the peer ended cleanly
	Listing Listing        // LIST, NLST, MLSD

	Offset int64 // first byte of File to send; the data plane seeks
	Length int64 // bytes of File to send, as the file's size was when it was opened: less is CauseShort

	Private bool // PROT P: TLS on the data connection
	ASCII   bool // TYPE A: convert line ends of File or Upload; listings come converted
	Deflate int  // MODE Z: compression level 1-9, 0 for MODE S

	// Close says what an upload whose TLS ends without close_notify is worth.
	Close CloseRule
	// MaxBytes bounds what an upload may store; 0 means no bound.
	MaxBytes int64
}

// Listing produces the bytes of a listing, as lines with CRLF. Read gives what is
// at hand and blocks on the disk only when that is nothing.
type Listing interface {
	io.ReadCloser
	// Memory returns how many bytes it holds from the first Read to Close.
	Memory() int64
}

// CloseRule is the policy for an upload that ends without close_notify
// (RFC 4217 section 12.5: truncation).
type CloseRule uint8

// The rules; Strict is the default.
const (
	CloseStrict CloseRule = iota // 426, nothing published
	CloseWarn                    // 226, logged and counted
	CloseOff                     // 226
)

// Cause says why a transfer ended.
type Cause uint8

// The causes and the completion replies that the session makes of them.
const (
	CauseOK            Cause = iota // 226
	CauseNoConn                     // 425: the peer did not connect, or could not be reached, in time
	CauseNoPort                     // 425
	CauseTLS                        // 522: the data connection's handshake failed or timed out
	CauseNotResumed                 // 522: data_tls_reuse = "required" and the ticket was not this session's
	CauseCut                        // 426: the peer closed or reset the connection early
	CauseNoCloseNotify              // 426: an upload ended without close_notify
	CauseStalled                    // 426: no byte moved within the stall limit
	CauseAborted                    // 426: Abort
	CauseRead                       // 451: reading the file failed
	CauseShort                      // 451: the file shrank during its download
	CauseWrite                      // 451: writing, syncing or publishing the file failed
	CauseNoSpace                    // 452
	CauseQuota                      // 552
	CauseExists                     // 553: an exclusive name was taken meanwhile
	CauseCorrupt                    // 451: the MODE Z stream is damaged
	CauseShutdown                   // 426: the server is going down
	CausePanic                      // 451: a fault of ours
)

// Result is how a transfer ended.
type Result struct {
	Cause Cause
	Err   error // for the log, never for the client

	Bytes     int64         // file bytes moved, before compression and encryption
	Duration  time.Duration // from Start to the end
	FirstByte time.Duration // from Start to the first byte moved; 0 when none was

	// Of the data connection, for the log.
	TLSVersion  string
	Cipher      string
	Engine      string // who sealed and opened the records: "fast", "std", "unfit", "kernel"
	Resumed     bool
	Bound       bool // resumed with this session's own ticket
	CloseNotify bool // the peer ended its side with close_notify
}
