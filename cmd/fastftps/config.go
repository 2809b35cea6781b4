package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fastftps/config"
)

func configCommand() *cobra.Command {
	sample := &cobra.Command{
		Use: "default", Short: "Print a configuration file with every key and its default", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return config.WriteSample(cmd.OutOrStdout()) },
	}
	var f configFlags
	show := &cobra.Command{
		Use: "show", Short: "Print the configuration in force and where each value comes from", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := f.load(f.path(), nil)
			if err != nil {
				return err
			}
			return cfg.Show(cmd.OutOrStdout())
		},
	}
	f.register(show)
	return group("config", "Print the configuration", sample, show)
}

func checkCommand() *cobra.Command {
	var f configFlags
	cmd := &cobra.Command{
		Use: "check", Short: "Check the configuration, the certificates and the users file", Args: exactly(0),
		Long: "Check the configuration, the certificates and the users file. Exit code 2 when something is wrong.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := f.path()
			if path == "" {
				return usagef("no configuration: name one with -c FILE (%s is not there)", defaultConfig)
			}
			cfg, err := f.load(path, nil)
			if err != nil {
				return err
			}
			if err := usersFault(cfg); err != nil {
				return err
			}
			if err := kernelFault(cfg, kernelTLS(cfg)); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", path)
			return err
		},
	}
	f.register(cmd)
	return cmd
}
