//go:build !linux

package main

// nice does nothing: a thread has no priority of its own here.
func nice() {}
