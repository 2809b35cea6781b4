package auth

import (
	"strings"
	"testing"
)

// tinyHash returns a cheap argon2id hash of a password, so that tests are quick.
func tinyHash(t testing.TB, password string) string {
	t.Helper()
	h := argon2idHash{memoryKiB: 8, passes: 1, lanes: 1, salt: randomBytes(16), sum: make([]byte, 16)}
	h.sum = h.derive([]byte(password))
	return h.String()
}

// The hashes were made by others: glibc's crypt and Argon2's reference tests.
var foreignHashes = []struct {
	name, hash, password, cost string
}{
	{"argon2id reference", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password", "argon2id m=256,t=2,p=1"},
	{"bcrypt 2b", "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "correct horse", "bcrypt 4"},
	{"bcrypt 2y", "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "correct horse", "bcrypt 4"},
	{"bcrypt beyond 72 bytes", "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i", strings.Repeat("x", 100), "bcrypt 4"},
	{"sha512 rounds", "$6$rounds=1000$saltsalt$4GMtaIz3E1AdDi2SmCokEW0ehi.HdxNDcL3fGE1XXuzvo6kbx7UOloZKONqEk5H3JrQA4NOfU8BmqFPrpGqwA1", "correct horse", "sha512-crypt rounds=1000"},
	{"sha512 default rounds", "$6$abcdefgh$yIZAF3gQPvtKZO/9qOJKffAKKbtS3ef3qmwyugk4uWVjX8YZf/GV3A8SkFxEPY0T56CcilGrHKLffBsp6dLMG.", "correct horse", "sha512-crypt rounds=5000"},
}

func TestForeignHashes(t *testing.T) {
	for _, tt := range foreignHashes {
		t.Run(tt.name, func(t *testing.T) {
			h, err := parseHash(tt.hash)
			if err != nil {
				t.Fatalf("parse: %v", err)
			}
			if got := h.cost(); got != tt.cost {
				t.Errorf("cost: got %q, want %q", got, tt.cost)
			}
			if !h.verify([]byte(tt.password)) {
				t.Error("the right password was refused")
			}
			for _, wrong := range []string{"", "x", "y" + tt.password} {
				if h.verify([]byte(wrong)) {
					t.Errorf("%q was accepted", wrong)
				}
			}
			d := h.decoy()
			if d.cost() != tt.cost {
				t.Errorf("decoy's cost: got %q, want %q", d.cost(), tt.cost)
			}
			if d.verify([]byte(tt.password)) {
				t.Error("the decoy accepts the password")
			}
			if !h.verify([]byte(tt.password)) {
				t.Error("making a decoy changed the hash")
			}
		})
	}
}

func TestHashPassword(t *testing.T) {
	for _, password := range []string{"p", "pass word", "päß\x00\xff", strings.Repeat("x", MaxPassword)} {
		text, err := HashPassword(password)
		if err != nil {
			t.Fatalf("HashPassword(%.10q): %v", password, err)
		}
		h, err := parseHash(text)
		if err != nil {
			t.Fatalf("parse %q: %v", text, err)
		}
		if got, want := h.cost(), "argon2id m=19456,t=2,p=1"; got != want {
			t.Errorf("cost: got %q, want %q", got, want)
		}
		if !h.verify([]byte(password)) || h.verify([]byte(password+"x")) {
			t.Errorf("%.10q: the hash does not tell right from wrong", password)
		}
	}
	for _, password := range []string{"", strings.Repeat("x", MaxPassword+1)} {
		if _, err := HashPassword(password); err == nil {
			t.Errorf("a password of %d bytes was hashed", len(password))
		}
	}
}

func TestParseHashRefuses(t *testing.T) {
	const tail = "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	sum86 := strings.Repeat("a", 86)
	for _, tt := range []struct{ name, hash, message string }{
		{"clear text", "hunter2", "not hashed"},
		{"empty", "", "not hashed"},
		{"unknown scheme", "$1$abc$def", "unknown password hash"},
		{"argon2i", "$argon2i$v=19$m=256,t=2,p=1" + tail, "unknown password hash"},
		{"old argon2 version", "$argon2id$v=16$m=256,t=2,p=1" + tail, "want $argon2id$v=19"},
		{"memory bomb", "$argon2id$v=19$m=262145,t=2,p=1" + tail, "m must be 1 to 262144"},
		{"memory overflow", "$argon2id$v=19$m=99999999999,t=2,p=1" + tail, "m must be"},
		{"many passes", "$argon2id$v=19$m=256,t=11,p=1" + tail, "t must be 1 to 10"},
		{"no passes", "$argon2id$v=19$m=256,t=0,p=1" + tail, "t must be"},
		{"many lanes", "$argon2id$v=19$m=256,t=1,p=17" + tail, "p must be 1 to 16"},
		{"memory below lanes", "$argon2id$v=19$m=15,t=1,p=2" + tail, "8 times p"},
		{"parameter missing", "$argon2id$v=19$m=256,t=1" + tail, "want the parameters"},
		{"parameter order", "$argon2id$v=19$t=1,m=256,p=1" + tail, "parameter m"},
		{"short salt", "$argon2id$v=19$m=256,t=1,p=1$c2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "salt of 8"},
		{"short sum", "$argon2id$v=19$m=256,t=1,p=1$c29tZXNhbHQ$nf65", "sum of 16"},
		{"no base64", "$argon2id$v=19$m=256,t=1,p=1$!!!$???", "base64"},
		{"bcrypt cost", "$2b$15$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "cost 15 is more than 14"},
		{"bcrypt short", "$2b$04$abc", "53 characters"},
		{"bcrypt letters", "$2b$04$abcdefghijklmnopqrst!ujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "53 characters"},
		{"sha512 rounds", "$6$rounds=500001$salt$" + sum86, "1000 to 500000"},
		{"sha512 few rounds", "$6$rounds=999$salt$" + sum86, "1000 to 500000"},
		{"sha512 short", "$6$salt$abc", "86 characters"},
		{"sha512 long salt", "$6$" + strings.Repeat("s", 17) + "$" + sum86, "salt of at most 16"},
		{"sha512 empty salt", "$6$$" + sum86, "salt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseHash(tt.hash)
			if err == nil || !strings.Contains(err.Error(), tt.message) {
				t.Fatalf("got error %v, want one with %q", err, tt.message)
			}
			if len(tt.hash) > 20 && strings.Contains(err.Error(), tt.hash[len(tt.hash)-20:]) {
				t.Errorf("the error shows the hash: %v", err)
			}
		})
	}
}

func BenchmarkDefaultHash(b *testing.B) {
	h := defaultDecoy()
	b.ReportAllocs()
	for b.Loop() {
		h.verify([]byte("password"))
	}
}
