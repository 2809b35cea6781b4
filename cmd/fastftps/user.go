package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fastftps/auth"
)

// userFlags are the flags of the user commands.
type userFlags struct {
	configFlags
	file         string
	passwordFile string
	home         string
	perms        []string
	write        bool
	uploadClose  string
	enable       bool
}

func userCommand() *cobra.Command {
	return group("user", "Edit the users file", userAdd(), userPasswd(), userDisable(), userList())
}

// command makes a user command; run gets the path of the users file.
func (f *userFlags) command(use, short string, args int, run func(cmd *cobra.Command, path string, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: exactly(args)}
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "users file (default: auth.users of the configuration)")
	f.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path := f.file
		if path == "" {
			cfg, err := f.load(f.configFlags.path(), nil)
			if err != nil {
				return err
			}
			path = cfg.Auth.Users
		}
		return userError(run(cmd, path, args))
	}
	return cmd
}

// userError marks what the caller can put right with other arguments.
func userError(err error) error {
	var pe *auth.ParseError
	if errors.Is(err, auth.ErrExists) || errors.Is(err, auth.ErrNoUser) || errors.As(err, &pe) {
		return usageError{err}
	}
	return err
}

func (f *userFlags) passwordFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "", "file with the password in its first line; - is standard input (default: ask)")
	return cmd
}

func userAdd() *cobra.Command {
	var f userFlags
	cmd := f.command("add NAME", "Add a user; the password is asked for", 1, func(cmd *cobra.Command, path string, args []string) error {
		r := auth.Record{Name: args[0], Home: f.home, UploadClose: f.uploadClose}
		if !auth.ValidName(r.Name) {
			return usagef("%q cannot be a user's name", r.Name)
		}
		var err error
		if r.Perms, err = f.permissions(); err != nil {
			return usageError{err}
		}
		if r.Password, err = f.hash(cmd); err != nil {
			return err
		}
		if err := auth.AddUser(path, r); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "user %s added to %s\n", r.Name, path)
		return err
	})
	cmd.Flags().StringVar(&f.home, "home", "", "the user's folder, absolute (default: storage.root of the configuration)")
	cmd.Flags().StringSliceVar(&f.perms, "perms", nil, "r, rw, or some of list,read,write,modify,delete,rename,mkdir,attr (default r)")
	cmd.Flags().BoolVarP(&f.write, "write", "w", false, "the same as --perms rw")
	cmd.Flags().StringVar(&f.uploadClose, "upload-close", "", "strict, warn or off: uploads that end without close_notify")
	return f.passwordFlag(cmd)
}

func (f *userFlags) permissions() (auth.Perm, error) {
	switch {
	case f.write && len(f.perms) > 0:
		return 0, errors.New("--write and --perms exclude each other")
	case f.write:
		return auth.ReadWrite, nil
	case len(f.perms) == 0:
		return auth.ReadOnly, nil
	}
	return auth.ParsePerms(f.perms...)
}

func userPasswd() *cobra.Command {
	var f userFlags
	return f.passwordFlag(f.command("passwd NAME", "Change a user's password", 1, func(cmd *cobra.Command, path string, args []string) error {
		hash, err := f.hash(cmd)
		if err != nil {
			return err
		}
		if err := auth.UpdateUser(path, args[0], func(r *auth.Record) { r.Password = hash }); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "password of %s changed\n", args[0])
		return err
	}))
}

func userDisable() *cobra.Command {
	var f userFlags
	cmd := f.command("disable NAME", "Keep a user from logging in, or let him again with --enable", 1, func(cmd *cobra.Command, path string, args []string) error {
		if err := auth.UpdateUser(path, args[0], func(r *auth.Record) { r.Disabled = !f.enable }); err != nil {
			return err
		}
		word := "disabled"
		if f.enable {
			word = "enabled"
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "user %s %s; a running server takes it at SIGHUP\n", args[0], word)
		return err
	})
	cmd.Flags().BoolVar(&f.enable, "enable", false, "let the user log in again")
	return cmd
}

func userList() *cobra.Command {
	var f userFlags
	return f.command("list", "List the users", 0, func(cmd *cobra.Command, path string, _ []string) error {
		records, err := auth.ReadUsers(path)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tPERMS\tSTATE\tHOME")
		for _, r := range records {
			state, home := "enabled", r.Home
			if r.Disabled {
				state = "disabled"
			}
			if home == "" {
				home = "(storage.root)"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Name, r.Perms, state, home)
		}
		return w.Flush()
	})
}

// hash asks for the password and hashes it.
func (f *userFlags) hash(cmd *cobra.Command) (string, error) {
	password, err := readPassword(f.passwordFile, cmd.InOrStdin(), cmd.ErrOrStderr())
	if err != nil {
		return "", err
	}
	hash, err := auth.HashPassword(password)
	if err != nil {
		return "", usageError{err}
	}
	return hash, nil
}

// readPassword returns the password from a file, from a prompt when in is a
// terminal, else from the first line of in. Never from the arguments: those
// everybody can see.
func readPassword(file string, in io.Reader, prompt io.Writer) (string, error) {
	if file != "" {
		return readPasswordFile(file, in)
	}
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return askTwice(int(f.Fd()), prompt)
	}
	return firstLine(in)
}

func readPasswordFile(file string, in io.Reader) (string, error) {
	if file == "-" {
		return firstLine(in)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", usagef("password: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	return firstLine(f)
}

// firstLine returns the text before the first line end.
func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, auth.MaxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("password: %w", err)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return "", usagef("the password is empty")
	}
	return line, nil
}

func askTwice(fd int, prompt io.Writer) (string, error) {
	var answers [2]string
	for i, question := range []string{"Password: ", "Again: "} {
		fmt.Fprint(prompt, question)
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(prompt)
		if err != nil {
			return "", fmt.Errorf("password: %w", err)
		}
		answers[i] = string(b)
	}
	if answers[0] != answers[1] {
		return "", usagef("the passwords differ")
	}
	return answers[0], nil
}
