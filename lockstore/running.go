package lockstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/internal/tlv"
)

// running counts how long ledgers were open on this folder, all of them together,
// by their monotonic clocks. What a process did not come to store before it died
// is missing from the sum, as is the time between two processes: so at least so
// much time has passed between two of its values, however the wall clock was set
// meanwhile and however often the process was restarted. By it the grace time of a
// call that got lost is counted [C1].
type running struct {
	before time.Duration // of the openings before this one, as far as it was stored
	wall   time.Time     // the clock at the end of that; zero = it was in doubt
	opened time.Duration // the monotonic clock at this opening
	stored time.Duration
	doubt  time.Duration // what was made before this may have a time of a clock that was in doubt then, or later
	waits  time.Duration // since when somebody waits for the end of a grace time, 0 = nobody does
}

// firstRun is the running time of a new folder: in a record 0 says that it was
// not noted.
const firstRun = time.Nanosecond

func (r *running) start(c clockRecord, mono time.Duration) {
	before := max(c.ran, firstRun)
	*r = running{before: before, opened: mono, stored: before, doubt: c.doubt}
	if c.doubt <= c.ran {
		r.wall = c.wall
	}
}

// at is the running time at a moment of this opening.
func (r *running) at(m moment) time.Duration { return r.before + m.mono - r.opened }

// mono is the moment of a running time by the monotonic clock of this opening,
// not later than now. What has no running time began now, as far as anybody knows.
func (r *running) mono(at time.Duration, m moment) time.Duration {
	if at == 0 {
		return m.mono
	}
	return min(m.mono, at-r.before+r.opened)
}

// since is how long ago a running time was, or less: the pause before this opening
// counts where the clock can tell how long it was.
func (r *running) since(at time.Duration, m moment) time.Duration {
	ago := r.at(m) - at
	if at < r.before && !r.wall.IsZero() {
		ago = max(ago, r.before-at+m.wall.Sub(r.wall))
	}
	return ago
}

// clockRecord is what the clock record holds.
type clockRecord struct {
	wall  time.Time
	ran   time.Duration
	doubt time.Duration
}

func readClock(disk engine.Reader) (c clockRecord, err error) {
	rec, err := disk.Get([]byte(keyClock))
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return c, nil
	case err != nil:
		return c, err
	}
	r := tlv.NewReader(rec)
	for r.Next() {
		switch r.Field() {
		case 1:
			c.wall = r.Time()
		case 2:
			c.ran = time.Duration(r.Int())
		case 3:
			c.doubt = time.Duration(r.Int())
		}
	}
	if r.Err() != nil {
		return c, fmt.Errorf("the stored clock: %w", r.Err())
	}
	return c, nil
}

// clockWrites are the clock and the running time, when they are to be stored: after
// so long. A clock in doubt is not stored, and one that was set back is once it is
// trusted: what it said in between must keep no later opening waiting. That it is
// in doubt is stored with everything: until then no expire_time is relied on.
func (l *Ledger) clockWrites(m moment, step time.Duration) []engine.Write {
	ran, wall := l.running.at(m), l.stored
	if t, known := l.watch.trusted(m); known {
		wall = t
	}
	switch {
	case l.watch.doubted():
		l.running.doubt = ran + 1
	case wall.Sub(l.stored).Abs() < step && ran-l.running.stored < step:
		return nil
	}
	l.stored, l.running.stored = wall, ran
	w := tlv.NewWriter(32)
	w.Time(1, l.stored)
	w.Int(2, int64(ran))
	w.Int(3, int64(l.running.doubt))
	return []engine.Write{putWrite([]byte(keyClock), w.Bytes())}
}

// GraceLeft is for how long from now on a "none" of the HIS about an attempt is
// not to be believed, because a call that got lost may still arrive there; 0 = it
// may be, if the HIS is asked from now on. It goes by elapsed time, over restarts
// too. It does not block.
func (l *Ledger) GraceLeft(id ID) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.tick()
	e := l.entry(id)
	switch {
	case e == nil:
		return 0
	case e.askFirst: // the process that could have sent something died before the restore
		return max(0, l.recallable(m)-m.mono)
	case e.unknown:
		return max(0, after(e.unknownSince, l.policy.Grace)-m.mono)
	default:
		return 0
	}
}

// recallable is when the HIS's "none" is believed of a restored ledger's number.
func (l *Ledger) recallable(m moment) time.Duration {
	return after(l.running.mono(l.restored.From, m), l.policy.Grace)
}

// Abide stores, now and then, that time has passed while somebody waits for the
// end of a grace time, so that a process which is restarted again and again comes
// to it all the same: of the time that it lived at most half is lost. It reports
// whether somebody waits, and when it is to be called again then. It does not block.
func (l *Ledger) Abide() (again time.Duration, waiting bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unusable() != nil {
		return 0, false
	}
	m := l.tick()
	ran := l.running.at(m)
	if l.stats.Asking > 0 && m.mono < l.recallable(m) || len(l.unknown) > 0 && m.mono < l.graceEnd {
		waiting = true
	}
	switch {
	case !waiting:
		l.running.waits = 0
		return 0, false
	case l.running.waits == 0:
		l.running.waits = ran
	}
	if l.abideAfter() <= ran {
		l.storeMarks(m)
		if writes := l.clockWrites(m, abideFirst); len(writes) > 0 {
			l.disk.Append(writes...)
		}
	}
	return max(l.abideAfter()-ran, time.Millisecond), true
}

// abideAfter is the running time at which it is to be stored next: the pauses
// double.
func (l *Ledger) abideAfter() time.Duration {
	since := max(l.running.stored, l.running.waits)
	pause := min(since-l.running.waits, l.policy.Grace/4)
	return since + max(pause, abideFirst)
}

// abideFirst is how long somebody waits until that is first stored. A process that
// lives shorter brings nobody nearer to the end of a grace time.
const abideFirst = 700 * time.Millisecond

// storeMarks stores what this opening took for lost, and since when, and what a
// restored ledger is to ask about: it stands in memory alone until then.
func (l *Ledger) storeMarks(m moment) {
	if l.restored.Recovering() && !l.fromStored {
		l.fromStored = true
		l.append(m, restoreWrite(l.restored))
	}
	for n := min(len(l.marked), marksAtOnce); n > 0; n-- {
		if e := l.marked[0]; !e.gone && (e.unknown || e.askFirst) {
			l.append(m, putWrite(attemptKey(prefixActive, e.id), e.rec))
		}
		l.marked = l.marked[1:]
	}
}

// marksAtOnce bounds what one call of Abide stores.
const marksAtOnce = 1024
