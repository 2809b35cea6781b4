package tlsconn

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
)

// Alerts (RFC 8446 section 6, RFC 5246 section 7.2) and handshake messages.
const (
	levelWarning = 1
	levelFatal   = 2

	alertCloseNotify       = 0
	alertUnexpectedMessage = 10
	alertBadRecordMAC      = 20
	alertRecordOverflow    = 22
	alertIllegalParameter  = 47
	alertDecodeError       = 50
	alertProtocolVersion   = 70
	alertInternalError     = 80
	alertUserCanceled      = 90
	alertNoRenegotiation   = 100

	msgNewSessionTicket = 4
	msgFinished         = 20
	msgKeyUpdate        = 24
)

// maxIdle is how many records and messages in a row may bring no data: as many
// as crypto/tls lets pass.
const maxIdle = 16

// breach is what a peer must not do; it is answered by an alert.
type breach struct {
	alert byte
	what  string
}

func (b *breach) Error() string { return "TLS record: " + b.what }

// level of the alert. no_renegotiation is always a warning (RFC 5246 section
// 7.2.2); the connection ends all the same.
func (b *breach) level() byte {
	if b.alert == alertNoRenegotiation {
		return levelWarning
	}
	return levelFatal
}

var (
	errBadMAC        = &breach{alertBadRecordMAC, "not sealed by the peer, or changed or misplaced under way"}
	errOverflow      = &breach{alertRecordOverflow, "longer than a record may be"}
	errVersion       = &breach{alertProtocolVersion, "wrong version"}
	errType          = &breach{alertUnexpectedMessage, "a type that has no place here"}
	errNoType        = &breach{alertUnexpectedMessage, "nothing but padding"}
	errIdle          = &breach{alertUnexpectedMessage, "too many without data"}
	errEmpty         = &breach{alertUnexpectedMessage, "an empty alert or handshake message"}
	errAlert         = &breach{alertDecodeError, "an alert that is none"}
	errMessage       = &breach{alertUnexpectedMessage, "a handshake message that has no place here"}
	errSplit         = &breach{alertUnexpectedMessage, "something within a handshake message, or behind a KeyUpdate"}
	errKeyUpdate     = &breach{alertDecodeError, "a KeyUpdate of the wrong length"}
	errKeyUpdateAsks = &breach{alertIllegalParameter, "a KeyUpdate that asks for neither one nor none"}
	errRenegotiation = &breach{alertNoRenegotiation, "renegotiation"}
	errKey           = &breach{alertInternalError, "no next key"}
)

// opener takes the records that the peer sends.
type opener struct {
	half
	idle int     // records and messages without data, since the last with some
	hand [5]byte // TLS 1.3: a KeyUpdate as far as it is there
	got  int     // bytes of hand
	asks bool    // the last record held a KeyUpdate that wants one in return
}

// maxPayload is the longest payload that a record can have. RFC 8446 section
// 5.2 and RFC 5246 section 6.2.3 allow for more, which would be padding beyond
// the limit of section 5.4, or compression: no record that long is good.
func (o *opener) maxPayload() int { return maxPlaintext + o.overhead() }

// length returns the length of the record that b begins with, header included; 0
// when not all of it is there. A record that is refused for its header is refused
// as soon as that is whole.
func (o *opener) length(b []byte) (int, error) {
	n := recordLen(b)
	switch {
	case n == 0:
		return 0, nil
	case b[1] != 3 || b[2] != 3:
		return 0, errVersion
	case o.tls13 && b[0] != typeApplicationData:
		// That includes change_cipher_spec, which may come until the peer's
		// Finished only (RFC 8446 section 5).
		return 0, errType
	case n > headerLen+o.maxPayload():
		return 0, errOverflow
	case n > len(b):
		return 0, nil
	}
	return n, nil
}

// open opens one whole record, to dst if that has room for it, else in place,
// and returns its content. What it returns with an error is of no use.
func (o *opener) open(dst, rec []byte) (typ byte, content []byte, err error) {
	o.awake()
	if o.tls13 {
		typ, content, err = o.open13(dst, rec)
	} else {
		typ, content, err = o.open12(dst, rec)
	}
	if err == nil {
		o.seq++
	}
	return typ, content, err
}

func (o *opener) open12(dst, rec []byte) (byte, []byte, error) {
	payload := rec[headerLen:]
	n := len(payload) - o.overhead()
	if n < 0 {
		return 0, nil, errBadMAC
	}
	explicit, sealed := payload[:gcmExplicit], payload[gcmExplicit:]
	o.nonce12(explicit, rec[0], n)
	content, err := o.aead.Open(target(dst, sealed), o.nonce[:], sealed, o.extra[:])
	if err != nil {
		return 0, nil, errBadMAC
	}
	return rec[0], content, nil
}

func (o *opener) open13(dst, rec []byte) (byte, []byte, error) {
	sealed := rec[headerLen:]
	o.nonce13()
	extra := o.extra[:copy(o.extra[:], rec[:headerLen])]
	inner, err := o.aead.Open(target(dst, sealed), o.nonce[:], sealed, extra)
	if err != nil {
		return 0, nil, errBadMAC
	}
	// The type stands in front of the padding (RFC 8446 section 5.4).
	for n := len(inner) - 1; n >= 0; n-- {
		if inner[n] != 0 {
			return inner[n], inner[:n], nil
		}
	}
	return 0, nil, errNoType
}

// target returns what to open to: dst or the place of the sealed bytes itself.
func target(dst, sealed []byte) []byte {
	if len(dst) >= len(sealed)-gcmTag {
		return dst[:0]
	}
	return sealed[:0]
}

// judge decides what a record is worth: nil, and data is to be handed on, empty
// for a record without any; io.EOF for close_notify.
func (o *opener) judge(typ byte, content []byte) (data []byte, err error) {
	o.asks = false
	if o.got > 0 && typ != typeHandshake {
		return nil, errSplit
	}
	switch typ {
	case typeApplicationData:
		if len(content) == 0 {
			return nil, o.useless()
		}
		o.idle = 0
		return content, nil
	case typeAlert:
		return nil, o.alert(content)
	case typeHandshake:
		if len(content) == 0 {
			return nil, errEmpty
		}
		return nil, o.message(content)
	}
	return nil, errType
}

// useless counts what brings no data.
func (o *opener) useless() error {
	if o.idle++; o.idle > maxIdle {
		return errIdle
	}
	return nil
}

// alert judges an alert. On TLS 1.3 the level means nothing (RFC 8446 section 6).
func (o *opener) alert(a []byte) error {
	switch {
	case len(a) == 0:
		return errEmpty
	case len(a) != 2:
		return errAlert
	case a[1] == alertCloseNotify:
		return io.EOF
	case o.tls13 && a[1] == alertUserCanceled, !o.tls13 && a[0] == levelWarning:
		return o.useless()
	case !o.tls13 && a[0] != levelFatal:
		return errAlert
	}
	return fmt.Errorf("TLS alert from the peer: %w", tls.AlertError(a[1]))
}

// message judges a piece of the handshake protocol. A client may send one
// message only: KeyUpdate (RFC 8446 section 4.6.3).
func (o *opener) message(p []byte) error {
	switch {
	case !o.tls13 && p[0] == clientHello:
		return errRenegotiation
	case !o.tls13, o.got == 0 && p[0] != msgKeyUpdate:
		return errMessage
	}
	n := copy(o.hand[o.got:], p)
	if o.got += n; o.got < 4 {
		return nil
	}
	switch {
	case binary.BigEndian.Uint32(o.hand[:])&0xffffff != 1:
		return errKeyUpdate
	case o.got < len(o.hand):
		return nil
	case n < len(p):
		return errSplit // the key changes here (RFC 8446 section 5.1)
	case o.hand[4] > 1:
		return errKeyUpdateAsks
	}
	o.got, o.asks = 0, o.hand[4] == 1
	if err := o.useless(); err != nil {
		return err
	}
	if o.update() != nil {
		return errKey
	}
	return nil
}
