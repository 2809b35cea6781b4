package bench

import "testing"

// TestBeside: what begins in a measured segment belongs to it, and its end waits.
func TestBeside(t *testing.T) {
	var s beside
	if measured, end := s.begin(); measured {
		t.Error("measured before the first segment")
	} else {
		end()
	}
	s.open(false)
	if measured, _ := s.begin(); measured {
		t.Error("measured in the warm-up")
	}
	s.close() // does not wait for that
	s.open(true)
	measured, end := s.begin()
	if !measured {
		t.Error("not measured in the segment")
	}
	closed := make(chan struct{})
	go func() { s.close(); close(closed) }()
	for more := true; more; { // until the segment takes no more
		var late func()
		more, late = s.begin()
		late()
	}
	select {
	case <-closed:
		t.Error("the segment ended before what was in it")
	default:
	}
	end()
	<-closed
}
