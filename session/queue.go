package session

import (
	"encoding/binary"
	"slices"

	"fastftps/codec"
)

// queue holds the commands that arrived while a transfer ran, in order. It is
// one byte slice, so an idle session pays 32 bytes for it.
type queue struct {
	buf []byte // records: verb 8 bytes, error 1, length 2, argument
	n   int
}

// lineErrors are the errors a queued line may have; a record holds the index.
// ErrLineFlood ends the session at once.
var lineErrors = [...]error{nil, codec.ErrVerb, codec.ErrNUL, codec.ErrLineTooLong}

const queueHeader = 8 + 1 + 2

// push appends a command and copies its argument.
func (q *queue) push(c codec.Command) {
	var h [queueHeader]byte
	binary.BigEndian.PutUint64(h[:], uint64(c.Verb))
	h[8] = byte(slices.Index(lineErrors[:], c.Err))
	binary.BigEndian.PutUint16(h[9:], uint16(len(c.Arg)))
	q.buf = append(append(q.buf, h[:]...), c.Arg...)
	q.n++
}

// pop takes the oldest command. Its argument is valid until the next push.
func (q *queue) pop() (verb codec.Verb, arg []byte, err error, ok bool) {
	if q.n == 0 {
		*q = queue{}
		return 0, nil, nil, false
	}
	verb = codec.Verb(binary.BigEndian.Uint64(q.buf))
	err = lineErrors[q.buf[8]]
	end := queueHeader + int(binary.BigEndian.Uint16(q.buf[9:]))
	arg = q.buf[queueHeader:end]
	q.buf = q.buf[end:]
	q.n--
	return verb, arg, err, true
}

// len is the number of queued commands.
func (q *queue) len() int { return q.n }

// has reports whether a command with the verb v is queued.
func (q *queue) has(v codec.Verb) bool {
	for b := q.buf; len(b) > 0; b = b[queueHeader+int(binary.BigEndian.Uint16(b[9:])):] {
		if codec.Verb(binary.BigEndian.Uint64(b)) == v {
			return true
		}
	}
	return false
}
