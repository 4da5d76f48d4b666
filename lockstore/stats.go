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
	OldestDue     time.Duration // how long the longest has waited past its expire_time to be taken up
	ClockDoubt    bool          // the clock is in doubt: nothing expires [B7]
	DiskLow       bool          // less free than the reserve: no lock begins [B10]

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
	if t := l.wheel.first(); t != nil {
		s.OldestDue = max(0, m.mono-t.at)
	}
	s.ClockDoubt, s.DiskLow = l.watch.err() != nil, l.low(m) != nil
	for e := range l.unknown {
		s.OldestUnknown = max(s.OldestUnknown, m.mono-e.unknownSince)
	}
	return s
}
