package session

import (
	"errors"
	"log/slog"
	"time"

	"fastftps/codec"
	"fastftps/storage"
)

// transfer is the running transfer as the session sees it.
type transfer struct {
	verb    codec.Verb
	path    storage.Path
	private bool
	warn    bool   // an end without close_notify is told of in the log
	name    string // what STOU made up, for its 226
	started time.Time
}

// start hands a job to the data plane and answers with the mark. The caller
// has made all checks; on overload what was opened is let go of again.
func (s *Session) start(x transfer, j Job, mark string) (reply, error) {
	j.Private = s.prot == Private
	j.Close = s.closeRule()
	if s.deflate {
		j.Deflate = int(s.level)
	}
	x.private, x.started = j.Private, s.cfg.Now()
	x.warn = j.Upload != nil && j.Private && j.Deflate == 0 && j.Close == CloseWarn // MODE Z has an end of its own
	if err := s.peer.Data.Start(j); err != nil {
		s.log().Warn("transfer refused", slog.Any("err", err))
		release(j)
		if errors.Is(err, ErrNoEndpoint) {
			return reply{codec.C425NoData, "Use PORT or PASV first"}, nil
		}
		return reply{codec.C450Busy, "Too many transfers, try again"}, nil
	}
	s.xfer = &x
	if s.queue.has(verbABOR) {
		s.peer.Data.Abort()
	}
	return reply{codec.C150Mark, mark}, nil
}

// closeRule is the user's rule for uploads without close_notify, or else the
// listener's.
func (s *Session) closeRule() CloseRule {
	switch s.user.UploadClose {
	case "strict":
		return CloseStrict
	case "warn":
		return CloseWarn
	case "off":
		return CloseOff
	}
	return s.cfg.UploadClose
}

// release ends what a job would have used.
func release(j Job) {
	switch {
	case j.File != nil:
		j.File.Close()
	case j.Upload != nil:
		j.Upload.Discard()
	case j.Listing != nil:
		j.Listing.Close()
	}
}

// TransferDone tells how the running transfer ended. It appends the completion
// reply and goes on with the commands that arrived meanwhile.
func (s *Session) TransferDone(r Result) Action {
	x := s.xfer
	s.xfer = nil
	s.logTransfer(x, r)
	if s.state == stateClosed {
		return Close
	}
	rep := completion(r, x)
	s.say(rep.code, rep.text)
	s.report(lookup(x.verb), rep.code)
	return s.Resume()
}

// logTransfer writes the transfer's log line and tells Events.
func (s *Session) logTransfer(x *transfer, r Result) {
	level := slog.LevelInfo
	if r.Cause == CausePanic || r.Cause == CauseRead || r.Cause == CauseWrite {
		level = slog.LevelError
	}
	s.log().LogAttrs(s.ctx, level, "transfer",
		slog.String("cmd", x.verb.String()), slog.String("path", string(x.path)),
		slog.String("user", s.User()), slog.String("result", r.Cause.String()),
		slog.Int64("bytes", r.Bytes), slog.Int64("dur_ms", r.Duration.Milliseconds()),
		slog.Int64("first_byte_ms", r.FirstByte.Milliseconds()),
		slog.String("prot", protName(x.private)), slog.String("tls_version", r.TLSVersion),
		slog.String("cipher", r.Cipher), slog.String("engine", r.Engine), slog.Bool("resumed", r.Resumed), slog.Bool("bound", r.Bound),
		slog.Bool("close_notify", r.CloseNotify), slog.Any("err", r.Err))
	if x.warn && r.Cause == CauseOK && !r.CloseNotify {
		s.log().Warn("upload ended without close_notify, it may be cut short",
			slog.String("user", s.User()), slog.String("path", string(x.path)), slog.Int64("bytes", r.Bytes))
	}
	if s.cfg.Events != nil {
		s.cfg.Events.Transfer(TransferInfo{Verb: x.verb, Path: x.path, Private: x.private, Result: r})
	}
}

// protName is the PROT argument of a protection level.
func protName(private bool) string {
	if private {
		return "P"
	}
	return "C"
}

// completions maps the cause of a transfer's end to its reply.
var completions = map[Cause]reply{
	CauseOK:            {codec.C226Done, "Transfer complete"},
	CauseNoConn:        {codec.C425NoData, "No data connection was made in time"},
	CauseNoPort:        {codec.C425NoData, "No data port is free"},
	CauseTLS:           {codec.C522DataRefused, "No TLS on the data connection: start it there, or send PROT C"},
	CauseNotResumed:    {codec.C522DataRefused, "TLS session of the control connection must be resumed"},
	CauseCut:           {codec.C426Aborted, "Data connection closed before the transfer was complete"},
	CauseNoCloseNotify: {codec.C426Aborted, "Data connection ended without close_notify, upload refused"},
	CauseStalled:       {codec.C426Aborted, "Data connection stalled"},
	CauseAborted:       {codec.C426Aborted, "Transfer aborted"},
	CauseRead:          {codec.C451LocalError, "Reading the file failed"},
	CauseShort:         {codec.C451LocalError, "File became shorter during the transfer"},
	CauseWrite:         {codec.C451LocalError, "Writing the file failed"},
	CauseNoSpace:       {codec.C452NoSpace, "No space left"},
	CauseQuota:         {codec.C552Quota, "Quota exceeded"},
	CauseExists:        {codec.C553BadName, "File exists"},
	CauseCorrupt:       {codec.C451LocalError, "Compressed data is damaged"},
	CauseShutdown:      {codec.C426Aborted, "Server is going down"},
	CausePanic:         {codec.C451LocalError, "Local error"},
}

// completion is the completion reply of a transfer.
func completion(r Result, x *transfer) reply {
	rep := completions[r.Cause]
	if r.Cause == CauseOK && x.name != "" {
		rep.text = "Transfer complete, FILE: " + string(codec.AppendSafe(nil, x.name))
	}
	return rep
}

// causeNames are the values of the result key in logs and metrics.
var causeNames = [...]string{
	CauseOK: "ok", CauseNoConn: "no_connection", CauseNoPort: "no_port", CauseTLS: "tls", CauseNotResumed: "not_resumed",
	CauseCut: "cut", CauseNoCloseNotify: "no_close_notify", CauseStalled: "stalled", CauseAborted: "aborted",
	CauseRead: "read", CauseShort: "short", CauseWrite: "write", CauseNoSpace: "no_space", CauseQuota: "quota",
	CauseExists: "exists", CauseCorrupt: "corrupt", CauseShutdown: "shutdown", CausePanic: "panic",
}

// String is the cause's name in logs and metrics.
func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return "unknown"
}
