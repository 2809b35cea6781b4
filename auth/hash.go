package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Parameters of new hashes: argon2id with 19 MiB, two passes, one lane. A check
// takes about 40 ms of one core.
const (
	newMemoryKiB = 19 << 10
	newPasses    = 2
	newLanes     = 1
	newSaltLen   = 16
	newSumLen    = 32
)

// Bounds of what a users file may ask for. A hash is computed for anybody who
// knows a name, so one record with absurd parameters would be a way to stop the
// server: the worst allowed here takes about a second.
const (
	maxMemoryKiB  = 256 << 10
	maxPasses     = 10
	maxLanes      = 16
	maxBcryptCost = 14
	maxSHA512     = 500_000 // rounds
)

// hash is one stored password.
type hash interface {
	// verify reports whether password is the one that was hashed. It takes
	// the time and memory that cost names, whatever the answer.
	verify(password []byte) bool
	// cost names the algorithm and its parameters: equal costs, equal work.
	cost() string
	// decoy returns a hash of the same cost that no known password matches.
	decoy() hash
}

// HashPassword returns a new argon2id hash of a password in the form of the
// users file. It refuses an empty password and one of more than MaxPassword
// bytes.
func HashPassword(password string) (string, error) {
	if password == "" {
		return "", errors.New("the password is empty")
	}
	if len(password) > MaxPassword {
		return "", fmt.Errorf("the password is longer than %d bytes", MaxPassword)
	}
	h := argon2idHash{
		memoryKiB: newMemoryKiB, passes: newPasses, lanes: newLanes,
		salt: randomBytes(newSaltLen), sum: make([]byte, newSumLen),
	}
	h.sum = h.derive([]byte(password))
	return h.String(), nil
}

// defaultDecoy is what an unknown user is checked against when there is no
// other user to imitate.
func defaultDecoy() hash {
	return argon2idHash{
		memoryKiB: newMemoryKiB, passes: newPasses, lanes: newLanes,
		salt: randomBytes(newSaltLen), sum: randomBytes(newSumLen),
	}
}

// parseHash reads a hash: argon2id in the PHC form, bcrypt ($2a$, $2b$, $2y$)
// or sha512-crypt ($6$). The error never holds the hash.
func parseHash(text string) (hash, error) {
	switch {
	case strings.HasPrefix(text, "$argon2id$"):
		return parseArgon2id(text)
	case strings.HasPrefix(text, "$2a$"), strings.HasPrefix(text, "$2b$"), strings.HasPrefix(text, "$2y$"):
		return parseBcrypt(text)
	case strings.HasPrefix(text, "$6$"):
		return parseSHA512(text)
	case strings.HasPrefix(text, "$"):
		return nil, errors.New("unknown password hash: want argon2id, bcrypt or sha512-crypt")
	}
	return nil, errors.New(`the password is not hashed: use "fastftps user passwd"`)
}

// argon2idHash has the form $argon2id$v=19$m=19456,t=2,p=1$salt$sum.
type argon2idHash struct {
	memoryKiB, passes uint32
	lanes             uint8
	salt, sum         []byte
}

func parseArgon2id(text string) (hash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[2] != "v=19" {
		return nil, errors.New("argon2id hash: want $argon2id$v=19$m=..,t=..,p=..$salt$sum")
	}
	m, t, p, err := parseArgon2Params(parts[3])
	if err != nil {
		return nil, fmt.Errorf("argon2id hash: %w", err)
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	sum, sumErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || sumErr != nil || len(salt) < 8 || len(salt) > 64 || len(sum) < 16 || len(sum) > 64 {
		return nil, errors.New("argon2id hash: salt of 8 to 64 and sum of 16 to 64 bytes in base64 without padding expected")
	}
	return argon2idHash{memoryKiB: m, passes: t, lanes: uint8(p), salt: salt, sum: sum}, nil
}

func parseArgon2Params(text string) (m, t, p uint32, err error) {
	fields := strings.Split(text, ",")
	if len(fields) != 3 {
		return 0, 0, 0, errors.New("want the parameters m, t, p")
	}
	for i, f := range []struct {
		name string
		to   *uint32
		max  uint32
	}{{"m", &m, maxMemoryKiB}, {"t", &t, maxPasses}, {"p", &p, maxLanes}} {
		digits, found := strings.CutPrefix(fields[i], f.name+"=")
		n, err := strconv.ParseUint(digits, 10, 32)
		if !found || err != nil || n < 1 || n > uint64(f.max) {
			return 0, 0, 0, fmt.Errorf("parameter %s must be 1 to %d", f.name, f.max)
		}
		*f.to = uint32(n)
	}
	if m < 8*p {
		return 0, 0, 0, errors.New("parameter m must be at least 8 times p")
	}
	return m, t, p, nil
}

func (h argon2idHash) derive(password []byte) []byte {
	return argon2.IDKey(password, h.salt, h.passes, h.memoryKiB, h.lanes, uint32(len(h.sum)))
}

func (h argon2idHash) verify(password []byte) bool {
	return subtle.ConstantTimeCompare(h.derive(password), h.sum) == 1
}

func (h argon2idHash) cost() string {
	return fmt.Sprintf("argon2id m=%d,t=%d,p=%d", h.memoryKiB, h.passes, h.lanes)
}

func (h argon2idHash) decoy() hash {
	h.salt, h.sum = randomBytes(len(h.salt)), randomBytes(len(h.sum))
	return h
}

func (h argon2idHash) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", h.memoryKiB, h.passes, h.lanes, b64(h.salt), b64(h.sum))
}

// bcryptHash has the form $2b$10$ and 53 characters of salt and sum. As
// everywhere, only the first 72 bytes of a password count.
type bcryptHash struct {
	text   []byte
	rounds int
}

// bcryptAlphabet are the digits of bcrypt's and, in another order, of
// sha512-crypt's base64.
const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func parseBcrypt(text string) (hash, error) {
	rounds, err := bcrypt.Cost([]byte(text))
	if err != nil || len(text) != 60 || !onlyDigits64(text[7:]) {
		return nil, errors.New("bcrypt hash: want $2b$, two digits of cost, $ and 53 characters")
	}
	if rounds > maxBcryptCost {
		return nil, fmt.Errorf("bcrypt hash: cost %d is more than %d", rounds, maxBcryptCost)
	}
	return bcryptHash{text: []byte(text), rounds: rounds}, nil
}

func (h bcryptHash) verify(password []byte) bool {
	return bcrypt.CompareHashAndPassword(h.text, password) == nil
}

func (h bcryptHash) cost() string { return fmt.Sprintf("bcrypt %d", h.rounds) }

func (h bcryptHash) decoy() hash {
	h.text = append(h.text[:7:7], randomDigits64(53)...)
	return h
}

// sha512Hash has the form $6$[rounds=N$]salt$sum, as in /etc/shadow.
type sha512Hash struct {
	digest algorithm.Digest
	rounds int
	prefix string // up to and including the salt's dollar
}

func parseSHA512(text string) (hash, error) {
	rest, rounds := text[len("$6$"):], shacrypt.IterationsDefaultOmitted
	if r, ok := strings.CutPrefix(rest, "rounds="); ok {
		digits, after, _ := strings.Cut(r, "$")
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || n < 1000 || n > maxSHA512 {
			return nil, fmt.Errorf("sha512-crypt hash: rounds must be 1000 to %d", maxSHA512)
		}
		rest, rounds = after, int(n)
	}
	salt, sum, _ := strings.Cut(rest, "$")
	if salt == "" || len(salt) > 16 || !onlyDigits64(salt) || len(sum) != 86 || !onlyDigits64(sum) {
		return nil, errors.New("sha512-crypt hash: want $6$, a salt of at most 16 characters, $ and 86 characters")
	}
	digest, err := shacrypt.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("sha512-crypt hash: %w", err)
	}
	return sha512Hash{digest: digest, rounds: rounds, prefix: strings.TrimSuffix(text, salt+"$"+sum)}, nil
}

func (h sha512Hash) verify(password []byte) bool { return h.digest.MatchBytes(password) }

func (h sha512Hash) cost() string { return fmt.Sprintf("sha512-crypt rounds=%d", h.rounds) }

func (h sha512Hash) decoy() hash {
	d, err := parseSHA512(h.prefix + randomDigits64(16) + "$" + randomDigits64(86))
	if err != nil {
		return defaultDecoy() // cannot be: the form is the one that was parsed
	}
	return d
}

func onlyDigits64(s string) bool {
	return strings.Trim(s, bcryptAlphabet) == ""
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

func randomDigits64(n int) string {
	b := randomBytes(n)
	for i := range b {
		b[i] = bcryptAlphabet[b[i]&63]
	}
	return string(b)
}
