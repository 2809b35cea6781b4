package dataplane

import (
	"io"
	"time"

	"fastftps/storage"
)

// Job is one transfer: exactly one of File, Upload and Listing is set. From a
// successful Channel.Start on the data plane owns and ends them.
type Job struct {
	File    storage.File   // RETR: read from Offset, Length bytes
	Upload  storage.Upload // STOR, STOU, APPE: committed when the peer ended cleanly
	Listing Listing        // LIST, NLST, MLSD

	Offset int64 // first byte of File to send; the data plane seeks
	Length int64 // bytes of File to send; a file that holds less is CauseShort

	Private bool // PROT P: TLS on the data connection
	ASCII   bool // TYPE A: line ends of File or Upload are converted; listings come converted
	Deflate int  // MODE Z: compression level 1-9, 0 for MODE S

	Close    CloseRule // what an upload whose TLS ends without close_notify is worth
	MaxBytes int64     // bytes that an upload may store; 0 means no bound
}

// Listing produces the bytes of a listing, as lines with CRLF. Read gives what is
// at hand and blocks on the disk only when that is nothing.
type Listing interface {
	io.ReadCloser
	// Memory returns how many bytes it holds from the first Read to Close.
	Memory() int64
}

// CloseRule is the policy for an upload that ends without close_notify
// (RFC 4217 section 12.5: truncation). It concerns MODE S under PROT P only:
// without TLS a FIN is the one end mark there is, and a whole MODE Z stream
// carries its own end inside of TLS.
type CloseRule uint8

// The rules; Strict is the default.
const (
	CloseStrict CloseRule = iota // CauseNoCloseNotify, nothing published
	CloseWarn                    // CauseOK, counted
	CloseOff                     // CauseOK
)

// Cause says why a transfer ended.
type Cause uint8

// The causes and the completion replies that a session makes of them.
const (
	CauseOK            Cause = iota // 226
	CauseNoConn                     // 425: the peer did not connect, or could not be reached, in time
	CauseNoPort                     // 425
	CauseTLS                        // 522: the data connection's handshake failed or timed out
	CauseNotResumed                 // 522: ReuseRequired, and the ticket was not this session's
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
	causes                          // how many there are
)

var causeNames = [causes]string{
	"ok", "no_conn", "no_port", "tls", "not_resumed", "cut", "no_close_notify", "stalled", "aborted",
	"read", "short", "write", "no_space", "quota", "exists", "corrupt", "shutdown", "panic",
}

// String returns the name that logs and metrics use.
func (c Cause) String() string {
	if c < causes {
		return causeNames[c]
	}
	return "unknown"
}

// Causes is the number of causes: Cause values are below it.
const Causes = int(causes)

// Result is how a transfer ended.
type Result struct {
	Cause Cause
	Err   error // for the log, never for the client: it may hold host paths

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
