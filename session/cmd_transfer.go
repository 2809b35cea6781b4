package session

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/metrics"
	"fastftps/storage"
)

// transferCommands move bytes on the data connection. Before their handlers
// run, the core has checked the protection level and that there is an endpoint;
// whatever they answer, the endpoint stays usable unless it is the mark.
func transferCommands() []command {
	return []command{
		{verb: verbRETR, flags: mayBlock | pathArg | argRequired | opensData, perm: auth.PermRead, usage: "RETR <file>", rfc: "RFC 959 section 4.1.3", run: (*Session).retrieve},
		{verb: verbSTOR, flags: mayBlock | pathArg | argRequired | opensData | modifies | namesNew, usage: "STOR <file>", rfc: "RFC 959 section 4.1.3", run: (*Session).store},
		{verb: verbSTOU, flags: mayBlock | pathArg | opensData | modifies | namesNew, perm: auth.PermWrite, usage: "STOU [<prefix>]", rfc: "RFC 959 section 4.1.3, RFC 1123 section 4.1.2.9", run: (*Session).storeUnique},
		{verb: verbAPPE, flags: mayBlock | pathArg | argRequired | opensData | modifies | namesNew, usage: "APPE <file>", rfc: "RFC 959 section 4.1.3", run: (*Session).appendFile},
		{verb: verbLIST, flags: mayBlock | pathArg | opensData, perm: auth.PermList, usage: "LIST [-aAld] [<path>]", rfc: "RFC 959 section 4.1.3", run: (*Session).list},
		{verb: verbNLST, flags: mayBlock | pathArg | opensData, perm: auth.PermList, usage: "NLST [-aAld] [<path>]", rfc: "RFC 959 section 4.1.3", run: (*Session).nameList},
		{verb: verbMLSD, flags: mayBlock | pathArg | opensData, perm: auth.PermList, usage: "MLSD [<directory>]", rfc: "RFC 3659 section 7", run: (*Session).machineList},
		{verb: verbABOR, usage: "ABOR", rfc: "RFC 959 section 4.1.3", run: (*Session).abort},
	}
}

var (
	verbRETR = codec.V("RETR")
	verbSTOR = codec.V("STOR")
	verbSTOU = codec.V("STOU")
	verbAPPE = codec.V("APPE")
	verbLIST = codec.V("LIST")
	verbNLST = codec.V("NLST")
	verbMLSD = codec.V("MLSD")
)

// retrieve sends a file, or what REST and RANG leave of it. In TYPE I the mark
// ends with the number of bytes to come, which clients read.
func (s *Session) retrieve(arg string) (reply, error) {
	p, err := s.path(arg)
	if err != nil {
		return reply{}, err
	}
	f, info, err := s.open(p)
	if err != nil {
		return reply{}, err
	}
	part, bad := s.part(info.Size)
	if bad.code != 0 {
		f.Close()
		return bad, nil
	}
	mark := "Opening data connection"
	if s.binary {
		mark = fmt.Sprintf("Opening data connection (%d bytes)", part.end-part.start)
	}
	return s.start(transfer{verb: verbRETR, path: p},
		Job{File: f, ASCII: !s.binary, Offset: part.start, Length: part.end - part.start}, mark)
}

// part is what REST and RANG select of a file of that size. The restart point
// may be the very end, not beyond (RFC 3659 section 5.3).
func (s *Session) part(size int64) (part span, bad reply) {
	if bad = s.restartBad(); bad.code != 0 {
		return part, bad
	}
	part = span{s.restart, size}
	if s.rangeEnd > 0 {
		part.end = min(size, s.rangeEnd)
	}
	if part.start > part.end {
		return part, reply{codec.C554BadRestart, "Restart point beyond the end of the file"}
	}
	return part, reply{}
}

// restartBad says why REST or RANG cannot be used: both count the bytes of a
// file, which TYPE A does not send one by one.
func (s *Session) restartBad() reply {
	switch {
	case s.rangeEnd > 0 && (!s.binary || s.deflate):
		return reply{codec.C551WrongType, "A range needs TYPE I and MODE S"}
	case s.restart > 0 && !s.binary:
		return reply{codec.C555RestartType, "REST needs TYPE I"}
	}
	return reply{}
}

// store stores a file. Without a restart point the file appears, or is
// replaced, when the transfer has succeeded; with one it is written in place,
// and bytes behind what is written stay.
func (s *Session) store(arg string) (reply, error) {
	return s.upload(verbSTOR, arg, func(p storage.Path) (storage.Upload, error) {
		if s.may(auth.PermWrite | auth.PermModify) { // no need to know whether it is there
			return s.fs.Create(p, s.createOptions(false))
		}
		exists, err := s.mayStore(p)
		if err != nil {
			return nil, err
		}
		return s.fs.Create(p, s.createOptions(!exists))
	})
}

// appendFile adds to a file in place. A new file appears when the transfer has
// succeeded.
func (s *Session) appendFile(arg string) (reply, error) {
	return s.upload(verbAPPE, arg, func(p storage.Path) (storage.Upload, error) {
		exists, err := s.mayStore(p)
		switch {
		case err != nil:
			return nil, err
		case exists:
			return s.fs.OpenWrite(p, -1, s.createOptions(false))
		}
		return s.fs.Create(p, s.createOptions(true))
	})
}

// upload starts STOR or APPE. A restart point or a range makes them the same
// (RFC 3659 section 5.3); without either, open opens the file.
func (s *Session) upload(verb codec.Verb, arg string, open func(p storage.Path) (storage.Upload, error)) (reply, error) {
	if bad := s.restartBad(); bad.code != 0 {
		return bad, nil
	}
	p, err := s.path(arg)
	if err != nil {
		return reply{}, err
	}
	if s.restart > 0 || s.rangeEnd > 0 {
		open = s.openAt
	}
	up, err := open(p)
	if err != nil {
		return reply{}, err
	}
	return s.receive(transfer{verb: verb, path: p}, up, "Opening data connection")
}

// openAt opens a file at the restart point.
func (s *Session) openAt(p storage.Path) (storage.Upload, error) {
	switch exists, err := s.mayStore(p); {
	case err != nil:
		return nil, err
	case s.restart > 0 && !exists:
		return nil, storage.ErrOffset
	}
	return s.fs.OpenWrite(p, s.restart, s.createOptions(false))
}

// mayStore checks that the user may store under p: a new name needs PermWrite,
// one that is taken PermModify and has to be a file's.
func (s *Session) mayStore(p storage.Path) (exists bool, err error) {
	info, err := s.fs.Stat(p)
	need := auth.PermModify
	switch {
	case errors.Is(err, fs.ErrNotExist):
		need = auth.PermWrite
	case err != nil:
		return false, err
	default:
		exists = true
	}
	if !s.may(need) {
		return exists, fs.ErrPermission
	}
	if exists {
		err = regular(info)
	} else {
		err = nil
	}
	return exists, err
}

// createOptions are those of a file that this session stores.
func (s *Session) createOptions(excl bool) storage.CreateOptions {
	return storage.CreateOptions{
		Excl:  excl,
		Perm:  s.unmasked(0o666),
		Fsync: s.cfg.Durable,
		Size:  s.announced(),
	}
}

// announced is the size that ALLO told, as far as one upload may go: the storage
// reserves it.
func (s *Session) announced() int64 {
	if s.cfg.MaxUpload > 0 {
		return min(s.allo, s.cfg.MaxUpload)
	}
	return s.allo
}

// receive hands an open upload to the data plane.
func (s *Session) receive(x transfer, up storage.Upload, mark string) (reply, error) {
	limit := s.uploadLimit(up.Offset())
	if limit < 0 {
		s.limit(metrics.LimitMaxUpload)
		return reply{}, errors.Join(storage.ErrQuota, up.Discard())
	}
	return s.start(x, Job{Upload: up, ASCII: !s.binary, MaxBytes: limit}, mark)
}

// uploadLimit is how many bytes may be written from off on: 0 without bound,
// negative when the file is full. A range ends the writing as MaxUpload does.
func (s *Session) uploadLimit(off int64) int64 {
	limit := int64(0)
	if s.rangeEnd > 0 {
		limit = s.rangeEnd - off
	}
	if s.cfg.MaxUpload == 0 {
		return limit
	}
	rest := s.cfg.MaxUpload - off
	switch {
	case rest <= 0:
		return -1
	case limit == 0:
		return rest
	}
	return min(limit, rest)
}

// maxUniqueTries is how many taken names STOU tries before it gives up.
const maxUniqueTries = 16

// storeUnique stores a file in the working directory under a name that nobody
// has. The mark tells the name in exactly this form (RFC 1123 section 4.1.2.9).
func (s *Session) storeUnique(prefix string) (reply, error) {
	switch {
	case s.restart > 0 || s.rangeEnd > 0:
		return reply{codec.C554BadRestart, "A new file has no restart point"}, nil
	case strings.Contains(prefix, "/"):
		return reply{}, storage.ErrName
	case prefix == "":
		prefix = "ftp"
	}
	err := error(fs.ErrExist)
	for try := 0; try < maxUniqueTries && errors.Is(err, fs.ErrExist); try++ {
		var p storage.Path
		if p, err = s.path(prefix + "." + s.unique()); err != nil {
			break
		}
		var up storage.Upload
		if up, err = s.fs.Create(p, s.createOptions(true)); err == nil {
			mark := "FILE: " + string(codec.AppendSafe(nil, p.Base()))
			return s.receive(transfer{verb: verbSTOU, path: p, name: p.Base()}, up, mark)
		}
	}
	return reply{}, err
}

// unique makes the part of a name that STOU adds.
func (s *Session) unique() string {
	if s.cfg.Unique != nil {
		return s.cfg.Unique()
	}
	return strings.ToLower(rand.Text()[:10])
}

// abort answers an ABOR that is executed in its turn: the transfer that it was
// for has ended by then. An endpoint that waits is given up (RFC 2428 section 3).
func (s *Session) abort(string) (reply, error) {
	s.peer.Data.Drop()
	return reply{codec.C226Done, "Abort done"}, nil
}
