package codec

// Code is a reply code (RFC 959 section 4.2). Its first digit is what clients
// act on: 1 mark, 2 done, 3 go on, 4 failed for now, 5 failed.
type Code int

// The codes in use, with the events that call for them.
const (
	C150Mark Code = 150 // the transfer was accepted, the data connection comes next; 125 is never sent

	C200OK              Code = 200 // a parameter was set; PORT, NOOP, OPTS, PBSZ, PROT, CCC, SITE
	C202Superfluous     Code = 202 // ALLO, ACCT, PASS after a login by certificate
	C211Status          Code = 211 // FEAT; STAT of the session
	C212Directory       Code = 212 // STAT of a directory
	C213File            Code = 213 // STAT of a file; SIZE, MDTM, MFMT, HASH
	C214Help            Code = 214 // HELP
	C215System          Code = 215 // SYST
	C220Ready           Code = 220 // greeting; HOST, REIN
	C221Closing         Code = 221 // QUIT
	C225DataOpen        Code = 225 // ABOR with nothing to abort; legal, but 226 is what we send
	C226Done            Code = 226 // the transfer is over; ABOR was heard
	C227Passive         Code = 227 // PASV
	C229ExtendedPassive Code = 229 // EPSV (RFC 2428 section 3)
	C230LoggedIn        Code = 230 // USER, PASS
	C232Authorized      Code = 232 // USER, by client certificate (RFC 2228 section 4)
	C234StartTLS        Code = 234 // AUTH: the next bytes are TLS (RFC 4217 section 4)
	C250FileOK          Code = 250 // CWD, DELE, RMD, RNTO and the like; MLST
	C257Path            Code = 257 // PWD, MKD

	C331NeedPassword Code = 331 // USER, whether there is such a user or not (RFC 2577 section 7)
	C350Pending      Code = 350 // RNFR, REST, RANG, SITE CPFR: the next command decides

	C421Closing          Code = 421 // the connection ends: limits, timers, shutdown
	C425NoData           Code = 425 // no data connection
	C426Aborted          Code = 426 // the data connection was lost or the transfer aborted
	C431NoCertificate    Code = 431 // AUTH without a certificate to show (RFC 2228 section 3)
	C450Busy             Code = 450 // the file is busy; no data slot is free
	C451LocalError       Code = 451 // reading, writing or inflating failed here
	C452NoSpace          Code = 452 // the disk is full
	C500Unknown          Code = 500 // no such command; line too long
	C501BadArgument      Code = 501 // the argument cannot be read
	C502NotImplemented   Code = 502 // known, but not here or switched off
	C503BadSequence      Code = 503 // another command must come first
	C504BadParameter     Code = 504 // the argument is understood but not implemented
	C521NeedsProtection  Code = 521 // the protection level is too low (RFC 4217 section 10.2)
	C522DataRefused      Code = 522 // data TLS failed or was not resumed (RFC 4217 section 10.2); address family (RFC 2428 section 2)
	C530NotLoggedIn      Code = 530 // not logged in; TLS required first
	C533NotProtected     Code = 533 // CCC without TLS (RFC 2228 section 3)
	C534Policy           Code = 534 // refused by policy: AUTH when secured, CCC, PROT C (RFC 2228 section 3)
	C536ProtUnsupported  Code = 536 // PROT S, PROT E (RFC 2228 section 3)
	C537ProtNotPossible  Code = 537 // MIC, CONF, ENC (RFC 2228 section 3)
	C550Unavailable      Code = 550 // missing, denied, or not that kind of file
	C551WrongType        Code = 551 // HASH, RANG in this TYPE or MODE
	C552Quota            Code = 552 // over the quota
	C553BadName          Code = 553 // the name is not allowed
	C554BadRestart       Code = 554 // the restart point is not in the file
	C555RestartType      Code = 555 // a restart point needs TYPE I (RFC 3659 section 5.3)
	C556HashNotAvailable Code = 556 // HASH refused by policy
)
