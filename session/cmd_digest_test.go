package session

import (
	"reflect"
	"testing"
)

func TestChecksumForms(t *testing.T) {
	all := span{0, toEnd}
	tests := []struct {
		name, arg string
		want      []checksumForm
	}{
		{"bare", "a.txt", []checksumForm{{"a.txt", all}}},
		{"spaces", "a b.txt", []checksumForm{{"a b.txt", all}}},
		{"start", "a.txt 5", []checksumForm{{"a.txt 5", all}, {"a.txt", span{5, toEnd}}}},
		{"range", "a.txt 5 9", []checksumForm{{"a.txt 5 9", all}, {"a.txt 5", span{9, toEnd}}, {"a.txt", span{5, 9}}}},
		{"three numbers", "a 1 2 3", []checksumForm{{"a 1 2 3", all}, {"a 1 2", span{3, toEnd}}, {"a 1", span{2, 3}}}},
		{"number is the name", "5 6", []checksumForm{{"5 6", all}, {"5", span{6, toEnd}}}},
		{"overflow is no number", "a 9223372036854775808", []checksumForm{{"a 9223372036854775808", all}}},
		{"quoted", `"a b" 5 9`, []checksumForm{{"a b", span{5, 9}}, {`"a b" 5 9`, all}}},
		{"quoted alone", `"a"`, []checksumForm{{"a", all}, {`"a"`, all}}},
		{"doubled quote", `"a""b"`, []checksumForm{{`a"b`, all}, {`"a""b"`, all}}},
		{"quoted and junk", `"a"b`, []checksumForm{{`"a"b`, all}}},
		{"quoted, no number", `"a" x`, []checksumForm{{`"a" x`, all}}},
		{"not closed", `"a`, []checksumForm{{`"a`, all}}},
		{"empty quotes", `""`, []checksumForm{{"", all}, {`""`, all}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := checksumForms(tt.arg); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("checksumForms(%q): got %v, want %v", tt.arg, got, tt.want)
			}
		})
	}
}

func TestHashNamed(t *testing.T) {
	for h := range hashAlgorithms {
		want := hashAlgorithm(h)
		if got, ok := hashNamed(want.String()); !ok || got != want {
			t.Errorf("hashNamed(%q): got %v, %v", want, got, ok)
		}
	}
	if got, ok := hashNamed("sha-512"); !ok || got != sha512Hash {
		t.Errorf("hashNamed in lower case: got %v, %v", got, ok)
	}
	for _, name := range []string{"", "SHA256", "SHA-256;", "ROT13"} {
		if got, ok := hashNamed(name); ok {
			t.Errorf("hashNamed(%q): got %v, want none", name, got)
		}
	}
}
