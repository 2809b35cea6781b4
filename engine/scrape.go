package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"fastftps/auth"
	"fastftps/dataplane"
	"fastftps/metrics"
	"fastftps/tlsconn"
)

// mirror is a counter that is kept elsewhere, and where its growth is added.
type mirror struct {
	from *atomic.Int64
	to   *metrics.Counter
	seen int64
}

// mirrors are the counters of the data plane that the metrics show. They move
// while bytes do, so a scrape sees a transfer that still runs.
func mirrors(st *dataplane.Stats, m *metrics.Server) []*mirror {
	bytes := func(d metrics.Direction, p metrics.Prot) *metrics.Counter { return &m.Bytes[d][p] }
	limit := func(l metrics.Limit) *metrics.Counter { return &m.Limits[l] }
	return []*mirror{
		{from: &st.SentSendfile, to: bytes(metrics.Download, metrics.ProtClear)},
		{from: &st.SentCopied, to: bytes(metrics.Download, metrics.ProtClear)},
		{from: &st.SentKernel, to: bytes(metrics.Download, metrics.ProtPrivate)},
		{from: &st.SentSealed, to: bytes(metrics.Download, metrics.ProtPrivate)},
		{from: &st.RecvSpliced, to: bytes(metrics.Upload, metrics.ProtClear)},
		{from: &st.RecvCopied, to: bytes(metrics.Upload, metrics.ProtClear)},
		{from: &st.RecvSealed, to: bytes(metrics.Upload, metrics.ProtPrivate)},
		{from: &st.SentListings, to: bytes(metrics.List, metrics.ProtClear)},
		{from: &st.SentListingsP, to: bytes(metrics.List, metrics.ProtPrivate)},
		{from: &st.Strangers, to: &m.Strangers},
		{from: &st.WouldBeRefused, to: &m.ReuseRefused},
		{from: &st.KernelRefused, to: &m.KernelRefused},
		{from: &st.NoPort, to: limit(metrics.LimitPassivePorts)},
		{from: &st.LeasesExpired, to: limit(metrics.LimitLeaseTimeout)},
		{from: &st.ConnectTimeouts, to: limit(metrics.LimitDataConnectTimeout)},
		{from: &st.Overloads, to: limit(metrics.LimitMaxTransfers)},
		{from: &st.BudgetWaits, to: limit(metrics.LimitMemory)},
		{from: &st.DialWaits, to: limit(metrics.LimitMaxDials)},
		{from: &st.EarlyRefused, to: limit(metrics.LimitMaxEarlyHandshakes)},
	}
}

// scrape brings up to date what is counted elsewhere, before the metrics are
// read.
func (e *Engine) scrape() {
	for _, m := range e.mirrors {
		n := m.from.Load()
		m.to.Add(n - m.seen)
		m.seen = n
	}
	st := e.plane.Stats()
	e.metrics.PassivePending.Set(st.Leases.Load())
	// A download that has ended keeps its goroutine until the peer closes.
	e.metrics.TransfersNow.Set(max(0, st.Running.Load()-st.Drains.Load()) + st.Waiting.Load())
	e.metrics.HandshakesNow.Set(int64(e.slots.held()) + st.Handshaking.Load())
	e.metrics.BufferBytes.Set(e.plane.BufferBytes())
}

// dataHandshake counts a handshake on a data connection.
func (e *Engine) dataHandshake(info tlsconn.Info, took time.Duration, err error) {
	if err == nil {
		e.metrics.Handshake(metrics.ChannelData, info.Version, info.Resumed, took)
		return
	}
	reason := handshakeReason(err)
	e.metrics.HandshakeErrors[reason].Inc()
	if reason == metrics.HandshakeTimeout {
		e.metrics.Limits[metrics.LimitDataHandshakeTimeout].Inc()
	}
}

// timedAuth measures how long passwords take, their wait for a worker included.
type timedAuth struct {
	auth.Authenticator
	metrics *metrics.Server
}

// Authenticate implements auth.Authenticator.
func (a timedAuth) Authenticate(ctx context.Context, name, password string) (*auth.User, error) {
	began := time.Now()
	u, err := a.Authenticator.Authenticate(ctx, name, password)
	a.metrics.HashWait.Observe(time.Since(began))
	switch {
	case errors.Is(err, auth.ErrLate):
		a.metrics.Limits[metrics.LimitHashWait].Inc()
	case errors.Is(err, auth.ErrBusy):
		a.metrics.Limits[metrics.LimitHashQueue].Inc()
	}
	return u, err
}
