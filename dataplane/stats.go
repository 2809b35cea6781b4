package dataplane

import "sync/atomic"

// Stats are the counters of a Plane. They only grow, but for the gauges named
// so. Read each with Load.
type Stats struct {
	Transfers [Causes]atomic.Int64 // ended, by cause
	Overloads atomic.Int64         // refused: too many run

	Running atomic.Int64 // gauge: transfers with a goroutine
	Waiting atomic.Int64 // gauge: transfers that wait for the peer's connection
	Drains  atomic.Int64 // gauge: finished transfers waiting for the peer's FIN

	// File bytes by direction and path.
	SentSendfile  atomic.Int64
	SentKernel    atomic.Int64 // PROT P, sealed by the kernel
	SentSealed    atomic.Int64 // PROT P
	SentCopied    atomic.Int64 // clear, through user memory
	RecvSpliced   atomic.Int64
	RecvSealed    atomic.Int64
	RecvCopied    atomic.Int64
	SentListings  atomic.Int64
	SentListingsP atomic.Int64 // PROT P
	BudgetWaits   atomic.Int64 // transfers that had to wait for buffer memory
	StatelessMode atomic.Int64 // MODE Z transfers compressed without a window

	// Passive ports.
	Listeners     atomic.Int64 // gauge
	Leases        atomic.Int64 // gauge
	LeasesExpired atomic.Int64 // never used
	NoPort        atomic.Int64 // PASV refused: the range is dry for the address
	Strangers     atomic.Int64 // connections closed: no lease for their address
	Surplus       atomic.Int64 // connections closed: the lease had one already
	Ambiguous     atomic.Int64 // connections closed: a shared port and no ticket of a waiting session
	AcceptErrors  atomic.Int64

	ConnectTimeouts atomic.Int64 // passive and active: the connection did not come to stand in time

	// TLS of data connections.
	Handshaking     atomic.Int64 // gauge
	Handshakes      atomic.Int64
	HandshakeErrors atomic.Int64
	EarlyHandshakes atomic.Int64 // made before the transfer command
	EarlyRefused    atomic.Int64 // no slot: put off, or on a shared port the connection closed
	Resumed         atomic.Int64
	Bound           atomic.Int64
	WouldBeRefused  atomic.Int64 // not bound, and let through by ReuseBound
	Unfit           atomic.Int64 // EngineFast left to crypto/tls; see tlsconn.Info
	KernelRefused   atomic.Int64 // downloads that the kernel should have sealed and did not take
	NoCloseNotify   atomic.Int64 // uploads that ended without, whatever the rule made of it

	DialWaits        atomic.Int64 // active connects that had to wait for a slot
	SourcePortMissed atomic.Int64 // active connections that could not have Config.SourcePort
	Panics           atomic.Int64
}
