package codec

// The Telnet commands that matter on a control connection (RFC 854). The
// others, 0xF0 to 0xF9, are IP, DM, AYT and so on: two bytes that are dropped.
const (
	se   = 0xF0
	sb   = 0xFA
	will = 0xFB
	wont = 0xFC
	do   = 0xFD
	dont = 0xFE
	iac  = 0xFF
)

// maxAnswers bounds the bytes of Telnet answers held: three an answer.
const maxAnswers = 3 * 64

// telnetState is where in a Telnet command the decoder stands.
type telnetState uint8

const (
	telnetData    telnetState = iota // in text; then telnetCommand
	telnetCommand                    // after IAC; then any of the others
	telnetWill                       // after IAC WILL; then telnetData
	telnetDo                         // after IAC DO; then telnetData
	telnetIgnore                     // after IAC WONT or DONT; then telnetData
	telnetSub                        // after IAC SB; then telnetSubIAC
	telnetSubIAC                     // IAC in a subnegotiation; then telnetData or telnetSub
)

// takeTelnet decodes one byte of a Telnet command and reports whether the byte
// is text after all. A server never starts a negotiation and refuses every
// option (RFC 1123 sections 3.2.1 and 4.1.2.12).
func (d *Decoder) takeTelnet(c byte) (text bool) {
	switch d.telnet {
	case telnetData:
		d.telnet = telnetCommand
		return false
	case telnetCommand:
		return d.takeCommand(c)
	case telnetSub:
		if c == iac {
			d.telnet = telnetSubIAC
		}
		return false
	case telnetSubIAC:
		if c != se {
			d.telnet = telnetSub
			return false
		}
	case telnetWill:
		d.answer(dont, c)
	case telnetDo:
		d.answer(wont, c)
	}
	d.endTelnet()
	return false
}

// takeCommand decodes the byte after IAC.
func (d *Decoder) takeCommand(c byte) (text bool) {
	switch c {
	case sb:
		d.telnet = telnetSub
	case will:
		d.telnet = telnetWill
	case do:
		d.telnet = telnetDo
	case wont, dont:
		d.telnet = telnetIgnore
	case iac:
		d.telnet = telnetData
		return true
	default:
		if c < se { // a client that does not double 0xFF: both bytes are text
			d.telnet = telnetData
			d.takeText(iac)
			return true
		}
		d.endTelnet()
	}
	return false
}

// endTelnet leaves a Telnet command. One that stands between two lines is no
// part of the next: a client may send nothing but keep-alives for days.
func (d *Decoder) endTelnet() {
	d.telnet = telnetData
	if d.empty() && d.raw <= MaxFlood {
		d.raw = 0
	}
}

func (d *Decoder) answer(verb, option byte) {
	if len(d.answers) < maxAnswers {
		d.answers = append(d.answers, iac, verb, option)
	}
}

// AppendTelnet appends the answers that the client's Telnet negotiations call
// for, and forgets them. They are to be sent between replies, never inside one.
// At most 64 are held, further ones are dropped: nobody negotiates that much.
func (d *Decoder) AppendTelnet(dst []byte) []byte {
	dst = append(dst, d.answers...)
	d.answers = nil
	return dst
}
