package lockstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// Options of a ledger. Committer is required; every other zero value is a safe
// default.
type Options struct {
	Committer *engine.Committer // shared with the orders; the ledger does not close it
	Policy    Policy
	Safety    SafetyPolicy
	Clock     Clock // nil = the system's
	Logger    *slog.Logger

	// Retention is how long ended locks and tombstones are kept; 0 = 400 days,
	// because a refund reaches back 365.
	Retention time.Duration
	// MaxTombstones bounds what the Releases of one principal for orders that
	// never were can leave behind; 0 = 100,000. When it is reached, tombstones
	// older than a day make room; younger ones refuse the Release.
	MaxTombstones int
	// MaxActive bounds the active locks of one principal; 0 = 2,000,000.
	MaxActive int
	// DiskReserve is the free space in bytes below which only Confirm, Release
	// and locks of paid orders are taken [B10]; 0 = 512 MiB, negative = none.
	DiskReserve int64

	// OnCase, if set, is called when a lock comes to need a person, after that
	// is durable. It must not block for long.
	OnCase func(Lock)
}

const (
	defaultRetention     = 400 * 24 * time.Hour
	defaultMaxTombstones = 100_000
	defaultMaxActive     = 2_000_000
	defaultDiskReserve   = 512 << 20
)

func (o *Options) check() error {
	var errs []error
	if o.Committer == nil {
		errs = append(errs, errors.New("no committer"))
	}
	policy, err := o.Policy.check()
	o.Policy = policy
	errs = append(errs, err, o.Safety.check())
	if o.Retention < 0 || o.MaxTombstones < 0 || o.MaxActive < 0 {
		errs = append(errs, errors.New("retention and bounds cannot be negative"))
	}
	if o.Retention == 0 {
		o.Retention = defaultRetention
	}
	if o.MaxTombstones == 0 {
		o.MaxTombstones = defaultMaxTombstones
	}
	if o.MaxActive == 0 {
		o.MaxActive = defaultMaxActive
	}
	if o.DiskReserve == 0 {
		o.DiskReserve = defaultDiskReserve
	}
	if o.Clock == nil {
		o.Clock = systemClock{start: time.Now()}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}

// Ledger holds stock for orders. See the package documentation. Its methods may
// be called by several goroutines; commands block until they are durable.
type Ledger struct {
	opts   Options
	policy Policy
	clock  Clock
	log    *slog.Logger
	disk   *engine.Committer
	epoch  uint64

	stamps  atomic.Uint64 // the last counter given out
	turns   atomic.Uint64 // how often the memory of ended locks was turned over
	changed chan struct{}

	// mu is the one writer who judges: what follows belongs to who holds it, and
	// whatever is judged under it is appended to the committer under it, so that
	// the order of judgement is the order of durability.
	mu     sync.Mutex
	closed bool

	orders  map[string]*entry // the newest active attempt of an order; entry.older are the others
	made    creation
	stocks  map[Key]*stock
	ended   recent
	graves  map[string]*graveyard // by principal
	holders map[string]int        // active locks by principal

	wheel     timers // expiry
	alarms    timers // lapsing freezes, looks at given-up ones
	confirmed outliving
	work      workList
	unknown   map[*entry]struct{}
	graceEnd  time.Duration // of no unknown outcome the grace time ends later
	marked    []*entry      // what this opening took for lost, until that is stored

	running    running
	fromStored bool // since when the restored ledger runs

	mornings map[Key]morning
	watch    clockWatch
	stored   time.Time // the clock as last stored
	restored Restore
	rested   bool      // the last opening ended with no call under way
	created  time.Time // of the newest lock; creation times are all different
	space    space
	stats    Stats

	purging sync.Mutex     // held by a purge, before mu
	purged  []byte         // no index key lies before this one
	leaving map[string]int // orders that a purge has deleted from this attempt on, which the disk may still show
}

// Close ends the ledger's work: later calls are refused with ErrClosed. It
// neither waits for commands under way nor closes the committer.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

// Stamp returns the next stamp. Take it before a read of the HIS is queued: the
// reading then knows of everything that was acknowledged before [A2].
func (l *Ledger) Stamp() Stamp {
	return Stamp{Epoch: l.epoch, Counter: l.nextStamp()}
}

func (l *Ledger) nextStamp() uint64 { return l.stamps.Add(1) }

// Mono reads the ledger's monotonic clock, for Reading.Began.
func (l *Ledger) Mono() time.Duration { return l.clock.Mono() }

// Changed signals that there may be more for Work, or something earlier for Due,
// than before. Signals that nobody took are one.
func (l *Ledger) Changed() <-chan struct{} { return l.changed }

func (l *Ledger) signal() {
	select {
	case l.changed <- struct{}{}:
	default: // one is waiting already
	}
}

// moment is the time of one judgement.
type moment struct {
	wall time.Time
	mono time.Duration
}

// tick reads the clock and lets happen in memory what has come by itself:
// freezes that lapse, and CONFIRMED holds that every usable reading knows of.
// Under mu, at the start of each judgement.
func (l *Ledger) tick() moment {
	m := moment{wall: plain(l.clock.Now()), mono: l.clock.Mono()}
	doubted := l.watch.doubted()
	opened := l.watch.look(m.wall, m.mono)
	if changed := l.watch.doubted() != doubted; changed || opened {
		l.log.Warn("trust in the clock changed", "error", l.watch.err())
		l.disk.Append(l.clockWrites(m, 0)...)
		l.retime(m, opened)
	}
	for {
		t := l.alarms.first()
		if t == nil || t.at > m.mono {
			break
		}
		l.alarms.stop(t)
		l.alarmed(t.of)
	}
	for {
		e := l.confirmed.next(m.mono)
		if e == nil {
			break
		}
		l.outlive(e)
	}
	return m
}

// nextCreated gives a lock a creation time that no other lock has.
func (l *Ledger) nextCreated(m moment) time.Time {
	t := m.wall
	if !t.After(l.created) {
		t = l.created.Add(1)
	}
	l.created = t
	return t
}

// await turns a ticket into the answer of a command.
func (l *Ledger) await(ctx context.Context, t engine.Ticket) error {
	err := t.Wait(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrOutcomeUnknown):
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	case errors.Is(err, engine.ErrClosed):
		return ErrClosed
	case ctx.Err() != nil:
		return fmt.Errorf("waiting for the disk: %w", err)
	default:
		return fmt.Errorf("storing a record: %w", err)
	}
}

// unusable refuses what is judged from memory after the memory was lost.
func (l *Ledger) unusable() error {
	if err := l.disk.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	if l.closed {
		return ErrClosed
	}
	return nil
}

// Health returns nil, or in words what keeps the ledger from its full work: a
// failed commit, a clock in doubt, a nearly full disk.
func (l *Ledger) Health() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.unusable(); err != nil {
		return err
	}
	m := l.tick()
	return errors.Join(l.watch.err(), l.low(m))
}

// space remembers how full the disk is, so that it is not asked for every lock.
type space struct {
	asked bool
	at    time.Duration
	err   error
}

const spacePoll = time.Second

// low returns ErrDiskReserve, with the figures, below the reserve [B10].
func (l *Ledger) low(m moment) error {
	if l.opts.DiskReserve < 0 {
		return nil
	}
	if l.space.asked && m.mono-l.space.at < spacePoll {
		return l.space.err
	}
	l.space = space{asked: true, at: m.mono}
	switch free, err := l.disk.Engine().Free(); {
	case err != nil:
		l.log.Warn("cannot tell how full the disk is", "error", err)
	case free < uint64(l.opts.DiskReserve):
		l.space.err = fmt.Errorf("%w: %d MiB are free, the reserve is %d MiB",
			ErrDiskReserve, free>>20, uint64(l.opts.DiskReserve)>>20)
	}
	return l.space.err
}

// after adds to a monotonic time without running over its end.
func after(mono, d time.Duration) time.Duration {
	if mono > 0 && d > math.MaxInt64-mono {
		return math.MaxInt64
	}
	return mono + d
}
