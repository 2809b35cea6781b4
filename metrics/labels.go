package metrics

import "slices"

// Each enumeration is a label with its closed set of values: the constants
// index the arrays of Server, the string table holds the values as written.

// SessionState says what a session is doing.
type SessionState uint8

// The states of a session. It enters Prelogin at its accept, Idle at 230, and
// goes to Transfer and back; REIN leads back to Prelogin.
const (
	StatePrelogin SessionState = iota
	StateIdle
	StateTransfer
	NumSessionStates
)

var sessionStates = [NumSessionStates]string{"prelogin", "idle", "transfer"}

// Mode is the kind of a listener.
type Mode uint8

// The modes of a listener.
const (
	ModeExplicit Mode = iota // AUTH TLS, RFC 4217
	ModeImplicit             // TLS from the first byte
	ModePlain                // no TLS at all
	NumModes
)

var modes = [NumModes]string{"explicit", "implicit", "plain"}

// Reject says why a control connection got no session, or lost it before login.
type Reject uint8

// The reasons for refusing a control connection.
const (
	RejectMaxSessions Reject = iota
	RejectMaxPerAddress
	RejectRate
	RejectBanned
	RejectDescriptors // no file descriptor left
	RejectDraining
	RejectProtocol  // HTTP, SMTP, TLS to an explicit port, clear text to an implicit one
	RejectInjection // bytes behind AUTH, CCC or REIN, where TLS begins or ends
	NumRejects
)

var rejects = [NumRejects]string{
	"max_sessions", "max_sessions_per_ip", "accept_rate", "banned",
	"descriptors", "draining", "wrong_protocol", "injection",
}

// Channel is the kind of a TLS connection.
type Channel uint8

// The channels.
const (
	ChannelControl Channel = iota
	ChannelData
	NumChannels
)

var channels = [NumChannels]string{"control", "data"}

// Engine is who seals and opens the records of a connection.
type Engine uint8

// The engines.
const (
	EngineFast Engine = iota
	EngineStd
	EngineUnfit  // std, though tls.engine = "fast" should have served it
	EngineKernel // downloads only
	NumEngines
)

var engines = [NumEngines]string{"fast", "std", "unfit", "kernel"}

// EngineOf returns the label of a name; false for names of none.
func EngineOf(name string) (Engine, bool) {
	i := slices.Index(engines[:], name)
	return Engine(max(i, 0)), i >= 0
}

// TLSVersion is a protocol version that a handshake can end with.
type TLSVersion uint8

// The versions.
const (
	TLS12 TLSVersion = iota
	TLS13
	TLSOther
	NumTLSVersions
)

var tlsVersions = [NumTLSVersions]string{"1.2", "1.3", "other"}

// TLSVersionOf returns the label of a version number of crypto/tls.
func TLSVersionOf(v uint16) TLSVersion {
	switch v {
	case 0x0303:
		return TLS12
	case 0x0304:
		return TLS13
	}
	return TLSOther
}

// HandshakeError says why a handshake failed.
type HandshakeError uint8

// The reasons for a failed handshake.
const (
	HandshakeNotTLS   HandshakeError = iota // the first bytes are no handshake record
	HandshakeTimeout                        // handshake_timeout, data_handshake_timeout
	HandshakeClosed                         // the peer went away
	HandshakeVersion                        // no common version
	HandshakeCipher                         // no common cipher suite or group
	HandshakeALPN                           // a protocol list without ftp
	HandshakeCert                           // the peer refused our certificate
	HandshakeNotBound                       // data_tls_reuse = "required" and not this session's ticket
	HandshakeOther
	NumHandshakeErrors
)

var handshakeErrors = [NumHandshakeErrors]string{
	"not_tls", "timeout", "closed", "version", "cipher", "alpn", "certificate", "not_resumed",
	"other",
}

// LoginResult is how a login ended.
type LoginResult uint8

// The results of a login.
const (
	LoginOK     LoginResult = iota
	LoginDenied             // 530
	LoginBusy               // the hash queue was full
	LoginSlowed             // not checked: too many of the address wait after failures
	LoginError              // the users could not be read, the home is missing
	LoginGone               // the client left before the answer
	NumLoginResults
)

var loginResults = [NumLoginResults]string{"ok", "denied", "busy", "slowed", "error", "gone"}

// Class is the first digit of a completion reply.
type Class uint8

// The classes of replies.
const (
	ClassNone Class = iota // no reply, or none of 2yz to 5yz
	Class2
	Class3
	Class4
	Class5
	NumClasses
)

var classes = [NumClasses]string{"none", "2xx", "3xx", "4xx", "5xx"}

// ClassOf returns the class of a reply code such as 226.
func ClassOf(code int) Class {
	if c := code / 100; c >= 2 && c <= 5 {
		return Class(c - 1)
	}
	return ClassNone
}

// Direction says which way file bytes go, as the client sees it.
type Direction uint8

// The directions.
const (
	Download Direction = iota // RETR
	Upload                    // STOR, STOU, APPE
	List                      // LIST, NLST, MLSD
	NumDirections
)

var directions = [NumDirections]string{"download", "upload", "list"}

// Prot is the protection level of a data connection (RFC 2228 section 3).
type Prot uint8

// The protection levels.
const (
	ProtClear Prot = iota
	ProtPrivate
	NumProts
)

var prots = [NumProts]string{"C", "P"}

// TransferResult is how a transfer ended.
type TransferResult uint8

// The results of a transfer.
const (
	TransferOK            TransferResult = iota // 226
	TransferNoConnection                        // 425
	TransferTLS                                 // 522
	TransferCut                                 // 426
	TransferNoCloseNotify                       // 426, an upload that may be truncated
	TransferStalled                             // 426
	TransferAborted                             // 426, ABOR
	TransferStorage                             // 451, 452, 552, 553
	TransferShutdown                            // 426
	TransferFault                               // 451, a fault of ours
	NumTransferResults
)

var transferResults = [NumTransferResults]string{
	"ok", "no_connection", "tls", "cut", "no_close_notify", "stalled", "aborted", "storage",
	"shutdown", "fault",
}

// Limit is a limit of the configuration; its label is its key. max_dials, the active
// connects under way at once, is fixed and has none.
type Limit uint8

// The limits.
const (
	LimitMaxSessions Limit = iota
	LimitMaxSessionsPerIP
	LimitAcceptRatePerIP
	LimitMaxHandshakes
	LimitMaxEarlyHandshakes
	LimitHandshakeTimeout
	LimitLoginTimeout
	LimitIdleTimeout
	LimitDataConnectTimeout
	LimitDataHandshakeTimeout
	LimitStallTimeout
	LimitLeaseTimeout
	LimitDrainTimeout
	LimitWriteTimeout
	LimitMaxLoginAttempts
	LimitMaxBadCommands
	LimitMaxLine
	LimitMaxPendingInput
	LimitMaxPendingCommands
	LimitMaxTransfers
	LimitMaxDials
	LimitMemory
	LimitFSWorkers
	LimitDigestWorkers
	LimitCPUWorkers
	LimitHashQueue
	LimitHashWait
	LimitPassivePorts
	LimitMaxUpload
	LimitMaxDigest
	LimitMaxGlob
	LimitMaxTextSize
	LimitMaxIdle
	NumLimits
)

var limits = [NumLimits]string{
	"max_sessions", "max_sessions_per_ip", "accept_rate_per_ip", "max_handshakes", "max_early_handshakes",
	"handshake_timeout", "login_timeout", "idle_timeout", "data_connect_timeout",
	"data_handshake_timeout", "stall_timeout", "lease_timeout", "drain_timeout", "write_timeout",
	"max_login_attempts", "max_bad_commands", "max_line", "max_pending_input",
	"max_pending_commands", "max_transfers", "max_dials", "memory", "fs_workers",
	"digest_workers", "cpu_workers", "hash_queue", "hash_wait", "passive_ports", "max_upload", "max_digest",
	"max_glob", "max_text_size", "max_idle",
}

// String returns the limit's key.
func (l Limit) String() string { return limits[l] }

// ReloadResult is how a reload ended.
type ReloadResult uint8

// The results of a reload.
const (
	ReloadOK ReloadResult = iota
	ReloadFailed
	NumReloadResults
)

var reloadResults = [NumReloadResults]string{"ok", "failed"}
