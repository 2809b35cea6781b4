package main

import (
	"errors"

	"fastftps/config"
	"fastftps/tlsconn/ktls"
)

// kernelTLS returns why the kernel shall not seal downloads; nil if it shall.
func kernelTLS(cfg *config.Config) error {
	switch {
	case cfg.TLS.KTLS == "off":
		return errors.New(`tls.ktls = "off"`)
	case cfg.TLS.Engine == "std":
		return errors.New(`tls.engine = "std"`)
	case !wantsTLS(cfg):
		return errors.New("no listener has TLS")
	}
	return ktls.Probe()
}

// kernelFault makes a fault of it where tls.ktls = "on" asks for kernel TLS.
func kernelFault(cfg *config.Config, why error) error {
	if why == nil || cfg.TLS.KTLS != "on" {
		return nil
	}
	return usageError{config.Faults{cfg.Fault("tls.ktls", "kernel TLS cannot be had: %v", why)}}
}

// probeKernel decides whether the kernel seals downloads, for as long as the server
// runs.
func (s *server) probeKernel(cfg *config.Config) error {
	why := kernelTLS(cfg)
	if err := kernelFault(cfg, why); err != nil {
		return err
	}
	s.kernel = why == nil
	if s.kernel {
		s.log.Info("kernel TLS seals downloads")
	} else {
		s.log.Info("kernel TLS is not used", "why", why)
	}
	return nil
}
