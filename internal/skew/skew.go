// Package skew measures how far this host's clock is ahead of another's, by the
// stamps on the other's answers: no time server is needed for it, and what counts
// is found out, whether both agree.
package skew

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Of compares a stamp with the time during which the answer that bears it was
// made. Stamps count whole seconds, so it is the least distance that explains all
// three: 0 while the clocks may agree, more than 0 when ours is ahead.
func Of(stamp, sent, received time.Time) time.Duration {
	switch latest := stamp.Add(time.Second); {
	case sent.After(latest):
		return sent.Sub(latest)
	case received.Before(stamp):
		return -stamp.Sub(received)
	default:
		return 0
	}
}

// OfDate is Of for the Date header; ok is false where there is none.
func OfDate(h http.Header, sent, received time.Time) (ahead time.Duration, ok bool) {
	stamp, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0, false
	}
	return Of(stamp, sent, received), true
}

// Meter keeps the latest figure. The zero value knows none. Its methods may be
// called by several goroutines at once and do not block.
type Meter struct {
	ahead atomic.Int64 // nanoseconds
	known atomic.Bool
}

// Note keeps a figure.
func (m *Meter) Note(ahead time.Duration) {
	m.ahead.Store(int64(ahead))
	m.known.Store(true)
}

// NoteDate keeps what the Date of an answer says, if it has one.
func (m *Meter) NoteDate(h http.Header, sent, received time.Time) {
	if ahead, ok := OfDate(h, sent, received); ok {
		m.Note(ahead)
	}
}

// Ahead returns how far our clock is ahead by the latest answer; negative: behind.
// known is false, and the figure 0, before the first.
func (m *Meter) Ahead() (ahead time.Duration, known bool) {
	return time.Duration(m.ahead.Load()), m.known.Load()
}
