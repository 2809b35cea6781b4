package codec

// Text is what replies and names are made of.
type Text interface{ ~string | ~[]byte }

// AppendReply appends a one-line reply, or the last line of a longer one:
//
//	NNN text CRLF
//
// No text can break out of its line: CR, LF and NUL go out as %0D, %0A and %00.
// Names of files and all that clients sent need AppendSafe or AppendQuoted on
// top of that.
func AppendReply[T Text](dst []byte, code Code, text T) []byte {
	return appendLine(appendCode(dst, code, ' '), text)
}

// AppendFirst appends the first line of a reply of several lines:
//
//	NNN-text CRLF
//
// It is followed by AppendInner for each inner line and AppendReply, with the
// same code, for the last.
func AppendFirst[T Text](dst []byte, code Code, text T) []byte {
	return appendLine(appendCode(dst, code, '-'), text)
}

// AppendInner appends an inner line of a longer reply:
//
//	SP text CRLF
//
// The one space is what FEAT and MLST ask for (RFC 2389 section 3.2, RFC 3659
// section 7.2), and it keeps a text that begins with digits from being taken
// for the last line.
func AppendInner[T Text](dst []byte, text T) []byte {
	return appendLine(append(dst, ' '), text)
}

func appendCode(dst []byte, code Code, sep byte) []byte {
	return append(dst, byte('0'+code/100%10), byte('0'+code/10%10), byte('0'+code%10), sep)
}

func appendLine[T Text](dst []byte, text T) []byte {
	for i := range len(text) {
		if c := text[i]; breaksLine(c) {
			dst = appendPercent(dst, c)
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '\r', '\n')
}
