// Package auth says who a client is: authenticators, the users file, password
// hashes, and the slow-down of failed logins. It knows nothing of FTP.
package auth

import (
	"context"
	"errors"
	"fmt"
)

// Perm is a set of what a user may do. The command table names the bits that a
// command needs.
type Perm uint16

// The permissions. ReadOnly and ReadWrite are the two sets that most users have.
const (
	PermList   Perm = 1 << iota // LIST, NLST, MLSD, STAT of a directory, CWD
	PermRead                    // RETR, HASH
	PermWrite                   // STOR of a new file, STOU
	PermModify                  // STOR over an existing file, APPE, REST+STOR
	PermDelete                  // DELE, RMD
	PermRename                  // RNFR, RNTO
	PermMkdir                   // MKD
	PermAttr                    // MFMT, MFF, SITE CHMOD, SITE UTIME

	ReadOnly  = PermList | PermRead
	ReadWrite = ReadOnly | PermWrite | PermModify | PermDelete | PermRename | PermMkdir | PermAttr
)

// User is an authenticated user. It is never changed once it was handed out.
type User struct {
	Name  string
	Home  string // host directory that is the root of the user's jail
	Perms Perm

	// UploadClose overrides the server's rule for uploads whose TLS ends
	// without close_notify: "strict", "warn", "off" or "" for the server's.
	UploadClose string
}

// The outcomes that a caller decides on. Any other error means that no answer
// could be had (a full queue, an unreadable file): the client may try again.
var (
	ErrDenied = errors.New("login incorrect")
	ErrBusy   = errors.New("too many logins at once")
	ErrLate   = fmt.Errorf("%w: no worker in time", ErrBusy) // Pool alone: PoolOptions.Wait was over
)

// Authenticator checks a name and a password. It may block for as long as a
// password hash takes, so it is called on a worker and never on the event
// loop. Unknown users, disabled users and wrong passwords all give ErrDenied
// after the same work. The strings are the client's bytes, unchecked.
type Authenticator interface {
	Authenticate(ctx context.Context, name, password string) (*User, error)
}
