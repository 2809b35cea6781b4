package config

import (
	"errors"
	"strings"
	"testing"
)

// broken are configuration files with one fault each: where it is reported
// and what is said.
var broken = []struct {
	name, text string
	line       int
	message    string
}{
	// The text is no TOML.
	{"no value", "[tls]\nmin =\n", 2, ""},
	{"unclosed string", "[tls]\nmin = \"1.2\n", 2, ""},
	{"unclosed table", "\n[tls\n", 2, "expected"},
	{"no quotes", "[tls]\ndata_tls_reuse = bound\n", 2, ""},
	{"two values", "[log]\nlevel = \"info\" \"warn\"\n", 2, ""},
	{"key twice", "[tls]\nmin = \"1.2\"\nmin = \"1.3\"\n", 3, ""},
	{"section twice", "[tls]\nmin = \"1.2\"\n[log]\n[tls]\n", 4, ""},
	{"control character", "[log]\nlevel = \"in\x01fo\"\n", 2, ""},
	{"octal in C's way", "[storage]\numask = 027\n", 2, ""},

	// A key or a section that there is not.
	{"top-level key", "versoin = 1\n", 1, "unknown key (did you mean version?)"},
	{"misspelt key", "[tls]\nmim = \"1.2\"\n", 2, "did you mean tls.min?"},
	{"key of another section", "[tls]\nidle_timeout = \"5m\"\n", 2, "did you mean limits.idle_timeout?"},
	{"key like no other", "[log]\nabracadabra = 1\n", 2, "log.abracadabra: unknown key"},
	{"dotted key", "tls.mni = \"1.2\"\n", 1, "did you mean tls.min?"},
	{"inline table", "tls = { min = \"1.2\", maxx = \"1.3\" }\n", 1, "did you mean tls.max?"},
	{"unknown section", "[limit]\nmax_sessions = 5\n", 1, "unknown section (did you mean limits?)"},
	{"unknown subsection", "[tls.acme]\nenabled = true\n", 1, "tls.acme: unknown section"},
	{"section as value", "limits = 5\n", 1, "must be a table: [limits]"},
	{"unknown key of a listener", "[[listen]]\naddr = \":1\"\ntls = true\n", 3, "listen.0.tls: unknown key"},

	// A value of the wrong type.
	{"number for a string", "[tls]\nmin = 1.2\n", 2, "must be a string in quotes"},
	{"string for a number", "[limits]\nmax_sessions = \"5\"\n", 2, "whole number without quotes"},
	{"fraction", "[limits]\nmax_sessions = 5.5\n", 2, "whole number"},
	{"string for a bool", "[tls]\nccc = \"yes\"\n", 2, "must be true or false"},
	{"number for a duration", "[limits]\nidle_timeout = 300\n", 2, "must be a string in quotes: duration"},
	{"umask in quotes", "[storage]\numask = \"027\"\n", 2, "without quotes"},
	{"certificate a number", "[tls]\ncert = [1]\n", 2, "file name in quotes"},
	{"listen a table", "[listen]\naddr = \":1\"\n", 1, "[[listen]]"},
	{"listen a list of strings", "listen = [\":1\"]\n", 1, "[[listen]]"},

	// A value that is out of bounds or of no use.
	{"version", "version = 2\n", 1, "must be 1 to 1"},
	{"old TLS", "[tls]\nmin = \"1.1\"\n", 2, `"1.1" is none of 1.2, 1.3`},
	{"reuse", "[tls]\ndata_tls_reuse = \"yes\"\n", 2, "none of bound, required, off"},
	{"engine", "[tls]\nengine = \"slow\"\n", 2, "none of fast, std"},
	{"level", "[log]\nlevel = \"verbose\"\n", 2, "none of debug"},
	{"duration", "[limits]\nidle_timeout = \"5 minutes\"\n", 2, "write it as 90s"},
	{"duration too short", "[limits]\nidle_timeout = \"1ms\"\n", 2, "must be 1s to 168h"},
	{"negative", "[limits]\nmax_sessions = -1\n", 2, "must be 1 to"},
	{"size", "[limits]\nmemory = \"64MB\"\n", 2, "write it as 512B"},
	{"size overflow", "[limits]\nmemory = \"99999999999TiB\"\n", 2, "is no size"},
	{"no upload at all", "[limits]\nmax_upload = \"0B\"\n", 2, "must be 1B to 1024TiB"},
	{"no digest at all", "[limits]\nmax_digest = \"0B\"\n", 2, "must be 1B to 1024TiB"},
	{"no memory at all", "[limits]\nmemory = \"0B\"\n", 2, "must be 1MiB to 1024TiB"},
	{"umask in decimal", "[storage]\numask = 77\n", 2, "written in octal, as 0o027"},
	{"umask in decimal, inline", "storage = { umask = 23 }\n", 1, "written in octal, as 0o027"},
	{"umask", "[storage]\numask = 0o1000\n", 2, "0o000 to 0o777"},
	{"ports", "[passive]\nports = \"fifty\"\n", 2, "is no range of ports"},
	{"ports upside down", "[passive]\nports = \"50099-50000\"\n", 2, "ends before it begins"},
	{"privileged ports", "[passive]\nports = \"1000-2000\"\n", 2, "below 1024"},
	{"port too high", "[passive]\nports = \"50000-70000\"\n", 2, "is no range"},
	{"advertised name", "[passive]\nadvertise = \"ftp.example.net\"\n", 2, "cannot be advertised"},
	{"advertised wildcard", "[passive]\nadvertise = \"0.0.0.0\"\n", 2, "cannot be advertised"},
	{"advertised IPv6", "[passive]\nadvertise = \"2001:db8::1\"\n", 2, "IPv4"},
	{"advertised network", "[passive]\nadvertise = { \"10.0.0.0\" = \"10.0.0.1\" }\n", 2, "is no network"},
	{"address without port", "[[listen]]\naddr = \"127.0.0.1\"\n", 2, "is no address"},
	{"host name", "[[listen]]\naddr = \"ftp.example.net:21\"\n", 2, "must be an IP address"},
	{"port of an address", "[[listen]]\naddr = \":99999\"\n", 2, "0 to 65535"},
	{"no address", "[[listen]]\nmode = \"implicit\"\n", 1, "has no addr"},
	{"mode", "[[listen]]\naddr = \":21\"\nmode = \"ftps\"\n", 3, "none of explicit, implicit, plain"},
	{"relative root", "[storage]\nroot = \"srv\"\n", 2, "no absolute path"},
	{"unknown brace", "[storage]\nroot = \"/srv/{group}\"\n", 2, "{user} is the only thing"},
	{"log output", "[log]\noutput = \"server.log\"\n", 2, "neither stderr, stdout nor"},
	{"metrics address", "[metrics]\naddr = \"9821\"\n", 2, "is no address"},

	// Values that do not go together, or with what is on the disk.
	{"no listener", "listen = []\n", 0, "nothing would be served"},
	{"same address", "[[listen]]\naddr = \":21\"\n[[listen]]\naddr = \":21\"\n", 4, "taken already by listen.0.addr"},
	{"metrics on a listener", "[[listen]]\naddr = \":21\"\n[metrics]\naddr = \":21\"\n", 4, "taken already"},
	{"listener in the passive range", "[[listen]]\naddr = \":50001\"\n", 2, "is in passive.ports"},
	{"implicit without TLS", "[[listen]]\naddr = \":990\"\nmode = \"implicit\"\nrequire_tls = false\n", 4, "never without TLS"},
	{"plain with TLS", "[[listen]]\naddr = \":21\"\nmode = \"plain\"\nrequire_tls = true\n", 4, "offers no TLS"},
	{"protection that a listener cannot give", "[tls]\nprot_c = \"deny\"\n[[listen]]\naddr = \":21\"\nmode = \"plain\"\n", 2, "listen.0 is plain"},
	{"versions crossed", "[tls]\nmin = \"1.3\"\nmax = \"1.2\"\n", 3, "below tls.min"},
	{"key missing", "[tls]\ncert = \"/c.pem\"\n", 2, "each certificate needs its key"},
	{"certificate missing", "[tls]\ncert = \"/nowhere/c.pem\"\nkey = \"/nowhere/k.pem\"\n", 2, "no such file"},
	{"memory", "[limits]\nmemory = \"64KiB\"\n", 2, "must be 1MiB to"},
	{"sessions below one address's", "[limits]\nmax_sessions = 10\n", 2, "max_sessions_per_ip, 64"},
	{"login before handshake", "[limits]\nhandshake_timeout = \"90s\"\nlogin_timeout = \"80s\"\n", 3, "handshake_timeout"},
	{"lease below connect", "[limits]\nlease_timeout = \"10s\"\n", 2, "passive.connect_timeout, 30s"},
	{"delays crossed", "[auth]\nfailure_delay = \"20s\"\nfailure_delay_max = \"10s\"\n", 3, "auth.failure_delay, 20s"},
	{"root missing", "[storage]\nroot = \"/nowhere/ftp/{user}\"\n", 2, "/nowhere/ftp: no such file"},
	{"anonymous folder missing", "[auth]\nanonymous = \"/nowhere\"\n", 2, "no such file"},
	{"log folder missing", "[log]\noutput = \"/nowhere/server.log\"\n", 2, "no such file"},
}

func TestBrokenFiles(t *testing.T) {
	for _, tt := range broken {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.text, nil)
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v, want Faults", err)
			}
			f := faults[0]
			if len(faults) != 1 || f.Line != tt.line || !strings.Contains(f.Error(), tt.message) {
				t.Errorf("got %d faults, the first in line %d: %v\nwant one in line %d with %q", len(faults), f.Line, f, tt.line, tt.message)
			}
		})
	}
}

func TestAllFaultsAreReported(t *testing.T) {
	_, err := load(t, "[tls]\nmin = \"1.1\"\nmox = 1\n[limits]\nmemory = 5\n", []string{"FASTFTPS_LOG__LEVLE=x", "FASTFTPS_NOPE=1"})
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 5 {
		t.Fatalf("got %d faults, want 5: %v", len(faults), err)
	}
	for _, want := range []string{
		"environment FASTFTPS_LOG__LEVLE: log.levle: unknown key (did you mean log.level?)",
		":3:1: tls.mox: unknown key (did you mean tls.max?)",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}

func TestDetail(t *testing.T) {
	_, err := load(t, "version = 1\n[tls]\n\tmin   =   \"1.1\"   # old\n", nil)
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want Faults", err)
	}
	faults[0].From = "f.toml"
	want := "f.toml:3:12: tls.min: \"1.1\" is none of 1.2, 1.3\n" +
		"  3 | \tmin   =   \"1.1\"   # old\n" +
		"    | \t          ^^^^^"
	if got := faults[0].Detail(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFixedPart(t *testing.T) {
	for template, want := range map[string]string{
		"/srv/ftp/{user}": "/srv/ftp", "/srv/u-{user}/x": "/srv", "/srv/ftp": "/srv/ftp", "/{user}": "/",
	} {
		if got := fixedPart(template); got != want {
			t.Errorf("fixedPart(%q): got %q, want %q", template, got, want)
		}
	}
}
