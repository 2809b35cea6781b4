//go:build !linux

package bench

import "fastftps/bench/report"

// machine has nothing to add where there is no /proc.
func machine(*report.Env) {}
