package session

import (
	"errors"
	"io/fs"

	"fastftps/codec"
	"fastftps/listing"
	"fastftps/metrics"
	"fastftps/storage"
)

// list sends what is in a directory as ls -l shows it, always as text, whatever
// TYPE says (RFC 1123 section 4.1.2.7).
func (s *Session) list(arg string) (reply, error) {
	words, path := listing.ParseOptions(arg)
	return s.startListing(verbLIST, path, listing.Options{Format: listing.Long, Words: words})
}

// nameList sends names as RETR takes them. -l makes it a LIST, as clients have
// it that think of ls.
func (s *Session) nameList(arg string) (reply, error) {
	words, path := listing.ParseOptions(arg)
	o := listing.Options{Format: listing.Names, Words: words}
	if words.Long {
		o.Format = listing.Long
	}
	return s.startListing(verbNLST, path, o)
}

// machineList sends the facts of what is in a directory; a file is a wrong
// argument (RFC 3659 section 7.2.1).
func (s *Session) machineList(arg string) (reply, error) {
	r, err := s.startListing(verbMLSD, arg, listing.Options{Format: listing.Facts})
	if errors.Is(err, storage.ErrNotDir) {
		return reply{codec.C501BadArgument, "Not a directory"}, nil
	}
	return r, err
}

// startListing opens a listing, so that what is missing is known before the
// mark, and hands it to the data plane.
func (s *Session) startListing(verb codec.Verb, arg string, o listing.Options) (reply, error) {
	p, err := s.path(arg)
	if err != nil {
		return reply{}, err
	}
	o.Now, o.Facts, o.Rights, o.HideDot = s.cfg.Now(), s.facts, listing.Rights(s.user.Perms), s.cfg.HideDot
	o.MaxGlob, o.Limited = s.cfg.MaxGlob, s.globLimit
	l, err := listing.Open(s.fs, s.cwd, arg, o)
	if err != nil {
		return reply{}, err
	}
	return s.start(transfer{verb: verb, path: p}, Job{Listing: l}, "Opening data connection")
}

// globLimit reports a pattern that matches too much. The transfer's goroutine
// calls it.
func (s *Session) globLimit() { s.limit(metrics.LimitMaxGlob) }

// rights is what the perm fact of p may show.
func (s *Session) rights(p storage.Path) listing.Rights {
	may := listing.Rights(s.user.Perms)
	if p == storage.Root {
		return may.Top()
	}
	return may
}

// factsFeature lists the facts, those that are on with a star
// (RFC 3659 section 7.8).
func factsFeature(s *Session) []string {
	return []string{string(codec.AppendFactList([]byte("MLST "), s.facts))}
}

// describe states the facts of one file or directory on the control connection.
// A link that leads nowhere is described itself.
func (s *Session) describe(arg string) (reply, error) {
	p, err := s.path(arg)
	if err != nil {
		return reply{}, err
	}
	info, err := s.fs.Stat(p)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = s.fs.Lstat(p)
	}
	if err != nil {
		return reply{}, err
	}
	facts := listing.AppendFacts(nil, &info, s.facts, s.rights(p))
	s.sayLines(codec.C250FileOK, "Facts:", []string{string(codec.AppendSafe(append(facts, ' '), p))})
	return reply{codec.C250FileOK, "End"}, nil
}
