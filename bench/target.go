package bench

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"

	"fastftps/internal/ftpclient"
)

// Target is a server to load.
type Target struct {
	Name     string // "A", "B" or the host
	Addr     string // host:port
	Security ftpclient.Security
	User     User   // from the URL; empty when it has none
	Dir      string // from the URL: where our folder is made; "" is the folder of the login

	Spawn string // shell command that runs the server, in the foreground
	PID   int    // of the server, when it was started by others
}

// User is a login.
type User struct{ Name, Password string }

// schemes are the forms of a target and their default ports.
var schemes = map[string]struct {
	security ftpclient.Security
	port     string
}{
	"ftps":  {ftpclient.Implicit, "990"},
	"ftpes": {ftpclient.Explicit, "21"},
	"ftp":   {ftpclient.Clear, "21"},
}

// ParseTarget reads ftps://host (implicit), ftpes://host (explicit) or
// ftp://host (clear), with user, password, port and folder if wanted.
func ParseTarget(s string) (Target, error) {
	u, err := url.Parse(s)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) { // its text would repeat the password
			err = ue.Err
		}
		return Target{}, fmt.Errorf("target: %w", err)
	}
	scheme, ok := schemes[u.Scheme]
	if !ok || u.Hostname() == "" {
		return Target{}, fmt.Errorf("%q is no target: write it as ftps://host:990 (implicit TLS), ftpes://host:21 (explicit TLS) or ftp://host:21 (clear)", u.Redacted())
	}
	port := u.Port()
	if port == "" {
		port = scheme.port
	}
	t := Target{Name: u.Hostname(), Addr: net.JoinHostPort(u.Hostname(), port), Security: scheme.security}
	if u.User != nil {
		t.User.Name = u.User.Username()
		t.User.Password, _ = u.User.Password()
	}
	t.Dir = strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/")
	return t, nil
}

// URL returns the target as it was given, without user and password.
func (t Target) URL() string {
	for name, s := range schemes {
		if s.security == t.Security {
			u := url.URL{Scheme: name, Host: t.Addr, Path: t.Dir}
			return u.String()
		}
	}
	return t.Addr
}

// ReadUsers reads a file of lines "name,password".
func ReadUsers(path string) ([]User, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseUsers(path, f)
}

func parseUsers(path string, in io.Reader) ([]User, error) {
	r := csv.NewReader(in)
	r.FieldsPerRecord, r.Comment, r.TrimLeadingSpace = 2, '#', true
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: want lines \"name,password\": %w", path, err)
	}
	users := make([]User, len(rows))
	for i, row := range rows {
		if users[i] = (User{row[0], row[1]}); row[0] == "" {
			return nil, fmt.Errorf("%s: user %d has no name", path, i+1)
		}
	}
	if len(users) == 0 {
		return nil, fmt.Errorf("%s: no users", path)
	}
	return users, nil
}
