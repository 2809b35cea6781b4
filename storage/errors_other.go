//go:build !unix

package storage

// kindOf knows no error numbers here; package os already maps the common ones
// to the errors of package fs.
func kindOf(error) error { return nil }
