package codec

import (
	"bytes"
	"errors"
	"net/netip"
	"strconv"
)

// What the Parse… functions return.
var (
	// ErrSyntax: the argument does not have its form. The reply is 501.
	ErrSyntax = errors.New("bad syntax in argument")
	// ErrFamily: an address family other than 1 (IPv4) and 2 (IPv6). The
	// reply is 522 (RFC 2428 section 2).
	ErrFamily = errors.New("unknown address family")
)

// The address families of EPRT and EPSV (RFC 2428 section 2).
const (
	FamilyIPv4 = 1
	FamilyIPv6 = 2
)

// ParseInt63 reads a decimal number of digits only, as in REST, from 0 to
// 2^63-1.
func ParseInt63(b []byte) (int64, bool) {
	const most = 1<<63 - 1
	n := int64(0)
	for _, c := range b {
		d := int64(c) - '0'
		if d < 0 || d > 9 || n > (most-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(b) > 0
}

// parseUint reads a number of one to five digits up to most.
func parseUint(b []byte, most int64) (int64, bool) {
	n, ok := ParseInt63(b)
	return n, ok && n <= most && len(b) <= 5
}

// ParsePort reads the argument of PORT, six decimal bytes (RFC 959 section
// 5.3.2):
//
//	h1,h2,h3,h4,p1,p2
//
// Spaces around it are allowed. What the address is good for is the caller's to
// judge (RFC 2577 section 3).
func ParsePort(arg []byte) (netip.AddrPort, error) {
	var b [6]byte
	rest := trim(arg)
	for i := range b {
		field, after, more := bytes.Cut(rest, []byte{','})
		n, ok := parseUint(field, 255)
		if !ok || more != (i < len(b)-1) {
			return netip.AddrPort{}, ErrSyntax
		}
		b[i], rest = byte(n), after
	}
	ip := netip.AddrFrom4([4]byte(b[:4]))
	return netip.AddrPortFrom(ip, uint16(b[4])<<8|uint16(b[5])), nil
}

// AppendPort appends the argument of PORT. An address that is neither IPv4 nor
// IPv4 mapped into IPv6 has no such form and becomes 0,0,0,0.
func AppendPort(dst []byte, addr netip.AddrPort) []byte {
	var ip [4]byte
	if a := addr.Addr().Unmap(); a.Is4() {
		ip = a.As4()
	}
	for _, b := range ip {
		dst = append(strconv.AppendUint(dst, uint64(b), 10), ',')
	}
	port := addr.Port()
	dst = append(strconv.AppendUint(dst, uint64(port>>8), 10), ',')
	return strconv.AppendUint(dst, uint64(port&0xFF), 10)
}

// ParseEPRT reads the argument of EPRT (RFC 2428 section 2):
//
//	d family d address d port d
//
// with any one delimiter d of ASCII 33 to 126. Spaces around it are allowed,
// zones in IPv6 addresses are not. A family other than 1 and 2 is ErrFamily,
// all else that is wrong ErrSyntax.
func ParseEPRT(arg []byte) (netip.AddrPort, error) {
	family, addr, port, ok := splitEPRT(trim(arg))
	if !ok {
		return netip.AddrPort{}, ErrSyntax
	}
	if family != FamilyIPv4 && family != FamilyIPv6 {
		return netip.AddrPort{}, ErrFamily
	}
	ip, err := netip.ParseAddr(string(addr))
	if err != nil || ip.Zone() != "" || ip.Is4() != (family == FamilyIPv4) {
		return netip.AddrPort{}, ErrSyntax
	}
	return netip.AddrPortFrom(ip, port), nil
}

// splitEPRT cuts the argument at its delimiters and reads the two numbers.
func splitEPRT(arg []byte) (family int64, addr []byte, port uint16, ok bool) {
	if len(arg) == 0 || arg[0] < 33 || arg[0] > 126 {
		return 0, nil, 0, false
	}
	var fields [5][]byte // empty, family, address, port, empty
	delim, rest := arg[:1], arg
	for i := range fields {
		field, after, more := bytes.Cut(rest, delim)
		if more != (i < len(fields)-1) {
			return 0, nil, 0, false
		}
		fields[i], rest = field, after
	}
	family, okFamily := parseUint(fields[1], 99999)
	p, okPort := parseUint(fields[3], 65535)
	return family, fields[2], uint16(p), okFamily && okPort && len(fields[4]) == 0
}

// AppendEPRT appends the argument of EPRT, with | as the delimiter. An IPv4
// address mapped into IPv6 goes out as IPv4; zones do not go out.
func AppendEPRT(dst []byte, addr netip.AddrPort) []byte {
	ip := addr.Addr().Unmap().WithZone("")
	dst = append(dst, '|', '0'+FamilyIPv4, '|')
	if !ip.Is4() {
		dst[len(dst)-2] = '0' + FamilyIPv6
	}
	dst = append(ip.AppendTo(dst), '|')
	return append(strconv.AppendUint(dst, uint64(addr.Port()), 10), '|')
}

// ParseEPSV reads the argument of EPSV (RFC 2428 section 3): nothing, a family
// number, or ALL in either case. family is 0 when none was asked for. Another
// number is ErrFamily, all else ErrSyntax.
func ParseEPSV(arg []byte) (family int, all bool, err error) {
	arg = trim(arg)
	switch {
	case len(arg) == 0:
		return 0, false, nil
	case bytes.EqualFold(arg, []byte("ALL")):
		return 0, true, nil
	}
	n, ok := parseUint(arg, 99999)
	switch {
	case !ok:
		return 0, false, ErrSyntax
	case n != FamilyIPv4 && n != FamilyIPv6:
		return 0, false, ErrFamily
	}
	return int(n), false, nil
}

// AppendPASV appends the text of a 227 reply: the one form that all clients
// find the address in.
//
//	Entering Passive Mode (h1,h2,h3,h4,p1,p2).
//
// As to addr see AppendPort.
func AppendPASV(dst []byte, addr netip.AddrPort) []byte {
	dst = append(dst, "Entering Passive Mode ("...)
	return append(AppendPort(dst, addr), ")."...)
}

// AppendEPSV appends the text of a 229 reply (RFC 2428 section 3):
//
//	Entering Extended Passive Mode (|||port|)
func AppendEPSV(dst []byte, port uint16) []byte {
	dst = append(dst, "Entering Extended Passive Mode (|||"...)
	return append(strconv.AppendUint(dst, uint64(port), 10), "|)"...)
}

// trim drops the spaces around an argument that is no path (RFC 959 section
// 5.3 allows several).
func trim(arg []byte) []byte { return bytes.Trim(arg, " ") }
