package dataplane

import "bytes"

// expander turns LF into CRLF (TYPE A, RFC 959 section 3.1.1.1). An LF that
// follows a CR is left alone, also when a buffer ends between the two.
type expander struct {
	cr bool // the last byte of the input so far is a CR
}

// appendTo appends the converted src to dst: at most twice its length.
func (e *expander) appendTo(dst, src []byte) []byte {
	for len(src) > 0 {
		i := bytes.IndexByte(src, '\n')
		if i < 0 {
			e.cr = src[len(src)-1] == '\r'
			return append(dst, src...)
		}
		if i > 0 {
			e.cr = src[i-1] == '\r'
		}
		dst = append(dst, src[:i]...)
		if !e.cr {
			dst = append(dst, '\r')
		}
		dst = append(dst, '\n')
		e.cr = false
		src = src[i+1:]
	}
	return dst
}

// contractor turns CRLF into LF. Lone CRs and LFs are kept. A CR at the end of
// a buffer is held back until the next byte, or the end, decides.
type contractor struct {
	cr bool // a CR is held back
}

// appendTo appends the converted src to dst: at most one byte more than src.
// dst may be the memory in front of src if it ends at least one byte before.
func (c *contractor) appendTo(dst, src []byte) []byte {
	if len(src) == 0 {
		return dst
	}
	if c.cr && src[0] != '\n' {
		dst = append(dst, '\r')
	}
	if c.cr = src[len(src)-1] == '\r'; c.cr {
		src = src[:len(src)-1]
	}
	for {
		i := bytes.Index(src, crlf)
		if i < 0 {
			return append(dst, src...)
		}
		dst = append(dst, src[:i]...)
		dst = append(dst, '\n')
		src = src[i+2:]
	}
}

// end appends a CR that was held back.
func (c *contractor) end(dst []byte) []byte {
	if c.cr {
		dst, c.cr = append(dst, '\r'), false
	}
	return dst
}

var crlf = []byte("\r\n")
