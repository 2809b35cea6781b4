package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"fastftps/auth"
	"fastftps/config"
	"fastftps/tlsconn"
)

// defaultConfig is read when no other file is named.
const defaultConfig = "/etc/fastftps/fastftps.toml"

// configFlags are the flags of every command that reads the configuration.
type configFlags struct {
	file string
	set  []string
}

func (f *configFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.file, "config", "c", "", "configuration file (default $FASTFTPS_CONFIG, else "+defaultConfig+")")
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "set a key, as in --set tls.min=1.3; repeatable")
}

// path returns the file to read; "" when none is named and the default one is
// not there.
func (f *configFlags) path() string {
	if f.file != "" {
		return f.file
	}
	if env := os.Getenv(config.EnvPrefix + "CONFIG"); env != "" {
		return env
	}
	if _, err := os.Stat(defaultConfig); err == nil {
		return defaultConfig
	}
	return ""
}

// load reads the configuration; more are settings of other flags.
func (f *configFlags) load(path string, preset []config.Setting, more ...config.Setting) (*config.Config, error) {
	in := config.Input{Preset: preset, File: path, Env: os.Environ(), Flags: more, CheckKey: tlsconn.CheckKey}
	for _, arg := range f.set {
		s, err := config.ParseSet(arg)
		if err != nil {
			return nil, usageError{err}
		}
		in.Flags = append(in.Flags, s)
	}
	cfg, err := config.Load(in)
	if err != nil {
		return cfg, usageError{err}
	}
	return cfg, nil
}

// usersFault reads the users file to check it. The fault names the file's line,
// or the place of auth.users in the configuration.
func usersFault(cfg *config.Config) error {
	_, err := auth.ReadUsers(cfg.Auth.Users)
	var pe *auth.ParseError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pe):
		return usageError{err}
	case errors.Is(err, fs.ErrNotExist):
		return usageError{config.Faults{cfg.Fault("auth.users", "%v; make it with \"fastftps user add NAME\"", err)}}
	}
	return usageError{config.Faults{cfg.Fault("auth.users", "%v", err)}}
}

// stateDir returns the folder for what the server makes itself; it need not
// exist.
func stateDir(cfg *config.Config) string {
	home, _ := os.UserHomeDir()
	switch {
	case cfg.StateDir != "":
		return cfg.StateDir
	case os.Getenv("STATE_DIRECTORY") != "":
		return filepath.SplitList(os.Getenv("STATE_DIRECTORY"))[0]
	case filepath.IsAbs(os.Getenv("XDG_STATE_HOME")):
		return filepath.Join(os.Getenv("XDG_STATE_HOME"), "fastftps")
	case home != "":
		return filepath.Join(home, ".local", "state", "fastftps")
	}
	return "/var/lib/fastftps"
}

// selfSignedFile is the certificate that is used when none is configured.
func selfSignedFile(cfg *config.Config) string {
	return filepath.Join(stateDir(cfg), "self-signed.pem")
}
