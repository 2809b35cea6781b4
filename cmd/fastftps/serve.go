package main

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"fastftps/auth"
	"fastftps/config"
)

// The listeners of "serve DIR", reached from this machine only.
const shareListeners = "127.0.0.1:2121,ftps://127.0.0.1:2990"

// serveFlags are the flags of serve.
type serveFlags struct {
	configFlags
	listen       []string
	user         string
	write        bool
	passwordFile string
	cert, key    string
	passive      string
	publicIP     string
}

func serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve [DIR]",
		Short: "Run the server",
		Long: "Run the server with a configuration file, or, with DIR, share one folder with one user\n" +
			"and nothing configured: read-only, on this machine only, with a generated password.",
		Example: "  fastftps serve ./share\n  fastftps serve -l 0.0.0.0:2121 -l ftps://0.0.0.0:2990 -u bob -w ./share\n  fastftps serve -c /etc/fastftps/fastftps.toml",
		Args:    atMost(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.listen, "listen", "l", nil, "address, as 0.0.0.0:2121 or ftps://0.0.0.0:2990 (implicit); repeatable")
	flags.StringVarP(&f.user, "user", "u", "", "with DIR: name of the user (default \"demo\")")
	flags.BoolVarP(&f.write, "write", "w", false, "with DIR: allow uploads, renames and deletions")
	flags.StringVar(&f.passwordFile, "password-file", "", "with DIR: file with the password in its first line; - is standard input (default: a generated one)")
	flags.StringVar(&f.cert, "cert", "", "certificate file (PEM)")
	flags.StringVar(&f.key, "key", "", "private key file (PEM)")
	flags.StringVar(&f.passive, "passive", "", "ports of passive data connections, as 50000-50099")
	flags.StringVar(&f.publicIP, "public-ip", "", "address to advertise to clients, behind NAT")
	return cmd
}

// settings are the keys that the flags set.
func (f *serveFlags) settings() []config.Setting {
	var s []config.Setting
	for _, flag := range []struct{ key, value, name string }{
		{"listen", strings.Join(f.listen, ","), "--listen"},
		{"tls.cert", f.cert, "--cert"},
		{"tls.key", f.key, "--key"},
		{"passive.ports", f.passive, "--passive"},
		{"passive.advertise", f.publicIP, "--public-ip"},
	} {
		if flag.value != "" {
			s = append(s, config.Setting{Key: flag.key, Value: flag.value, From: flag.name})
		}
	}
	return s
}

func (f *serveFlags) run(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return f.share(cmd, args[0])
	}
	if f.user != "" || f.write || f.passwordFile != "" {
		return usagef("--user, --write and --password-file need DIR: without it users come from the users file")
	}
	path := f.path()
	if path == "" {
		return usagef("nothing to serve: name a folder (fastftps serve DIR) or a configuration (-c FILE; %s is not there)", defaultConfig)
	}
	load := func() (*config.Config, error) { return f.load(path, nil, f.settings()...) }
	cfg, err := load()
	if err != nil {
		return err
	}
	if err := usersFault(cfg); err != nil {
		return err
	}
	return serve(cmd.Context(), cfg, serveOptions{errOut: cmd.ErrOrStderr(), out: cmd.OutOrStdout(), load: load})
}

// share serves one folder to one user. The default configuration file is not
// read; one that is named is.
func (f *serveFlags) share(cmd *cobra.Command, dir string) error {
	dir, err := shareFolder(dir)
	if err != nil {
		return err
	}
	preset := []config.Setting{
		{Key: "listen", Value: shareListeners, From: "serve DIR"},
		{Key: "passive.ports", Value: "auto", From: "serve DIR"},
		{Key: "log.level", Value: "warn", From: "serve DIR"},
		{Key: "limits.accept_rate_per_ip", Value: "0", From: "serve DIR"},
	}
	load := func() (*config.Config, error) { return f.load(f.file, preset, f.settings()...) }
	cfg, err := load()
	if err != nil {
		return err
	}
	o := serveOptions{errOut: cmd.ErrOrStderr(), out: cmd.OutOrStdout(), load: load, share: &share{dir: dir, user: cmp.Or(f.user, "demo"), perms: auth.ReadOnly}}
	if !auth.ValidName(o.share.user) {
		return usagef("--user %q cannot be a user's name", o.share.user)
	}
	if f.write {
		o.share.perms = auth.ReadWrite
	}
	if o.share.password = rand.Text()[:16]; f.passwordFile != "" {
		if o.share.password, err = readPasswordFile(f.passwordFile, cmd.InOrStdin()); err != nil {
			return err
		}
		o.share.ownPassword = true
	}
	return serve(cmd.Context(), cfg, o)
}

func shareFolder(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", usageError{err}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", usageError{err}
	}
	if !info.IsDir() {
		return "", usagef("%s is not a folder", dir)
	}
	return dir, nil
}

// share is what "serve DIR" serves.
type share struct {
	dir         string
	user        string
	password    string
	ownPassword bool // given, so it is not printed
	perms       auth.Perm
}

// banner prints how to reach a share: lines to be copied. It is the only place
// where a generated password is shown.
func (s *share) banner(w io.Writer, cfg *config.Config, addrs []string, fingerprint string) {
	password := s.password
	if s.ownPassword {
		password = "PASSWORD"
	}
	fmt.Fprintf(w, "fastftps serves %s\n\n  user         %s\n  password     %s\n  certificate  SHA-256 %s\n", s.dir, s.user, password, fingerprint)
	for i, addr := range addrs {
		s.try(w, cfg.Listen[i].Mode, reachable(addr), password)
	}
	if s.perms == auth.ReadOnly {
		fmt.Fprintln(w, "\nread-only; add -w to allow uploads")
	}
}

// try prints the lines for one listener.
func (s *share) try(w io.Writer, mode, addr, password string) {
	login := shellQuote(s.user + ":" + password)
	lftpLogin := shellQuote(s.user + "," + password)
	switch mode {
	case "explicit":
		fmt.Fprintf(w, "\nexplicit TLS: ftp://%s\n", addr)
		fmt.Fprintf(w, "  curl -k --ssl-reqd -u %s ftp://%s/\n", login, addr)
		fmt.Fprintf(w, "  lftp -e 'set ssl:verify-certificate no; set ftp:ssl-force yes' -u %s ftp://%s\n", lftpLogin, addr)
	case "implicit":
		fmt.Fprintf(w, "\nimplicit TLS: ftps://%s\n", addr)
		fmt.Fprintf(w, "  curl -k -u %s ftps://%s/\n", login, addr)
		fmt.Fprintf(w, "  lftp -e 'set ssl:verify-certificate no' -u %s ftps://%s\n", lftpLogin, addr)
	default:
		fmt.Fprintf(w, "\nno TLS: ftp://%s\n  curl -u %s ftp://%s/\n", addr, login, addr)
	}
}

// reachable replaces an address that stands for all by loopback.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || ip != nil && !ip.IsUnspecified() {
		return addr
	}
	return net.JoinHostPort("127.0.0.1", port)
}

func shellQuote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:,@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// serveOptions is what serve gets besides the configuration.
type serveOptions struct {
	out, errOut io.Writer
	share       *share                         // nil: the users file
	load        func() (*config.Config, error) // reads the configuration again
}
