//go:build linux || darwin || freebsd

package engine

import (
	"testing"

	"github.com/cloudwego/netpoll"
)

// TestField: what netpoll does not show is found by name and type, or not at all.
func TestField(t *testing.T) {
	op := &netpoll.FDOperator{FD: 7}
	if fd, ok := field[int](op, "FD"); fd != 7 || !ok {
		t.Errorf("got %d, %v, want 7", fd, ok)
	}
	if _, ok := field[netpoll.Poll](op, "poll"); !ok {
		t.Error("no field poll")
	}
	if _, ok := field[string](op, "FD"); ok {
		t.Error("FD is no string")
	}
	if _, ok := field[int](op, "none"); ok {
		t.Error("found a field that is not there")
	}
}
