package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fastftps/tlsconn"
)

func certCommand() *cobra.Command {
	return group("cert", "Make and show certificates", certSelfSigned(), certShow())
}

func certSelfSigned() *cobra.Command {
	var f configFlags
	var hosts []string
	var out string
	cmd := &cobra.Command{
		Use: "self-signed", Short: "Make a self-signed certificate, unless there is one", Args: exactly(0),
		Long: "Make the self-signed certificate that the server uses when none is configured: ECDSA P-256,\n" +
			"certificate and key in one file. One that is there and has not expired is kept.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				cfg, err := f.load(f.path(), nil)
				if err != nil {
					return err
				}
				out = selfSignedFile(cfg)
			}
			if err := os.MkdirAll(filepath.Dir(out), 0o700); err != nil {
				return err
			}
			if err := tlsconn.SelfSigned(out, hosts); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), out)
			return showFile(cmd.OutOrStdout(), out)
		},
	}
	f.register(cmd)
	cmd.Flags().StringSliceVar(&hosts, "host", nil, "name or address of the server, besides this machine's; repeatable")
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write (default: in the state folder)")
	return cmd
}

func certShow() *cobra.Command {
	var f configFlags
	cmd := &cobra.Command{
		Use: "show [FILE]", Short: "Show the server's certificates, or those of a file", Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return showFile(cmd.OutOrStdout(), args[0])
			}
			cfg, err := f.load(f.path(), nil)
			if err != nil {
				return err
			}
			names := cfg.TLS.Cert
			if len(names) == 0 {
				names = []string{selfSignedFile(cfg)}
			}
			for _, name := range names {
				fmt.Fprintln(cmd.OutOrStdout(), name)
				if err := showFile(cmd.OutOrStdout(), name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.register(cmd)
	return cmd
}

// showFile prints every certificate of a PEM file.
func showFile(w io.Writer, name string) error {
	rest, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	found := false
	for block, more := pem.Decode(rest); block != nil; block, more = pem.Decode(more) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		found = true
		showCert(w, c, time.Now())
	}
	if !found {
		return errors.New(name + ": no certificate in it")
	}
	return nil
}

func showCert(w io.Writer, c *x509.Certificate, now time.Time) {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	left := int(c.NotAfter.Sub(now).Hours() / 24)
	state := fmt.Sprintf("%d days left", left)
	if now.After(c.NotAfter) {
		state = "EXPIRED"
	}
	sum := sha256.Sum256(c.Raw)
	fmt.Fprintf(w, "  subject      %s\n  issuer       %s\n  names        %s\n  key          %s\n  valid        %s to %s (%s)\n  SHA-256      %s\n",
		c.Subject, c.Issuer, strings.Join(names, ", "), c.PublicKeyAlgorithm,
		c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly), state,
		strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":"))
}
