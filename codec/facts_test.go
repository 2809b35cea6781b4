package codec

import (
	"errors"
	"testing"
)

func TestFactLists(t *testing.T) {
	tests := []struct {
		name        string
		on          Facts
		feat, names string
	}{
		{
			"all", AllFacts,
			"type*;size*;modify*;perm*;unique*;UNIX.mode*;UNIX.uid*;UNIX.gid*;",
			"type;size;modify;perm;unique;UNIX.mode;UNIX.uid;UNIX.gid;",
		},
		{"none", 0, "type;size;modify;perm;unique;UNIX.mode;UNIX.uid;UNIX.gid;", ""},
		{
			"two", FactType | FactModify,
			"type*;size;modify*;perm;unique;UNIX.mode;UNIX.uid;UNIX.gid;",
			"type;modify;",
		},
	}
	for _, tt := range tests {
		if got := string(AppendFactList(nil, tt.on)); got != tt.feat {
			t.Errorf("%s: FEAT: got %q, want %q", tt.name, got, tt.feat)
		}
		if got := string(AppendFactNames(nil, tt.on)); got != tt.names {
			t.Errorf("%s: OPTS: got %q, want %q", tt.name, got, tt.names)
		}
	}
}

func TestParseFactList(t *testing.T) {
	tests := []struct {
		name    string
		in      string
		want    Facts
		wantErr error
	}{
		{"empty", "", 0, nil},
		{"two", "type;modify;", FactType | FactModify, nil},
		{"case", "TYPE;unix.MODE;", FactType | FactUnixMode, nil},
		{"no last semicolon", "type;size", FactType | FactSize, nil},
		{"unknown dropped", "type;media-type;lang;", FactType, nil},
		{"twice", "size;size;", FactSize, nil},
		{"space", "type; size;", 0, ErrSyntax},
		{"space at the end", "type; ", 0, ErrSyntax},
		{"only semicolon", ";", 0, ErrSyntax},
		{"empty name", "type;;size;", 0, ErrSyntax},
	}
	for _, tt := range tests {
		got, err := ParseFactList([]byte(tt.in))
		if got != tt.want || !errors.Is(err, tt.wantErr) {
			t.Errorf("%s: got %b, %v, want %b, %v", tt.name, got, err, tt.want, tt.wantErr)
		}
	}
}

// FuzzFacts: every set survives OPTS MLST's answer and question.
func FuzzFacts(f *testing.F) {
	f.Add(uint16(0))
	f.Add(uint16(AllFacts))
	f.Fuzz(func(t *testing.T, bits uint16) {
		want := Facts(bits) & AllFacts
		if got, err := ParseFactList(AppendFactNames(nil, want)); err != nil || got != want {
			t.Errorf("got %b back, error %v, want %b", got, err, want)
		}
	})
}
