// Package engine runs the server: it owns the listeners and the control
// connections, drives each session with bytes and events, and binds TLS, the
// data plane, storage and authentication to it.
//
// A control connection costs no goroutine while it waits. Its events (bytes,
// the end of a blocking command, of a transfer, of a time limit) meet in a
// mailbox; whoever posts the first one into an empty mailbox becomes the owner
// and runs the connection until nothing is left to do. So there is at most one
// goroutine in a session at any moment, and none in an idle one.
//
//	reactor ─ input ─┐
//	workers ─ done ──┼─► mailbox ─► conn.run: TLS records, session.Feed, one write
//	sweeper ─ tick ──┤
//	transfer ─ end ──┘
package engine
