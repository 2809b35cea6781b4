package session

import (
	"sync"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/metrics"
)

// command is one row of the command table: all that the server knows of a verb
// apart from its handler's body. FEAT, HELP, the policy and the argument
// checks read it, so a verb is described nowhere else. Adding a command is a
// row, a handler and a transcript.
type command struct {
	verb  codec.Verb
	flags flags
	perm  auth.Perm    // what the user must be allowed to do
	feat  feature      // lines for FEAT, nil for none
	usage string       // for HELP and for the 501 reply
	rfc   string       // where the verb is defined
	label metrics.Verb // of its metrics; set when the table is built
	run   handler

	// enabled says whether the settings offer the command; nil means always.
	// disabled is the answer when they do not.
	enabled  func(*Config) bool
	disabled reply
}

// feature returns the lines that a command adds to FEAT, without the leading
// space (RFC 2389 section 3.2).
type feature func(s *Session) []string

// line is the feature of a command whose FEAT line never changes.
func line(text string) feature {
	lines := []string{text}
	return func(*Session) []string { return lines }
}

// flags say which checks the core makes for a verb.
type flags uint16

const (
	anytime     flags = 1 << iota // allowed before login
	loginSecret                   // carries credentials: refused in clear where the policy asks for TLS
	opensData                     // moves bytes on the data connection
	mayBlock                      // touches storage: runs on a worker, never on the poller
	hashes                        // with mayBlock: costs a password hash
	readsFile                     // with mayBlock: reads a file through, which may take minutes
	readsText                     // the same, in TYPE A only
	blockArg                      // with mayBlock: blocks only when there is an argument
	pathArg                       // the argument is a path name: verbatim, spaces and all (RFC 2640 section 3.1)
	argRequired                   // an empty argument is answered 501
	argNone                       // an argument is answered 501
	modifies                      // changes files: denied with 553 or 550 on read-only users
	namesNew                      // the argument names what is to be made or replaced: refused with 553
	hidden                        // an alias or historic verb: HELP does not list it
)

// workOf is the action that runs the row's handler.
func (s *Session) workOf(c *command) Action {
	switch {
	case c.flags&hashes != 0:
		return WorkHash
	case c.flags&readsFile != 0, c.flags&readsText != 0 && !s.binary:
		return WorkRead
	}
	return Work
}

// denial is the code for a path that the command may not use: 553 where it
// names a file to be stored, 550 elsewhere (RFC 959 section 5.4).
func (c *command) denial() codec.Code {
	if c.flags&namesNew != 0 {
		return codec.C553BadName
	}
	return codec.C550Unavailable
}

// commands returns the table. It is a function because FEAT reads the table that
// holds it: as a package variable that is an initialisation cycle.
func commands() []command {
	var t []command
	t = append(t, loginCommands()...)
	t = append(t, securityCommands()...)
	t = append(t, parameterCommands()...)
	t = append(t, negotiationCommands()...)
	t = append(t, infoCommands()...)
	t = append(t, fileCommands()...)
	t = append(t, transferCommands()...)
	t = append(t, digestCommands()...)
	t = append(t, siteCommands()...)
	t = append(t, refusedCommands()...)
	return t
}

// commandTable is the command table and its index by verb.
type commandTable struct {
	rows   []command
	byVerb map[codec.Verb]*command
}

// shared is built at first use and never changed.
var shared struct {
	once  sync.Once
	table commandTable
}

func table() *commandTable {
	shared.once.Do(func() {
		t := commandTable{rows: commands(), byVerb: map[codec.Verb]*command{}}
		for i := range t.rows {
			row := &t.rows[i]
			row.label = metrics.VerbOf(row.verb.String())
			t.byVerb[row.verb] = row
		}
		shared.table = t
	})
	return &shared.table
}

// lookup finds the row of a verb, nil when there is none.
func lookup(v codec.Verb) *command { return table().byVerb[v] }
