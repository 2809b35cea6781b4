package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
)

// Single returns an authenticator that knows one user: what "serve DIR" needs.
// The password is compared in constant time but not hashed slowly: it is kept
// in no file, and Slowdown bounds the guesses.
func Single(name, password, home string, perms Perm) Authenticator {
	return &single{
		user:     &User{Name: name, Home: home, Perms: perms},
		name:     sha256.Sum256([]byte(name)),
		password: sha256.Sum256([]byte(password)),
	}
}

type single struct {
	user           *User
	name, password [sha256.Size]byte
}

func (s *single) Authenticate(_ context.Context, name, password string) (*User, error) {
	n, p := sha256.Sum256([]byte(name)), sha256.Sum256([]byte(password))
	if subtle.ConstantTimeCompare(n[:], s.name[:])&subtle.ConstantTimeCompare(p[:], s.password[:]) != 1 {
		return nil, ErrDenied
	}
	return s.user, nil
}

// Anonymous lets the names "anonymous" and "ftp" in with any password, to read
// home (RFC 1635), and leaves every other name to next.
func Anonymous(home string, next Authenticator) Authenticator {
	return &anonymous{user: &User{Name: "anonymous", Home: home, Perms: ReadOnly}, next: next}
}

type anonymous struct {
	user *User
	next Authenticator
}

func (a *anonymous) Authenticate(ctx context.Context, name, password string) (*User, error) {
	if name == "anonymous" || name == "ftp" {
		return a.user, nil
	}
	return a.next.Authenticate(ctx, name, password)
}
