package config

import (
	"fmt"
	"time"
)

// key is one row of the table. An empty doc hides nothing: every key has one.
type key struct {
	name  string // dotted
	def   string // as text
	value value
	doc   string
}

// section describes a table of the file.
type section struct{ name, doc string }

var sections = []section{
	{"", "Top of the file."},
	{"listen", "One [[listen]] for each address. A file with at least one replaces the default two. " +
		"In the environment and in flags, listen.0.addr is the first one's address, and listen is all of them: \":21,ftps://:990\"."},
	{"tls", "Certificates and policy of all TLS connections. Suites, groups and ALPN are fixed: ECDHE with AES-GCM or ChaCha20-Poly1305."},
	{"passive", "Data connections that the client opens (PASV, EPSV)."},
	{"active", "Data connections that the server opens (PORT, EPRT), only ever to the client's own address and to ports from 1024."},
	{"limits", "Every limit counts in fastftps_limits_hit_total under its own name when it bites; passive.ports and the connect timeouts as passive_ports and data_connect_timeout."},
	{"auth", "Who may log in."},
	{"storage", "What they see."},
	{"log", "The server's log."},
	{"metrics", "Prometheus metrics and health over HTTP."},
}

const (
	modeExplicit = "explicit"
	modeImplicit = "implicit"
	modePlain    = "plain"

	day = 24 * time.Hour
	kib = int64(1) << 10
	mib = int64(1) << 20
	tib = int64(1) << 40

	// minMemory is the least budget that makes sense: a few buffers of the
	// largest size that a transfer grows to.
	minMemory = mib
)

// keys returns the table; its values point into c.
func (c *Config) keys() []key {
	rows := []key{
		{"version", "1", integer(&c.Version, 1, 1), "Version of the format."},
		{
			"state_dir", "", str(&c.StateDir, "folder, absolute", absOrEmpty),
			"Where the server keeps what it makes itself: the self-signed certificate. Empty: $STATE_DIRECTORY (systemd), else $XDG_STATE_HOME/fastftps, else ~/.local/state/fastftps.",
		},
	}
	for i := range c.Listen {
		rows = append(rows, c.Listen[i].keys(fmt.Sprintf("listen.%d.", i))...)
	}
	for _, part := range [][]key{
		c.TLS.keys(), c.Passive.keys(), c.Active.keys(), c.Limits.keys(), c.Auth.keys(),
		c.Storage.keys(), c.Log.keys(), c.Metrics.keys(),
	} {
		rows = append(rows, part...)
	}
	return rows
}

func (l *Listen) keys(prefix string) []key {
	return []key{
		{prefix + "addr", ":21", str(&l.Addr, "host:port", checkAddr), "IP address and port; without an address all of them, with 0.0.0.0 those of IPv4, with [::] those of IPv6."},
		{
			prefix + "mode", modeExplicit, enum(&l.Mode, modeExplicit, modeImplicit, modePlain),
			"explicit: clear until AUTH TLS (RFC 4217). implicit: TLS from the first byte. plain: no TLS is offered.",
		},
		{prefix + "require_tls", "true", boolean(&l.RequireTLS), "explicit: USER before AUTH TLS is answered 530."},
	}
}

func (t *TLS) keys() []key {
	return []key{
		{"tls.cert", "", files(&t.Cert), "PEM file with the certificate and its chain; several for ECDSA and RSA side by side. Read again at SIGHUP. Empty: a self-signed one is made and kept in state_dir."},
		{"tls.key", "", files(&t.Key), "PEM file with the private key, one for each certificate and in the same order."},
		{"tls.min", "1.2", enum(&t.Min, "1.2", "1.3"), "Lowest TLS version."},
		{"tls.max", "1.3", enum(&t.Max, "1.2", "1.3"), "Highest TLS version."},
		{
			"tls.data_tls_reuse", "bound", enum(&t.DataReuse, "bound", "required", "off"),
			"What a private data connection must resume. bound: a ticket must be this session's, a full handshake is taken too (and counted). required: it must resume, else 522; Python's ftplib and curl with TLS 1.2 cannot. off: nothing can be resumed, each data connection makes a full handshake, and none is checked.",
		},
		{
			"tls.upload_close", "strict", enum(&t.UploadClose, "strict", "warn", "off"),
			"An upload whose TLS ends without close_notify may be cut short. strict: 426, nothing is stored. warn: 226 and a log line. off: 226. Users can have their own.",
		},
		{"tls.prot_c", "allow", enum(&t.ProtC, "allow", "deny"), "Data connections in clear after PROT C (RFC 4217 section 9). deny leaves a plain listener no transfer at all, which is a fault."},
		{
			"tls.engine", "fast", enum(&t.Engine, "fast", "std"),
			"Who seals and opens TLS records, after a handshake that is always Go's crypto/tls. fast: the server itself for the AES-GCM suites, with fewer copies and half the memory for an idle session; a download over TLS 1.2 then ends at 362 GiB, what one key may seal. std: crypto/tls.",
		},
		{
			"tls.ktls", "auto", enum(&t.KTLS, "auto", "on", "off"),
			"Whether the kernel seals downloads under TLS: those of 64 KiB to 64 GiB, in TYPE I, MODE S and an AES-GCM suite. The file then goes by sendfile and takes none of the server's memory. auto: if it can, which is tried at the start; the log says the outcome. on: the server does not start without. off: never. It takes Linux with its module loaded (modprobe tls), and engine fast.",
		},
		{"tls.ccc", "false", boolean(&t.CCC), "CCC: the control connection goes back to clear text after login. Explicit listeners only."},
		{"tls.lenient_pbsz", "false", boolean(&t.LenientPBSZ), "Take PROT without PBSZ before it, which RFC 4217 section 9 forbids. Implicit listeners always do."},
	}
}

func (p *Passive) keys() []key {
	return []key{
		{
			"passive.ports", "50000-50099", ports(&p.Ports),
			"Ports for data connections. One port serves many clients at once, as long as their addresses differ. auto: whatever the kernel gives.",
		},
		{
			"passive.advertise", "auto", advertise(&p.Advertise),
			"Address in the reply to PASV. auto: the one that the client connected to. Behind NAT: the public address, with exceptions for networks that reach the server directly.",
		},
		{"passive.connect_timeout", "30s", duration(&p.ConnectTimeout, time.Second, 10*time.Minute), "How long a transfer waits for the client's connection; then 425."},
	}
}

func (a *Active) keys() []key {
	return []key{
		{"active.connect_timeout", "15s", duration(&a.ConnectTimeout, time.Second, 10*time.Minute), "How long connecting to the client may take; then 425."},
		{"active.source_989", "true", boolean(&a.Source989), "Implicit listeners connect from port 989, when it can be bound."},
	}
}

func (l *Limits) keys() []key {
	const ms = time.Millisecond
	return []key{
		{"limits.max_sessions", "10000", integer(&l.MaxSessions, 1, 10_000_000), "Sessions at once; at most four fifths of RLIMIT_NOFILE."},
		{"limits.max_sessions_per_ip", "64", integer(&l.MaxSessionsPerIP, 0, 10_000_000), "Sessions of one address, or IPv6 /64, at once; 0: no bound."},
		{"limits.accept_rate_per_ip", "50", integer(&l.AcceptRatePerIP, 0, 1_000_000), "New sessions of one address, or IPv6 /64, a second; 0: no bound."},
		{"limits.max_handshakes", "2048", integer(&l.MaxHandshakes, 1, 1_000_000), "TLS handshakes under way at once on control connections; more wait."},
		{"limits.max_early_handshakes", "512", integer(&l.MaxEarlyHandshakes, 1, 1_000_000), "TLS handshakes under way at once on data connections whose transfer command has not come, or on a passive port that several sessions of an address share; one address, or IPv6 /64, has at most a quarter of them. More wait for their command, or on a shared port are closed."},
		{"limits.max_transfers", "10000", integer(&l.MaxTransfers, 1, 1_000_000), "Transfers at once; then 450. Less when RLIMIT_NOFILE leaves less, at five descriptors each."},

		{"limits.handshake_timeout", "15s", duration(&l.HandshakeTimeout, 100*ms, 10*time.Minute), "For a TLS handshake on the control connection."},
		{"limits.login_timeout", "60s", duration(&l.LoginTimeout, time.Second, time.Hour), "From the connection to the end of the login; then 421."},
		{"limits.idle_timeout", "5m", duration(&l.IdleTimeout, time.Second, 7*day), "Without a command and without a transfer; then 421."},
		{"limits.max_idle", "1h", duration(&l.MaxIdle, time.Second, 7*day), "Most that a client can set with SITE IDLE."},
		{"limits.data_handshake_timeout", "15s", duration(&l.DataHandshakeTimeout, 100*ms, 10*time.Minute), "For a TLS handshake on a data connection; then 522."},
		{"limits.stall_timeout", "2m", duration(&l.StallTimeout, time.Second, 7*day), "A transfer in which no byte moves; then 426."},
		{"limits.lease_timeout", "60s", duration(&l.LeaseTimeout, time.Second, time.Hour), "How long a passive endpoint waits for a transfer command."},
		{"limits.drain_timeout", "30s", duration(&l.DrainTimeout, 0, day), "How long transfers may go on after SIGTERM."},
		{"limits.write_timeout", "10s", duration(&l.WriteTimeout, 100*ms, 10*time.Minute), "For a client that does not read its replies."},

		{"limits.max_login_attempts", "3", integer(&l.MaxLoginAttempts, 1, 1000), "Failed logins in one session; then 421."},
		{"limits.max_bad_commands", "10", integer(&l.MaxBadCommands, 1, 1_000_000), "Unknown commands before the login; then the connection is closed."},
		{"limits.max_pending_input", "16KiB", size(&l.MaxPendingInput, 4*kib, mib, ""), "Commands sent ahead while another runs, in bytes; more closes the connection with 421."},
		{"limits.max_pending_commands", "64", integer(&l.MaxPendingCommands, 1, 65536), "Commands sent ahead while another runs."},
		{"limits.max_glob", "10000", integer(&l.MaxGlob, 1, 10_000_000), "Names that one pattern of a listing shows; the listing ends there."},
		{"limits.max_text_size", "10MiB", size(&l.MaxTextSize, 0, tib, ""), "Largest file that is read through to answer SIZE in TYPE A."},
		{"limits.max_digest", "none", size(&l.MaxDigest, 1, 1024*tib, "none"), "Bytes that one HASH or XCRC may read."},
		{"limits.max_upload", "none", size(&l.MaxUpload, 1, 1024*tib, "none"), "Bytes of one upload; more is answered 552."},

		{"limits.memory", "auto", size(&l.Memory, minMemory, 1024*tib, "auto"), "Buffers of all transfers together. A transfer that gets none waits. auto: a quarter of the cgroup's limit or of the machine's memory."},
		{"limits.fs_workers", "64", integer(&l.FSWorkers, 1, 65536), "Storage commands at once. More wait in line."},
		{"limits.digest_workers", "0", integer(&l.DigestWorkers, 0, 4096), "Files read through at once for HASH, the X commands and SIZE in TYPE A. More wait in line, and no other command waits for them. 0: one for each core."},
		{"limits.cpu_workers", "0", integer(&l.CPUWorkers, 0, 4096), "TLS handshakes computed at once; 0: two for each core."},
		{"limits.hash_workers", "0", integer(&l.HashWorkers, 0, 4096), "Password hashes computed at once; each takes 19 MiB. 0: one less than cores."},
		{"limits.hash_queue", "256", integer(&l.HashQueue, 1, 1_000_000), "Logins that wait for a password hash; then 421."},
		{"limits.hash_wait", "10s", duration(&l.HashWait, 100*ms, 10*time.Minute), "How long one waits at most."},
	}
}

func (a *Auth) keys() []key {
	return []key{
		{"auth.users", "/etc/fastftps/users.toml", str(&a.Users, "file name, absolute", absOrEmpty), "The users file; see \"fastftps user\". Read again at SIGHUP. Nobody but its owner may write it, nobody but owner and group may read it."},
		{"auth.credential_cache", "2m", duration(&a.CredentialCache, 0, day), "A password that was right is remembered this long, as a keyed hash, so that the next session costs no password hash. 0s: never."},
		{"auth.credential_entries", "10000", integer(&a.CredentialEntries, 1, 10_000_000), "And at most so many."},
		{"auth.failure_delay", "1s", duration(&a.FailureDelay, 0, time.Minute), "How long an address that failed to log in waits for its next answer, right or wrong, doubled with each further failure. Its logins take turns over all its connections; one that would wait too long is answered 421. 0s: no delay."},
		{"auth.failure_delay_max", "30s", duration(&a.FailureDelayMax, 0, 10*time.Minute), "Most that it grows to, and most that a login waits. A user name as such is never delayed for more than 5s, and never locked."},
		{"auth.failure_decay", "5m", duration(&a.FailureDecay, time.Second, 7*day), "One failure is forgotten in this time."},
		{"auth.failure_entries", "100000", integer(&a.FailureEntries, 1, 10_000_000), "Addresses and names remembered."},
		{"auth.ban_after", "0", integer(&a.BanAfter, 0, 1_000_000), "Failures of one address within ban_window that ban it; 0: nobody is banned."},
		{"auth.ban_window", "10m", duration(&a.BanWindow, time.Second, 7*day), "See ban_after."},
		{"auth.ban_time", "15m", duration(&a.BanTime, time.Second, 365*day), "How long a ban lasts."},
		{"auth.anonymous", "", str(&a.Anonymous, "folder, absolute", absOrEmpty), "Folder that the users \"anonymous\" and \"ftp\" may read with any password; empty: no such users."},
	}
}

func (s *Storage) keys() []key {
	return []key{
		{"storage.root", "/srv/ftp/{user}", str(&s.Root, "folder, absolute", rootTemplate), "Home of users that have none of their own; {user} is the user's name."},
		{"storage.umask", "0o027", umask(&s.Umask), "Permission bits that new files and folders do not get: of 0666 and 0777 what it leaves, whatever umask the server was started under."},
		{"storage.durability", "none", enum(&s.Durability, "none", "fsync"), "fsync: an upload is on the disk before 226."},
		{"storage.mode_z", "true", boolean(&s.ModeZ), "Offer MODE Z: transfers compressed with deflate."},
		{"storage.hide_dotfiles", "false", boolean(&s.HideDotfiles), "LIST, NLST and STAT leave out names that begin with a dot, unless -a, -A or a pattern such as .* asks for them. MLSD has no options and shows them always. It hides, it protects nothing."},
	}
}

func (l *Log) keys() []key {
	return []key{
		{"log.level", "info", enum(&l.Level, "debug", "info", "warn", "error"), "Least level that is written."},
		{"log.format", "text", enum(&l.Format, "json", "text"), "json: one object a line. text: key=value."},
		{"log.output", "stderr", str(&l.Output, "stderr | stdout | file name, absolute", logOutput), "Where to; a file is opened again at SIGHUP, a new one has mode 0640."},
	}
}

func (m *Metrics) keys() []key {
	return []key{
		{"metrics.addr", "", str(&m.Addr, "host:port", addrOrEmpty), "Address for /metrics, /healthz and /readyz, as 127.0.0.1:9821, with 0.0.0.0 all of IPv4, with [::] all of IPv6; empty: off. /healthz answers 503 when the clock of the control connections has stood still for 5s, /readyz while the server drains and while max_sessions is reached."},
	}
}
