package codec

import "testing"

func TestVerb(t *testing.T) {
	tests := []struct{ in, want string }{
		{"RETR", "RETR"},
		{"pwd", "PWD"},
		{"XsHa256", "XSHA256"},
		{"ABCDEFGH", "ABCDEFGH"},
		{"ABCDEFGHI", ""},
		{"", ""},
		{"5MD", ""},
		{"NO OP", ""},
		{"NOOP ", ""},
		{"NO-OP", ""},
		{"@", ""},
		{"[", ""},
		{"`", ""},
		{"{", ""},
	}
	for _, tt := range tests {
		if got := V(tt.in).String(); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestCutVerb(t *testing.T) {
	tests := []struct{ in, verb, arg string }{
		{"CHMOD 644 a b", "CHMOD", "644 a b"},
		{"chmod  644", "CHMOD", " 644"},
		{"HELP", "HELP", ""},
		{"HELP ", "HELP", ""},
		{"", "", ""},
		{"MODE\tZ", "", "MODE\tZ"},
		{"644 a", "", "644 a"},
	}
	for _, tt := range tests {
		v, arg := CutVerb([]byte(tt.in))
		if v.String() != tt.verb || string(arg) != tt.arg {
			t.Errorf("%q: got %s %q, want %s %q", tt.in, v, arg, tt.verb, tt.arg)
		}
	}
}
