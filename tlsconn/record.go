package tlsconn

// The record layer as far as its framing goes (RFC 8446 section 5.1, RFC 5246
// section 6.2): type 1, version 2, length 2, payload.
const (
	headerLen    = 5
	maxPlaintext = 16 << 10
	// maxPayload is the longest payload of any record, the one of TLS 1.2.
	maxPayload = maxPlaintext + 2048

	typeChangeCipherSpec = 20
	typeAlert            = 21
	typeHandshake        = 22
	typeApplicationData  = 23

	clientHello = 1
)

// recordLen returns the length of the record that b begins with, header
// included; 0 when the header is not whole.
func recordLen(b []byte) int {
	if len(b) < headerLen {
		return 0
	}
	return headerLen + int(b[3])<<8 + int(b[4])
}

// wholeRecord returns how many bytes of b may be given to crypto/tls: the first
// record if it is whole, else 0. Of a record that is longer than any may be it
// returns the header alone: that is enough for crypto/tls to refuse it.
func wholeRecord(b []byte) int {
	n := recordLen(b)
	switch {
	case n > headerLen+maxPayload:
		return headerLen
	case n > len(b):
		return 0
	}
	return n
}

// span follows the borders of records in a stream that is handed on in pieces.
// The zero value stands at a border.
type span struct {
	head [headerLen]byte
	seen int // bytes of the header that went by
	left int // bytes of the payload that are still to come
}

// next returns how many bytes of b still belong to the current record, and
// counts them as gone by.
func (s *span) next(b []byte) int {
	n := 0
	if s.seen < headerLen {
		n = copy(s.head[s.seen:], b)
		s.seen += n
		if s.seen < headerLen {
			return n
		}
		s.left = recordLen(s.head[:]) - headerLen
	}
	m := min(s.left, len(b)-n)
	s.left -= m
	if s.left == 0 {
		s.seen = 0
	}
	return n + m
}

// helloScan looks for the end of the ClientHello in the first bytes of a
// connection, so that nothing of crypto/tls exists until it is there. A
// ClientHello may be spread over several records. The zero value is ready.
type helloScan struct {
	off  int     // where the next record begins
	got  int     // bytes of the message in the records before off
	head [4]byte // type and length of the message
}

// scan reports whether the handshake can begin: the ClientHello is there, or
// crypto/tls has reason to answer with an alert. b holds all bytes so far.
// ErrNotTLS comes with the first byte that no ClientHello can have.
func (h *helloScan) scan(b []byte) (bool, error) {
	for {
		rest := b[h.off:]
		if !helloRecord(rest) {
			return h.off > 0, h.verdict()
		}
		n := recordLen(rest)
		if n == 0 || n > len(rest) {
			return false, h.first(rest)
		}
		if err := h.first(rest); err != nil {
			return false, err
		}
		h.add(rest[headerLen:n])
		h.off += n
		if h.whole() {
			return true, nil
		}
	}
}

// verdict judges a record that cannot belong to a ClientHello: the first one is
// foreign; a later one is for crypto/tls to refuse.
func (h *helloScan) verdict() error {
	if h.off == 0 {
		return ErrNotTLS
	}
	return nil
}

// first checks the type of the first message as soon as it is there.
func (h *helloScan) first(rec []byte) error {
	if h.got == 0 && len(rec) > headerLen && rec[headerLen] != clientHello {
		return ErrNotTLS
	}
	return nil
}

func (h *helloScan) add(payload []byte) {
	if h.got < len(h.head) {
		copy(h.head[h.got:], payload)
	}
	h.got += len(payload)
}

func (h *helloScan) whole() bool {
	if h.got < len(h.head) {
		return false
	}
	want := len(h.head) + int(h.head[1])<<16 + int(h.head[2])<<8 + int(h.head[3])
	return h.got >= want || want > MaxHandshake
}

// helloRecord reports whether rec, of which only the beginning may be there,
// can be a record that carries a piece of a ClientHello in clear.
func helloRecord(rec []byte) bool {
	if len(rec) > 0 && rec[0] != typeHandshake || len(rec) > 1 && rec[1] != 3 {
		return false
	}
	n := recordLen(rec)
	return n == 0 || n > headerLen && n <= headerLen+maxPlaintext
}
