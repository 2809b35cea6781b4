// Command fastftps is an FTPS server for many connections.
//
// Exit codes: 0 ok, 1 failure at run time, 2 wrong usage or configuration, 3 a
// check did not pass, 4 a measurement is invalid, 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"fastftps/config"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitCheck       = 3
	exitInvalid     = 4
	exitInterrupted = 130
)

// usageError is a mistake in the arguments or in the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	error
}

func (e exitError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		loosenTimers()
		paceCollector()
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes a command line and returns the exit code.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	// A log pipe whose reader is gone must not end the server.
	signal.Ignore(syscall.SIGPIPE)
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(errOut, "fastftps: %v\n", err)
	return exitCode(err)
}

func exitCode(err error) int {
	var usage usageError
	var faults config.Faults
	var exit exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	if errors.As(err, &usage) || errors.As(err, &faults) {
		return exitUsage
	}
	return exitFailure
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "fastftps",
		Short:         "FTPS server for many connections",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see %q", err, cmd.CommandPath()+" --help")
	})
	root.AddCommand(serveCommand(), checkCommand(), userCommand(), certCommand(), configCommand(), benchCommand(), versionCommand())
	return root
}

// noCommand refuses an argument that is no command's name.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("unknown command %q; see %q", args[0], cmd.CommandPath()+" --help")
}

// group makes a command that only has commands below it.
func group(use, short string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef("%s: a command is missing; see --help", cmd.CommandPath())
		},
	}
	c.AddCommand(below...)
	return c
}

// exactly checks the number of arguments.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s: want %d arguments, got %d; see --help", cmd.CommandPath(), n, len(args))
		}
		return nil
	}
}

func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usagef("%s: want at most %d arguments, got %d; see --help", cmd.CommandPath(), n, len(args))
		}
		return nil
	}
}
