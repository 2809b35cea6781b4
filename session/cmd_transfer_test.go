package session

import "testing"

// TestLapsedEndpoint: an endpoint that goes between the check and the start, while the disk
// is slow, is missing and no overload.
func TestLapsedEndpoint(t *testing.T) {
	m := newMemory(t, setup(t, ""))
	m.login(t)
	m.send(t, "PASV")
	m.data.lapsed = true
	if got, want := m.send(t, "STOR x"), "425 Use PORT or PASV first\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
