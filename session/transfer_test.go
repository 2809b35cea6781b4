package session

import "testing"

// TestCompletions: each cause has a completion reply and a name of its own.
func TestCompletions(t *testing.T) {
	names := make(map[string]Cause)
	for c := CauseOK; c <= CausePanic; c++ {
		name := c.String()
		if other, ok := names[name]; ok || name == "" || name == "unknown" {
			t.Errorf("cause %d: name %q, which is also that of %d", c, name, other)
		}
		names[name] = c
		if r := completion(Result{Cause: c}, &transfer{}); r.code < 226 || r.text == "" {
			t.Errorf("cause %v: got %d %q", c, r.code, r.text)
		}
	}
	if got := Cause(255).String(); got != "unknown" {
		t.Errorf("cause 255: got %q", got)
	}
}
