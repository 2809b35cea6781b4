package session

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"fastftps/auth"
)

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

// TestCloseWarning: with the rule "warn" an upload that may be cut short is told of
// at warn level, and nothing else is.
func TestCloseWarning(t *testing.T) {
	tests := []struct {
		name    string
		rule    CloseRule
		private bool
		deflate bool
		how     string
		want    string
	}{
		{"no close_notify", CloseWarn, true, false, "cut", "user=bob path=/c.txt bytes=3"},
		{"close_notify", CloseWarn, true, false, "close", ""},
		{"in clear", CloseWarn, false, false, "close", ""},
		{"its own end", CloseWarn, true, true, "cut", ""},
		{"off", CloseOff, true, false, "cut", ""},
		{"strict", CloseStrict, true, false, "cut", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, _ := login(t, auth.ReadWrite, "")
			var log bytes.Buffer
			l := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			m.s.peer.Log = func() *slog.Logger { return l }
			m.s.cfg.UploadClose, m.s.deflate = tt.rule, tt.deflate
			if tt.private {
				m.s.prot = Private
			}
			m.tell(t, "PASV")
			m.tell(t, "STOR c.txt")
			m.data.private = tt.private
			if err := errors.Join(m.DataSend([]byte("abc")), m.DataEnd(tt.how)); err != nil {
				t.Fatal(err)
			}
			if got := log.String(); (got != "") != (tt.want != "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want a line with %q", got, tt.want)
			}
		})
	}
}
