package engine

import (
	"bytes"
	"io"
	"log/slog"
	"net/netip"
	"testing"
)

// loggedBy is a connection that logs to w.
func loggedBy(w io.Writer, level slog.Level) *conn {
	drop := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	c := &conn{engine: &Engine{log: slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: drop}))}, id: 7}
	c.remote = netip.MustParseAddrPort("192.0.2.1:40000")
	return c
}

// TestConnLog: each line names its connection first, however it is made.
func TestConnLog(t *testing.T) {
	var out bytes.Buffer
	c := loggedBy(&out, slog.LevelInfo)
	c.logger().Debug("unseen")
	c.logger().Info("seen", slog.Int("n", 1))
	c.logger().With(slog.Int("a", 1)).Info("with", slog.Int("n", 1))
	c.logger().WithGroup("g").Info("group", slog.Int("n", 1))
	const want = "level=INFO msg=seen sid=7 ip=192.0.2.1 n=1\n" +
		"level=INFO msg=with sid=7 ip=192.0.2.1 a=1 n=1\n" +
		"level=INFO msg=group sid=7 ip=192.0.2.1 g.n=1\n"
	if got := out.String(); got != want {
		t.Errorf("log:\n%swant:\n%s", got, want)
	}
}

func BenchmarkConnLog(b *testing.B) {
	for name, level := range map[string]slog.Level{"written": slog.LevelInfo, "dropped": slog.LevelWarn} {
		b.Run(name, func(b *testing.B) {
			c := loggedBy(io.Discard, level)
			b.ReportAllocs()
			for b.Loop() {
				c.logger().LogAttrs(b.Context(), slog.LevelInfo, "transfer", slog.String("cmd", "RETR"), slog.Int64("bytes", 1024))
			}
		})
	}
}
