//go:build !linux

package main

// loosenTimers does nothing: elsewhere threads have no such setting.
func loosenTimers() {}
