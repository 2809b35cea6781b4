package dataplane

import "testing"

// TestPass: a transfer steps back once a stretch.
func TestPass(t *testing.T) {
	x := &transfer{plane: &Plane{gate: make(gate, 1)}}
	x.plane.gate <- struct{}{} // who steps back would wait
	x.pass(stretch - 1)
	if x.ran != stretch-1 {
		t.Errorf("got %d bytes since the last step, want %d", x.ran, stretch-1)
	}
	done := make(chan struct{})
	go func() { x.pass(1); close(done) }()
	select {
	case <-done:
		t.Error("went on without a place")
	default:
	}
	<-x.plane.gate
	<-done
	if x.ran != 0 || len(x.plane.gate) != 0 {
		t.Errorf("got %d bytes, %d places held", x.ran, len(x.plane.gate))
	}
}
