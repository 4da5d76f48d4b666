package lockstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// auditChunk bounds how many locks are looked at while commands wait.
const auditChunk = 1000

// Audit recomputes from the records in memory all that is derived of them, and
// holds it against what the ledger judges by: how each hold counts, the sums of
// each key, timers, work, counters. It holds each record against the disk, too.
// report is called for each thing that differs.
//
// It goes on beside the ledger's work. Commands wait for it a chunk of locks at a
// time, and once for the time that counting all of them takes. Errors:
// ErrOutcomeUnknown, ErrClosed, ctx's, or what the storage says.
func (l *Ledger) Audit(ctx context.Context, report func(Finding)) error {
	a := &audit{ctx: ctx, l: l, report: report}
	for _, step := range []func() error{a.entries, a.strays, a.stocks, a.counters} {
		if err := step(); err != nil {
			return fmt.Errorf("auditing the ledger: %w", err)
		}
	}
	return nil
}

// Inspect opens a ledger over what r shows, changes nothing, audits it and closes
// it: so it verifies what an opening of the folder would compute. The options are
// those of Open, without a committer. It costs the memory of the ledger.
//
// Errors: those of Open; a record that cannot be read is one.
func Inspect(ctx context.Context, r engine.Reader, o Options, report func(Finding)) error {
	o.Committer = engine.NewCommitter(frozen{r}, engine.CommitterOptions{})
	defer o.Committer.Close()
	l, err := Open(ctx, o)
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Audit(ctx, report)
}

// frozen is an engine that takes no writes.
type frozen struct{ engine.Reader }

var errFrozen = errors.New("this engine is read only")

// Apply implements engine.Engine.
func (frozen) Apply([]engine.Write) error { return errFrozen }

// View implements engine.Engine.
func (f frozen) View(fn func(engine.Reader) error) error { return fn(f.Reader) }

// Free implements engine.Engine.
func (frozen) Free() (uint64, error) { return 0, errFrozen }

// Close implements engine.Engine; the reader is not ours to close.
func (frozen) Close() error { return nil }

type audit struct {
	ctx    context.Context
	l      *Ledger
	report func(Finding)
}

func (a *audit) found(about any, format string, args ...any) {
	a.report(Finding{Key: fmt.Sprint(about), What: fmt.Sprintf(format, args...)})
}

// locked runs f under the ledger's mutex.
func (a *audit) locked(f func()) error {
	if err := a.ctx.Err(); err != nil {
		return err
	}
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	if err := a.l.unusable(); err != nil {
		return err
	}
	a.l.tick()
	f()
	return nil
}

// entries audits the locks one by one, in chunks by creation.
func (a *audit) entries() error {
	for from, more := (time.Time{}), true; more; {
		var seen []sight
		var t engine.Ticket
		if err := a.locked(func() {
			l := a.l
			more = false
			for _, e := range l.made.slots[l.made.search(from):] {
				if len(seen) == auditChunk {
					more = true
					break
				}
				from = e.created.Add(1)
				if !e.gone {
					seen = append(seen, l.look(e))
				}
			}
			t = l.disk.Barrier()
		}); err != nil {
			return err
		}
		if err := a.l.await(a.ctx, t); err != nil {
			return err
		}
		for i := range seen {
			a.entry(&seen[i])
			if err := a.disk(&seen[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// sight is what the memory holds of a lock at one moment.
type sight struct {
	e         *entry
	rec       []byte
	status    Status
	settled   bool
	hasCase   bool
	alarmOn   bool
	doubted   bool // the clock
	waits     bool // in the wheel
	unknown   bool
	queued    bool
	listed    bool // found by its number
	holds     []hold
	principal string
}

func (l *Ledger) look(e *entry) sight {
	s := sight{
		e: e, rec: e.rec, status: e.status, settled: e.settled, hasCase: e.hasCase, alarmOn: e.alarmOn,
		doubted: l.watch.doubted(), waits: e.due.place > 0, unknown: e.unknown, queued: e.queued,
		holds: append([]hold(nil), e.holds...), principal: e.principal,
	}
	if _, known := l.unknown[e]; known != e.unknown {
		s.unknown = !e.unknown // so that it cannot pass
	}
	s.listed = l.entry(e.id) == e
	return s
}

// entry holds the memory of a lock against its record.
func (a *audit) entry(s *sight) {
	lock, err := decodeLock(s.rec)
	if err != nil {
		a.found(s.e.id, "its record in memory: %v", err)
		return
	}
	about := lock.ID()
	differ := func(what string, is, want any) {
		if is != want {
			a.found(about, "in memory its %s is %v, by its record %v", what, is, want)
		}
	}
	p := &a.l.policy
	differ("number", s.e.id, lock.ID())
	differ("status", s.status, lock.Status)
	differ("principal", s.principal, lock.Principal)
	differ("creation", s.e.created, lock.CreatedAt)
	differ("settled", s.settled, lock.Settled())
	differ("case", s.hasCase, lock.CaseReason != "")
	differ("unknown outcome", s.unknown, lock.Unknown)
	differ("expiry timer", s.waits, lock.Status == Locked || lock.Status == Pending && !lock.ReleaseWanted)
	differ("place in the work", s.queued, wantsHIS(lock, p, s.alarmOn))
	differ("place among the orders", s.listed, true)
	counts := p.counts(lock, s.alarmOn || s.doubted && !lock.FreezeExpires.IsZero())
	differ("number of holds", len(s.holds), len(lock.Items))
	for i := range min(len(s.holds), len(lock.Items)) {
		h, it := &s.holds[i], lock.Items[i]
		differ("key", h.stock.key, Key{lock.PharmacyID, it.DrugID})
		differ("units", h.units, it.Quantity)
		differ("way to count", h.counts, counts)
	}
}

// disk holds the record of a lock against the disk. Once what was judged by then
// is durable, a lock that has not changed since must be there as it is in memory,
// but for what an opening marks, which raises no version.
func (a *audit) disk(s *sight) error {
	key := attemptKey(prefixActive, s.e.id)
	rec, err := a.l.disk.Engine().Get(key)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return a.l.readError(err)
	}
	changed := true
	if err := a.locked(func() { changed = s.e.gone || &s.e.rec[0] != &s.rec[0] }); err != nil || changed {
		return err
	}
	is, wrong := decodeLock(rec)
	lock, bad := decodeLock(s.rec)
	switch {
	case err != nil:
		a.found(s.e.id, "in force in memory, and not on the disk")
	case wrong != nil:
		a.found(s.e.id, "on the disk: %v", wrong)
	case bad != nil: // told already
	case is.Version != lock.Version || is.Status != lock.Status:
		a.found(s.e.id, "on the disk it is %s in version %d, in memory %s in version %d", is.Status, is.Version, lock.Status, lock.Version)
	}
	return nil
}
