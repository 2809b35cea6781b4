package engine

import (
	"context"
	"log/slog"
)

// logger is the engine's log with the connection's id and address. It is made for
// a line, since most connections only wait, and a line below the log's level costs
// next to nothing.
func (c *conn) logger() *slog.Logger { return slog.New(connLog{c.engine.log.Handler(), c}) }

// connLog puts sid and ip in front of what a record has.
type connLog struct {
	slog.Handler
	conn *conn
}

func (l connLog) attrs() []slog.Attr {
	return []slog.Attr{slog.Uint64("sid", l.conn.id), slog.String("ip", l.conn.remote.Addr().String())}
}

// Handle implements slog.Handler.
func (l connLog) Handle(ctx context.Context, r slog.Record) error {
	line := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	line.AddAttrs(l.attrs()...)
	r.Attrs(func(a slog.Attr) bool {
		line.AddAttrs(a)
		return true
	})
	return l.Handler.Handle(ctx, line)
}

// WithAttrs implements slog.Handler.
func (l connLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return l.Handler.WithAttrs(l.attrs()).WithAttrs(attrs)
}

// WithGroup implements slog.Handler.
func (l connLog) WithGroup(name string) slog.Handler {
	return l.Handler.WithAttrs(l.attrs()).WithGroup(name)
}
