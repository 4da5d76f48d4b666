package lockstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/lockstore/internal/tlv"
)

// Open reads the active locks from the committer's engine and returns a ledger
// that goes on with them. Holds, timers and counters are computed from the
// records. A PENDING, CONFIRMING or RELEASING lock, and a LOCKED one whose
// freeze had lapsed, is Unknown from now on, if it was not before: a call to the
// HIS may have been under way when the last process ended [B4]. Where that ended in
// order (Rest) the HIS is asked all the same, and its "none" or refusal leaves no
// doubt. Figures lag from now on [A4]. On a folder that was restored from a backup
// the HIS is asked about each [B9].
//
// Open blocks while it reads, which costs what is active. The caller makes sure
// that no other ledger uses the engine. Errors: bad options, all at once; a
// record that cannot be read; ctx's.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	l := &Ledger{
		opts: o, policy: o.Policy, clock: o.Clock, log: o.Logger, disk: o.Committer,
		epoch:    o.Committer.Engine().Epoch(),
		changed:  make(chan struct{}, 1),
		orders:   make(map[string]*entry),
		stocks:   make(map[Key]*stock),
		graves:   make(map[string]*graveyard),
		holders:  make(map[string]int),
		unknown:  make(map[*entry]struct{}),
		mornings: make(map[Key]morning),
		leaving:  make(map[string]int),
	}
	cases, err := l.restore(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	if o.OnCase != nil {
		for _, lock := range cases {
			o.OnCase(lock)
		}
	}
	return l, nil
}

// restore fills the memory from the disk. It returns the locks that came to need
// a person by the opening itself.
func (l *Ledger) restore(ctx context.Context) (cases []Lock, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := moment{wall: plain(l.clock.Now()), mono: l.clock.Mono()}
	if l.restored, err = ReadRestore(l.disk.Engine()); err != nil {
		return nil, err
	}
	rested, err := readRest(l.disk.Engine())
	if err != nil {
		return nil, err
	}
	l.rested = rested+1 == l.epoch
	stored, err := l.readActive(ctx)
	if err != nil {
		return nil, err
	}
	clock, err := readClock(l.disk.Engine())
	if err != nil {
		return nil, err
	}
	latest, newest := clock.wall, time.Time{}
	l.running.start(clock, m.mono)
	if l.restored.Recovering() && l.restored.From == 0 {
		l.restored.From = l.running.before
	} else {
		l.fromStored = true
	}
	// Growing these step by step would be a sixth of an opening's work.
	l.orders = make(map[string]*entry, len(stored))
	l.wheel.heap = make(timerHeap, 0, len(stored))
	err = eachInOrder(stored, func() *restorer { return &restorer{l: l, now: m} }, func(r *restored) {
		if r.lock.UpdatedAt.After(newest) {
			newest = r.lock.UpdatedAt
		}
		l.created = r.lock.CreatedAt
		if r.needsPerson {
			cases = append(cases, r.lock)
		}
		l.admit(r.entry, &r.lock, m)
		if r.marked {
			l.marked = append(l.marked, r.entry)
		}
	})
	if err != nil {
		return nil, err
	}
	if latest.IsZero() {
		latest = newest
	}
	l.watch.start(m.wall, m.mono, latest)
	if l.watch.doubted() {
		l.retime(m, false)
	}
	l.stored = latest
	if latest.After(l.created) {
		l.created = latest // a lock that has ended may be as young as this
	}
	if err := l.readTombstones(); err != nil {
		return nil, err
	}
	if err := l.readMornings(); err != nil {
		return nil, err
	}
	l.signal()
	return cases, nil
}

// storedLock is an active record before it is decoded: a million decoded ones at
// once would need many times the room.
type storedLock struct {
	created time.Time
	rec     []byte
}

// readActive returns the active records, oldest first.
func (l *Ledger) readActive(ctx context.Context) ([]storedLock, error) {
	var stored []storedLock
	err := l.disk.Engine().Scan([]byte(prefixActive), prefixEnd(prefixActive), func(k, rec []byte) error {
		if len(stored)%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		created, err := placedAt(k, rec)
		if err != nil {
			return fmt.Errorf("key %q: %w", k, err)
		}
		stored = append(stored, storedLock{created, bytes.Clone(rec)})
		return nil
	})
	slices.SortFunc(stored, func(a, b storedLock) int { return a.created.Compare(b.created) })
	return stored, err
}

// placedAt reads when an active attempt was made, and refuses one that stands
// under the key of another: changed under its own, it would be there twice. The
// rest of the record is not read.
func placedAt(key, rec []byte) (created time.Time, err error) {
	var no []byte
	var number uint64
	r := tlv.NewReader(rec)
	for created.IsZero() && r.Next() {
		switch r.Field() {
		case fOrderNo:
			no = r.Bytes()
		case fAttempt:
			number = r.Uint()
		case fCreatedAt:
			created = r.Time()
		}
	}
	if r.Err() != nil {
		return created, r.Err()
	}
	var own [len(prefixActive) + 64 + 5]byte
	id := append(append(own[:0], prefixActive...), no...)
	id = binary.BigEndian.AppendUint32(append(id, 0), uint32(number))
	if !bytes.Equal(key, id) {
		return created, fmt.Errorf("holds the record of attempt %d of %q", number, no)
	}
	return created, nil
}

// interrupt marks what may have been under way when the last process ended. After
// an end in order no call was lost: the HIS is asked all the same, but a "none" or
// a refusal leaves no doubt. It reports whether that changed the lock, and whether
// it now needs a person.
func (l *Ledger) interrupt(lock *Lock, m moment) (changed, needsPerson bool) {
	freezing, placing := false, false
	switch lock.Status {
	case Releasing:
	case Pending:
		freezing = true
	case Confirming:
		// The order is sent once the freeze that it needs is recorded.
		needsFreeze := lock.Freeze || l.policy.DeductNeedsFreeze
		freezing = needsFreeze && lock.Word != WordFrozen
		placing = !freezing
	case Locked:
		if !needsFreezeAgain(lock, lapsedBy(lock, &l.policy, m)) {
			return false, false
		}
		freezing = lock.Word != WordFrozen
	default:
		return false, false
	}
	switch {
	case lock.Unknown && lock.UnknownFrom > 0 && l.toldOf(lock):
		// Nothing was sent since that was noted: the grace time goes on.
	case l.rested && !lock.Unknown && !l.policy.Find:
		return false, false // nobody needs to look: nothing was lost
	default:
		if !l.rested {
			lock.FreezeDoubt = lock.FreezeDoubt || freezing
			lock.OrderSent = lock.OrderSent || placing
		}
		lock.Unknown, lock.UnknownSince, lock.UnknownFrom = true, m.wall, l.running.at(m)
		changed = true
	}
	if !l.policy.Find && lock.CaseReason == "" {
		lock.CaseReason, lock.CaseKind = cannotFind, CaseUnknown
		return true, true
	}
	return changed, false
}

// toldOf reports whether what is on record of a lock is the last that happened to
// it: of a ledger that was restored from a backup that is true only once the HIS
// was asked.
func (l *Ledger) toldOf(lock *Lock) bool {
	return l.restored.At.IsZero() || lock.RecalledFor.Equal(l.restored.At) || !lock.CreatedAt.Before(l.restored.At)
}

// lapsedBy reports whether a lock's freeze is over, or nearly, by the wall clock.
func lapsedBy(lock *Lock, p *Policy, m moment) bool {
	return !lock.FreezeExpires.IsZero() && !lock.FreezeExpires.Add(-p.FreezeMargin).After(m.wall)
}

func (l *Ledger) readTombstones() error {
	var tombs []*Lock
	err := l.disk.Engine().Scan([]byte(prefixTombstone), prefixEnd(prefixTombstone), func(k, rec []byte) error {
		lock, err := decodeLock(rec)
		if err != nil {
			return fmt.Errorf("key %q: %w", k, err)
		}
		tombs = append(tombs, lock)
		return nil
	})
	slices.SortFunc(tombs, func(a, b *Lock) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, t := range tombs {
		g := l.graves[t.Principal]
		if g == nil {
			g = &graveyard{graves: make(map[string]time.Time)}
			l.graves[t.Principal] = g
		}
		g.add(t.OrderNo, t.CreatedAt)
		l.stats.Tombstones++
	}
	return err
}

func (l *Ledger) readMornings() error {
	return l.disk.Engine().Scan([]byte(prefixMorning), prefixEnd(prefixMorning), func(k, rec []byte) error {
		pharmacy, drug, err := parsePairKey(prefixMorning, k)
		if err != nil {
			return fmt.Errorf("key %q: %w", k, err)
		}
		first, err := decodeMorning(rec)
		if err != nil {
			return fmt.Errorf("key %q: %w", k, err)
		}
		l.mornings[Key{pharmacy, drug}] = first
		return nil
	})
}
