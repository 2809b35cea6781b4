//go:build !unix

package tlsconn

import (
	"testing"
	"time"
)

// cpuTime is not known here; the wall clock has to do.
func cpuTime(testing.TB) time.Duration { return time.Duration(time.Now().UnixNano()) }
