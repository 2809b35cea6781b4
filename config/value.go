package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value is one key's place in a Config.
type value struct {
	kind  string                  // for readers: type, unit and bounds
	parse func(text string) error // from the environment, a flag, the table of defaults
	toml  func(v any) error       // from a decoded TOML file
	raw   func(text string) error // judges a TOML value as it is written; nil where that says no more
	text  func() string           // as TOML
}

// textual is a value that is a string in TOML.
func textual(kind string, parse func(string) error, format func() string) value {
	return value{
		kind: kind, parse: parse, text: func() string { return quote(format()) },
		toml: func(v any) error {
			s, ok := v.(string)
			if !ok {
				return fmt.Errorf("must be a string in quotes: %s", kind)
			}
			return parse(s)
		},
	}
}

func str(p *string, kind string, check func(string) error) value {
	return textual(kind, func(s string) error {
		if err := check(s); err != nil {
			return err
		}
		*p = s
		return nil
	}, func() string { return *p })
}

func enum(p *string, words ...string) value {
	kind := strings.Join(words, " | ")
	return textual(kind, func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("%q is none of %s", s, strings.Join(words, ", "))
		}
		*p = s
		return nil
	}, func() string { return *p })
}

func boolean(p *bool) value {
	const want = "must be true or false"
	return value{
		kind: "true | false", text: func() string { return strconv.FormatBool(*p) },
		parse: func(s string) error {
			if s != "true" && s != "false" {
				return errors.New(want)
			}
			*p = s == "true"
			return nil
		},
		toml: func(v any) error {
			b, ok := v.(bool)
			if !ok {
				return errors.New(want)
			}
			*p = b
			return nil
		},
	}
}

func integer(p *int, lo, hi int64) value {
	set := func(n int64) error {
		if n < lo || n > hi {
			return fmt.Errorf("must be %d to %d", lo, hi)
		}
		*p = int(n)
		return nil
	}
	return value{
		kind: fmt.Sprintf("number, %d to %d", lo, hi), text: func() string { return strconv.Itoa(*p) },
		parse: func(s string) error {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return fmt.Errorf("%q is no whole number", s)
			}
			return set(n)
		},
		toml: func(v any) error {
			n, ok := v.(int64)
			if !ok {
				return errors.New("must be a whole number without quotes")
			}
			return set(n)
		},
	}
}

// umask is an octal number: 0o027 in TOML, 027 elsewhere.
func umask(p *uint16) value {
	set := func(n int64) error {
		if n < 0 || n > 0o777 {
			return errors.New("must be 0o000 to 0o777")
		}
		*p = uint16(n)
		return nil
	}
	return value{
		kind: "octal number, 0o000 to 0o777", text: func() string { return fmt.Sprintf("0o%03o", *p) },
		parse: func(s string) error {
			n, err := strconv.ParseInt(strings.TrimPrefix(s, "0o"), 8, 32)
			if err != nil {
				return fmt.Errorf("%q is no octal number", s)
			}
			return set(n)
		},
		toml: func(v any) error {
			n, ok := v.(int64)
			if !ok {
				return errors.New("must be an octal number without quotes, as 0o027")
			}
			return set(n)
		},
		// 77 would be 0o115 here and 0o077 in the environment.
		raw: func(text string) error {
			if !strings.HasPrefix(text, "0o") {
				return errors.New("must be written in octal, as 0o027")
			}
			return nil
		},
	}
}

func duration(p *time.Duration, lo, hi time.Duration) value {
	kind := fmt.Sprintf("duration, %s to %s", shortDuration(lo), shortDuration(hi))
	return textual(kind, func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("%q is no duration: write it as 90s, 5m or 1h30m", s)
		}
		if d < lo || d > hi {
			return fmt.Errorf("must be %s to %s", shortDuration(lo), shortDuration(hi))
		}
		*p = d
		return nil
	}, func() string { return shortDuration(*p) })
}

// shortDuration writes 5m0s as 5m and 1h0m0s as 1h.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// size is a number of bytes; word, if not empty, stands for 0. Then lo is more
// than 0, so that "0B", which asks for nothing at all, does not ask for no bound.
func size(p *int64, lo, hi int64, word string) value {
	kind := fmt.Sprintf("size, %s to %s", formatSize(lo), formatSize(hi))
	if word != "" {
		kind += fmt.Sprintf(", or %q", word)
	}
	return textual(kind, func(s string) error {
		if word != "" && s == word {
			*p = 0
			return nil
		}
		n, err := parseSize(s)
		if err != nil {
			return err
		}
		if n < lo || n > hi {
			return fmt.Errorf("must be %s to %s", formatSize(lo), formatSize(hi))
		}
		*p = n
		return nil
	}, func() string {
		if *p == 0 && word != "" {
			return word
		}
		return formatSize(*p)
	})
}

var units = []struct {
	name string
	n    int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

func parseSize(s string) (int64, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.n {
			break
		}
		return n * u.n, nil
	}
	return 0, fmt.Errorf("%q is no size: write it as 512B, 64KiB, 256MiB or 2GiB", s)
}

func formatSize(n int64) string {
	for _, u := range units {
		if n >= u.n && n%u.n == 0 {
			return strconv.FormatInt(n/u.n, 10) + u.name
		}
	}
	return "0B"
}

// files is a list of file names; one alone may stand without brackets.
func files(p *[]string) value {
	return value{
		kind: "file name, or a list of them",
		text: func() string {
			if len(*p) == 1 {
				return quote((*p)[0])
			}
			quoted := make([]string, len(*p))
			for i, s := range *p {
				quoted[i] = quote(s)
			}
			return "[" + strings.Join(quoted, ", ") + "]"
		},
		parse: func(s string) error {
			*p = nil
			for _, name := range strings.Split(s, ",") {
				if name = strings.TrimSpace(name); name != "" {
					*p = append(*p, name)
				}
			}
			return nil
		},
		toml: func(v any) error {
			list, ok := v.([]any)
			if !ok {
				list = []any{v}
			}
			names := make([]string, len(list))
			for i, item := range list {
				if names[i], ok = item.(string); !ok || names[i] == "" {
					return errors.New("must be a file name in quotes, or a list of them")
				}
			}
			*p = names
			return nil
		},
	}
}

func ports(p *Ports) value {
	return textual(`range such as "50000-50099", one port, or "auto"`, func(s string) error {
		if s == "auto" {
			*p = Ports{}
			return nil
		}
		low, high, isRange := strings.Cut(s, "-")
		if !isRange {
			high = low
		}
		l, err1 := strconv.ParseUint(strings.TrimSpace(low), 10, 16)
		h, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 16)
		switch {
		case err1 != nil || err2 != nil:
			return fmt.Errorf("%q is no range of ports: write it as 50000-50099", s)
		case l < 1024:
			return fmt.Errorf("ports below 1024 are not for data connections")
		case l > h:
			return fmt.Errorf("the range %s ends before it begins", s)
		}
		*p = Ports{uint16(l), uint16(h)}
		return nil
	}, func() string {
		switch {
		case *p == Ports{}:
			return "auto"
		case p.Low == p.High:
			return strconv.Itoa(int(p.Low))
		}
		return fmt.Sprintf("%d-%d", p.Low, p.High)
	})
}

// advertise is "auto", an address, or a table from networks to addresses; the
// table is written "10.0.0.0/8=10.0.0.5,default=203.0.113.7" outside TOML.
func advertise(p *Advertise) value {
	parse := func(s string) error {
		if s == "auto" {
			*p = Advertise{}
			return nil
		}
		if !strings.Contains(s, "=") {
			s = "default=" + s
		}
		nets := make(map[netip.Prefix]netip.Addr)
		for _, item := range strings.Split(s, ",") {
			network, addr, _ := strings.Cut(strings.TrimSpace(item), "=")
			if err := addAdvertised(nets, network, addr); err != nil {
				return err
			}
		}
		*p = Advertise{nets}
		return nil
	}
	return value{
		kind:  `"auto", an IPv4 address, or { "10.0.0.0/8" = "10.0.0.5", default = "203.0.113.7" }`,
		parse: parse, text: p.text,
		toml: func(v any) error {
			table, ok := v.(map[string]any)
			if !ok {
				s, ok := v.(string)
				if !ok {
					return errors.New("must be a string or a table")
				}
				return parse(s)
			}
			nets := make(map[netip.Prefix]netip.Addr)
			for network, addr := range table {
				s, _ := addr.(string)
				if err := addAdvertised(nets, network, s); err != nil {
					return err
				}
			}
			*p = Advertise{nets}
			return nil
		},
	}
}

func addAdvertised(nets map[netip.Prefix]netip.Addr, network, addr string) error {
	to, err := netip.ParseAddr(addr)
	if err != nil || !to.Is4() || to.IsUnspecified() || to.IsMulticast() {
		return fmt.Errorf("%q cannot be advertised: 227 holds an IPv4 address of this server", addr)
	}
	if network == "default" {
		nets[netip.PrefixFrom(netip.IPv4Unspecified(), 0)] = to
		nets[netip.PrefixFrom(netip.IPv6Unspecified(), 0)] = to
		return nil
	}
	p, err := netip.ParsePrefix(network)
	if err != nil {
		return fmt.Errorf("%q is no network: write it as 10.0.0.0/8", network)
	}
	nets[p.Masked()] = to
	return nil
}

// text returns the TOML of an Advertise.
func (a *Advertise) text() string {
	everybody := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if len(a.nets) == 0 {
		return quote("auto")
	}
	if to, ok := a.nets[everybody]; ok && len(a.nets) == 2 {
		return quote(to.String())
	}
	var items []string
	for _, p := range a.sorted() {
		switch {
		case p == everybody:
			items = append(items, "default = "+quote(a.nets[p].String()))
		case p.Bits() > 0:
			items = append(items, quote(p.String())+" = "+quote(a.nets[p].String()))
		}
	}
	return "{ " + strings.Join(items, ", ") + " }"
}

// checkAddr checks a listening address: host:port, the host empty or an IP.
func checkAddr(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is no address: write it as :21, 127.0.0.1:2121 or [::1]:2121", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q: the port must be 0 to 65535", s)
	}
	if host != "" && host != "localhost" {
		if _, err := netip.ParseAddr(host); err != nil {
			return fmt.Errorf("%q: the host must be an IP address or empty", s)
		}
	}
	return nil
}

func addrOrEmpty(s string) error {
	if s == "" {
		return nil
	}
	return checkAddr(s)
}

func absOrEmpty(s string) error {
	if s != "" && !filepath.IsAbs(s) {
		return fmt.Errorf("%q is no absolute path", s)
	}
	return nil
}

func rootTemplate(s string) error {
	if !filepath.IsAbs(s) {
		return fmt.Errorf("%q is no absolute path", s)
	}
	if strings.ContainsAny(strings.ReplaceAll(s, "{user}", ""), "{}") {
		return fmt.Errorf("%q: {user} is the only thing that can stand in braces", s)
	}
	return nil
}

func logOutput(s string) error {
	if s == "stderr" || s == "stdout" || filepath.IsAbs(s) {
		return nil
	}
	return fmt.Errorf("%q is neither stderr, stdout nor an absolute path", s)
}

// quote returns s as a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
