package engine

import (
	"net/netip"
	"time"
)

// A reactor accepts connections and reports their bytes. Two exist: netpoll,
// an event loop, and net, a goroutine a connection, for platforms that netpoll
// lacks and as the yardstick in measurements. Both pass the same tests.
type reactor interface {
	// serve accepts from ln until it is closed. It blocks.
	serve(ln *listener) error
	// quiet makes ln accept no more; connections go on.
	quiet(ln *listener) error
	// stop closes all connections and listeners that are left.
	stop() error
}

// wire is the socket of one control connection. The reactor owns the
// descriptor: nobody else closes it.
type wire interface {
	// TryWrite writes what fits without waiting. n < len(p) with a nil error
	// means that the peer does not read fast enough.
	TryWrite(p []byte) (n int, err error)
	// WriteAll writes all of p and waits for the peer, at most for the time
	// given. It is called from a goroutine of its own, and nothing else is
	// written meanwhile.
	WriteAll(p []byte, limit time.Duration) error
	// ShutWrite sends FIN; the peer may still send.
	ShutWrite()
	// Shut ends both directions. The reactor then closes the socket and
	// reports closed.
	Shut()
	// Reset is Shut with a reset behind it: nothing that is under way still
	// arrives, and the kernel keeps nothing for the peer.
	Reset()
}

// A listener's accept function makes one of these for each connection that is
// admitted.
type handler interface {
	// input takes bytes from the peer. p is valid during the call only. One
	// goroutine at a time; it never blocks, for that may be the event loop.
	input(p []byte)
	// halfClosed says that the peer has sent FIN: no input will come, but what is
	// written may still be read. The reactor keeps the socket until Shut. Never
	// during input.
	halfClosed()
	// closed says that the socket is going away. It is the last call, and
	// never during input.
	closed()
}

// endpoint is a connection that was just accepted.
type endpoint struct {
	remote netip.AddrPort // without a zone
	local  netip.AddrPort // with its zone, if it is link-local
	wire   wire
}
