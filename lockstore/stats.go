package lockstore

import "time"

// Stats are figures of the ledger at one moment.
type Stats struct {
	ByStatus      [Released + 1]int // locks in memory by Status; ended ones have left it
	Cases         int               // locks in memory that wait for a person
	Asking        int               // locks of a restored ledger that the HIS is still to be asked about [B9]
	Work          int               // locks for which the HIS is to be asked
	Waiting       int               // locks that wait for their expire_time
	Unknown       int               // locks with an unknown outcome
	OldestUnknown time.Duration     // age of the oldest of them
	Keys          int               // stock keys that were ever locked since the opening
	Tombstones    int

	// Since the opening:
	Dropped       uint64 // holds dropped against a reading
	Outlived      uint64 // holds dropped for their age [A5]
	StaleReadings uint64 // readings refused [A1]
	Faults        uint64 // impossible events; each is logged
}

func (s *Stats) count(e *entry, by int) {
	if e.status == 0 {
		return
	}
	s.ByStatus[e.status] += by
	if e.hasCase {
		s.Cases += by
	}
	if e.askFirst && !e.hasCase {
		s.Asking += by
	}
}

// Stats returns the figures of now. It does not wait for the disk.
func (l *Ledger) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.tick()
	s := l.stats
	s.Work = l.work.n
	s.Waiting = len(l.wheel.heap)
	s.Unknown = len(l.unknown)
	s.Keys = len(l.stocks)
	for e := range l.unknown {
		s.OldestUnknown = max(s.OldestUnknown, m.mono-e.unknownSince)
	}
	return s
}
