package tlsconn

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"
)

// tap is what the fast engine must know of a handshake that crypto/tls makes: the
// secrets, which come by Config.KeyLogWriter and by the ticket, and the records
// that went by on the wire. It lives as long as the handshake.
type tap struct {
	clientTraffic [maxSecret]byte // TLS 1.3
	serverTraffic [maxSecret]byte // TLS 1.3
	serverFlight  [maxSecret]byte // TLS 1.3: the server's handshake traffic secret
	master        [masterLen]byte // TLS 1.2, of a full handshake
	resumed       [masterLen]byte // TLS 1.2, of a ticket

	hello [helloLen]byte // how the client begins
	nIn   int            // bytes of hello
	inCCS bool           // TLS 1.2: the client's change_cipher_spec went by
	nKey  int            // records of the client since
	inLen int            // length of the last of them

	reply   [helloLen]byte // how we begin
	began   bool
	nSealed int    // records that we sent with the type of sealed ones
	last    []byte // the last record that we sent
	torn    bool   // crypto/tls wrote, or was given, a part of a record
}

// helloLen is how far a hello reaches up to the end of its random: record
// header, message header, version.
const helloLen = headerLen + 4 + 2 + randomLen

// lastCap bounds the record that is kept: one with Finished or a ticket.
const lastCap = 2 << 10

// Write takes a line of the key log: label, client random, secret.
func (t *tap) Write(line []byte) (int, error) {
	label, rest, _ := bytes.Cut(line, []byte(" "))
	_, secret, _ := bytes.Cut(bytes.TrimSuffix(rest, []byte("\n")), []byte(" "))
	var dst []byte
	switch string(label) {
	case "CLIENT_TRAFFIC_SECRET_0":
		dst = t.clientTraffic[:]
	case "SERVER_TRAFFIC_SECRET_0":
		dst = t.serverTraffic[:]
	case "SERVER_HANDSHAKE_TRAFFIC_SECRET":
		dst = t.serverFlight[:]
	case "CLIENT_RANDOM":
		dst = t.master[:]
	}
	if hex.DecodedLen(len(secret)) <= len(dst) {
		_, _ = hex.Decode(dst, secret) // nonsense does not pass fit
	}
	return len(line), nil
}

// ticket takes the master secret of a TLS 1.2 session, which is in no key log
// when the session is resumed. The form is that of tls.SessionState: version 2,
// type 1, suite 2, time 8, length 1, secret.
func (t *tap) ticket(ss *tls.SessionState) {
	const at = 2 + 1 + 2 + 8
	b, err := ss.Bytes()
	defer clear(b)
	if err == nil && len(b) > at+masterLen && b[at] == masterLen {
		copy(t.resumed[:], b[at+1:])
	}
}

// received sees bytes of one record on their way to crypto/tls; whole says that
// they end it.
func (t *tap) received(p []byte, head [headerLen]byte, whole bool) {
	t.nIn += copy(t.hello[t.nIn:], p)
	switch {
	case !whole:
	case head[0] == typeChangeCipherSpec:
		t.inCCS, t.nKey = true, 0
	case t.inCCS:
		t.nKey++
		t.inLen = recordLen(head[:])
	}
}

// sent sees the records of one write of crypto/tls.
func (t *tap) sent(p []byte) {
	if !t.began {
		copy(t.reply[:], p)
		t.began = true
	}
	for len(p) > 0 {
		n := recordLen(p)
		if n == 0 || n > len(p) {
			t.torn = true
			return
		}
		if p[0] == typeApplicationData {
			t.nSealed++
		}
		if n == len(p) && n <= lastCap {
			t.last = append(t.last[:0], p...)
		}
		p = p[n:]
	}
}

// random returns the random of a hello.
func random(hello *[helloLen]byte) [randomLen]byte {
	return [randomLen]byte(hello[helloLen-randomLen:])
}

// errUnfit says that the handshake is not what the fast engine takes for one.
var errUnfit = errors.New("handshake of an unknown form")

// fit makes out of the secrets what sealing and opening need, and proves it: the
// last record that crypto/tls sent must open where it is expected.
func (t *tap) fit(r *records, info Info, suite gcmSuite) error {
	if t.torn || len(t.last) == 0 {
		return errUnfit
	}
	r.in.suite, r.out.suite = suite, suite
	var err error
	if info.Version == tls.VersionTLS13 {
		r.in.tls13, r.out.tls13 = true, true
		r.out.limit = keyLimit13
		err = t.fit13(r)
	} else {
		r.out.limit = keyLimit12
		err = t.fit12(r, info.Resumed)
	}
	if err != nil {
		r.wipe()
	}
	return err
}

// fit13 finds out whether we sent a ticket: then the next record is our second
// under the application key, else the first, and the last one ended our flight.
func (t *tap) fit13(r *records) error {
	n := r.out.suite.size
	if err := errors.Join(r.in.setSecret(t.clientTraffic[:n]), r.out.setSecret(t.serverTraffic[:n])); err != nil {
		return err
	}
	probe := opener{half: r.out.half}
	defer probe.wipe()
	if probe.shows(t.last, msgNewSessionTicket) {
		r.out.seq = 1
		return nil
	}
	if err := probe.setSecret(t.serverFlight[:n]); err != nil {
		return err
	}
	if probe.seq = uint64(t.nSealed - 1); !probe.shows(t.last, msgFinished) {
		return errUnfit
	}
	return nil
}

// fit12 takes the key block apart (RFC 5246 section 6.3). Each side has sealed
// its Finished.
func (t *tap) fit12(r *records, resumed bool) error {
	if t.nKey != 1 || t.inLen != headerLen+gcmExplicit+finished12+gcmTag {
		return errUnfit // the client said more than Finished
	}
	master := t.master[:]
	if resumed {
		master = t.resumed[:]
	}
	n := r.out.suite.keyLen
	block := r.out.suite.keyBlock(master, random(&t.hello), random(&t.reply), 2*n+2*gcmSalt)
	defer clear(block)
	ivs := block[2*n:]
	if err := errors.Join(r.in.setKey(block[:n], ivs[:gcmSalt]), r.out.setKey(block[n:2*n], ivs[gcmSalt:])); err != nil {
		return err
	}
	probe := opener{half: r.out.half}
	defer probe.wipe()
	if !probe.shows(t.last, msgFinished) {
		return errUnfit
	}
	r.in.seq, r.out.seq = 1, 1
	return nil
}

// finished12 is the length of the Finished of TLS 1.2.
const finished12 = 4 + 12

// shows reports whether rec, as the next record, holds one handshake message of a
// type. On TLS 1.2 its nonce must be the number of the record, as ours are: no
// nonce comes twice.
func (o *opener) shows(rec []byte, msg byte) bool {
	if n, err := o.length(rec); n != len(rec) || err != nil {
		return false
	}
	if !o.tls13 && !bytes.Equal(rec[headerLen:][:gcmExplicit], make([]byte, gcmExplicit)) {
		return false
	}
	typ, p, err := o.open(make([]byte, len(rec)), rec)
	return err == nil && typ == typeHandshake && len(p) > 4 && p[0] == msg && len(p) == 4+int(p[1])<<16+int(p[2])<<8+int(p[3])
}

// wipe forgets the secrets. The lines of the key log themselves belong to
// crypto/tls, as its own copies do.
func (t *tap) wipe() { *t = tap{last: t.last[:0]} }
