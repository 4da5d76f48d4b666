package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/load"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/report"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/systems"
	"github.com/hisgate/hisgate/lockstore"
)

const (
	// expiries happened before an idle tick is timed.
	expiries = 100_000
	// idleTarget: a tick with that past costs at most twice a fresh one.
	idleTarget = 0.5
	// liveLocks are there all the time.
	liveLocks = 1000
	forever   = 10 * 365 * 24 * time.Hour
	retention = 400 * 24 * time.Hour
)

// handClock goes by hand.
type handClock struct{ passed atomic.Int64 }

func (c *handClock) Mono() time.Duration { return time.Duration(c.passed.Load()) }

func (c *handClock) Now() time.Time {
	return time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC).Add(c.Mono())
}

func (c *handClock) advance(d time.Duration) { c.passed.Add(int64(d)) }

// idler is a ledger with nothing to do.
type idler struct {
	*systems.Open
	clock handClock
	drugs []string
	next  atomic.Int64
}

func newIdler(ctx context.Context, dir string) (*idler, error) {
	i := &idler{drugs: systems.Drugs(spreadDrugs)}
	var err error
	if i.Open, err = systems.OpenLedger(ctx, dir, &i.clock, 0); err != nil {
		return nil, err
	}
	return i, i.lock(ctx, liveLocks, forever)
}

func (i *idler) lock(ctx context.Context, n int64, ttl time.Duration) error {
	s := systems.LedgerSession{Ledger: i.Ledger}
	return i.each(ctx, &i.next, i.next.Load()+n, func(ctx context.Context, k int64) error {
		_, _, err := i.Ledger.Lock(ctx, s.Request(systems.OrderNo(k), systems.Basket(i.drugs, 1, k), ttl))
		return err
	})
}

// each calls op for all numbers from next to last, with many callers.
func (i *idler) each(ctx context.Context, next *atomic.Int64, last int64, op load.Op) error {
	ops := make([]load.Op, 256)
	for k := range ops {
		ops[k] = op
	}
	_, err := load.Run(ctx, ops, next, load.Bounds{For: math.MaxInt64, Last: last})
	next.Store(last)
	return err
}

// expire lets n locks expire, by the clock, as the gateway does it.
func (i *idler) expire(ctx context.Context, n int64) error {
	if err := i.lock(ctx, n, time.Minute); err != nil {
		return err
	}
	i.clock.advance(2 * time.Minute)
	for {
		due := i.Ledger.Due(4096)
		if len(due) == 0 {
			return i.Ledger.Health()
		}
		var next atomic.Int64
		err := i.each(ctx, &next, int64(len(due)), func(ctx context.Context, k int64) error {
			_, err := i.Ledger.Record(ctx, due[k].ID(), lockstore.Event{Kind: lockstore.EvClock})
			return err
		})
		if err != nil {
			return err
		}
	}
}

// purge forgets everything that has ended.
func (i *idler) purge(ctx context.Context) (total int, err error) {
	for {
		n, err := i.Ledger.Purge(ctx, 4096)
		if err != nil || n == 0 {
			return total, err
		}
		total += n
	}
}

// expiryTick is what a worker of the gateway does when its timer goes off.
func (i *idler) expiryTick(context.Context, int64) error {
	if _, ok := i.Ledger.NextDue(); !ok {
		return errors.New("no lock has an expiry")
	}
	if n := len(i.Ledger.Due(100)) + len(i.Ledger.Work(100)); n > 0 {
		return fmt.Errorf("%d locks want something of an idle worker", n)
	}
	return nil
}

func (i *idler) purgeTick(ctx context.Context, _ int64) error {
	switch n, err := i.Ledger.Purge(ctx, 100); {
	case err != nil:
		return err
	case n > 0:
		return fmt.Errorf("%d locks were left to purge", n)
	}
	return nil
}

// idle compares ticks that find nothing: of a ledger in which many locks have
// expired, later been purged, and of a fresh one.
func idle(ctx context.Context, dir string, past int64, rounds int, during time.Duration) (rows []report.Row, err error) {
	used, err := newIdler(ctx, filepath.Join(dir, "used"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, used.Close()) }()
	fresh, err := newIdler(ctx, filepath.Join(dir, "fresh"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, fresh.Close()) }()

	if err := used.expire(ctx, past); err != nil {
		return nil, err
	}
	expiry, err := ticks(ctx, fmt.Sprintf("idle-expiry-%d", past), used.expiryTick, fresh.expiryTick, idleTarget, rounds, during)
	if err != nil {
		return nil, err
	}
	for _, i := range []*idler{used, fresh} {
		i.clock.advance(retention + time.Hour)
		// What ended last stays in memory until more has ended, twice.
		for range 2 {
			if err := i.expire(ctx, 1); err != nil {
				return nil, err
			}
		}
	}
	switch n, err := used.purge(ctx); {
	case err != nil:
		return nil, err
	case int64(n) != past:
		return nil, fmt.Errorf("%d of %d ended locks were purged", n, past)
	}
	purge, err := ticks(ctx, fmt.Sprintf("idle-purge-%d", past), used.purgeTick, fresh.purgeTick, 0, rounds, during)
	return []report.Row{expiry, purge}, err
}

// ticks times both in turns, one caller each.
func ticks(ctx context.Context, name string, used, fresh load.Op, target float64, rounds int, during time.Duration) (report.Row, error) {
	row := report.Row{Name: name, Unit: report.PerSecond, Peer: "fresh", Target: target}
	for round := range rounds + 1 {
		var rate [2]float64
		for k := range rate {
			which := (k + round) % 2
			var next atomic.Int64
			s, err := load.Run(ctx, []load.Op{[]load.Op{used, fresh}[which]}, &next, load.Bounds{For: during})
			if err != nil {
				return row, fmt.Errorf("%s: %w", name, err)
			}
			rate[which] = s.Rate()
		}
		if round > 0 {
			row.Runs = append(row.Runs, report.Run{Ours: rate[0], Theirs: rate[1]})
		}
	}
	return row, nil
}
