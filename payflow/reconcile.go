package payflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

const (
	billsReadyAt   = 10 * time.Hour // WeChat has yesterday's bill from 10:00 on
	catchUpDays    = 30             // so many missed days are compared by themselves
	billsKeptDays  = 89             // WeChat keeps bills for three months
	reconcileEvery = time.Minute    // how often is looked whether a day is due
	reconcileLate  = 6 * time.Hour  // after which a person is told that a day is not compared yet
)

// reconcileState is what waits and what runs. Under Service.mu.
type reconcileState struct {
	since   time.Time // the first day that is compared by itself; zero = not known yet
	asked   []askedDay
	running string        // the day under way, "" = none
	changed chan struct{} // closed when the day under way, or what waits, changed
	wake    chan struct{} // a day was asked for
}

type askedDay struct{ day, by string }

func newReconcileState() reconcileState {
	return reconcileState{changed: make(chan struct{}), wake: make(chan struct{}, 1)}
}

func (r *reconcileState) change() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// waits tells whether a day is under way or to come.
func (r *reconcileState) waits(day string) bool {
	return r.running == day || slices.ContainsFunc(r.asked, func(a askedDay) bool { return a.day == day })
}

// reconcile compares what was asked for, and each morning the day before, until
// ctx ends. One day at a time.
func (s *Service) reconcile(ctx context.Context) {
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	since, err := s.since(ctx)
	if err != nil {
		s.log.Error("reconciliation cannot begin", "error", err)
		return
	}
	s.lastReport()
	s.mu.Lock()
	s.recon.since = since
	s.mu.Unlock()
	for {
		for ctx.Err() == nil {
			a, any := s.nextDay(since)
			if !any {
				break
			}
			s.runDay(ctx, a)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.recon.wake:
		}
	}
}

// since is the day on which this store was first opened for reconciliation: days
// before, which another system may have served, are compared only when asked for.
func (s *Service) since(ctx context.Context) (time.Time, error) {
	data, err := s.engine.Get([]byte(keySince))
	switch {
	case err == nil && string(data) <= dayOf(s.now()):
		return startOf(string(data))
	case err == nil: // by a clock that was ahead
	case !errors.Is(err, engine.ErrNotFound):
		return time.Time{}, err
	}
	today := dayOf(s.now())
	if err := s.durable(ctx, s.committer.Append(engine.Write{Key: []byte(keySince), Value: []byte(today)})); err != nil {
		return time.Time{}, err
	}
	return startOf(today)
}

// lastReport tells the metrics of the latest day that was compared before this
// opening.
func (s *Service) lastReport() {
	n := 0
	if err := s.engine.Scan([]byte(prefixReport), after(prefixReport), func(key, value []byte) error {
		r, err := decodeReport(key, value)
		if err != nil {
			return err
		}
		if n++; r.Status == ReconciliationDone {
			s.mu.Lock()
			s.counts.recon.latest(r)
			s.mu.Unlock()
			return engine.ErrStop
		}
		if n > catchUpDays {
			return engine.ErrStop
		}
		return nil
	}); err != nil {
		s.log.Error("reports of reconciliation", "error", err)
	}
}

// nextDay takes what was asked for first, then the oldest day that is due.
func (s *Service) nextDay(since time.Time) (askedDay, bool) {
	if s.Recovery().Recovering {
		return askedDay{}, false // much is unknown here that WeChat and the HIS know
	}
	due, any := "", false
	if s.set.Reconcile {
		due, any = s.dueDay(since)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := &s.recon; len(r.asked) > 0 {
		a := r.asked[0]
		r.asked, r.running = r.asked[1:], a.day
		return a, true
	}
	if any {
		s.recon.running = due
	}
	return askedDay{day: due, by: worker}, any
}

// dueDay is the oldest day whose bill should be there and that is not compared yet.
func (s *Service) dueDay(since time.Time) (string, bool) {
	now := s.now()
	today, err := startOf(dayOf(now))
	if err != nil {
		return "", false
	}
	last := today.AddDate(0, 0, -1)
	if now.Before(today.Add(billsReadyAt)) {
		last = last.AddDate(0, 0, -1)
	}
	first := today.AddDate(0, 0, -catchUpDays)
	for _, at := range []time.Time{since, now.Add(-s.set.Retention).AddDate(0, 0, 1)} { // what is purged is not compared again
		if at.After(first) {
			first = at
		}
	}
	if first, err = startOf(dayOf(first)); err != nil {
		return "", false
	}
	for d := first; !d.After(last); d = d.AddDate(0, 0, 1) {
		r, err := s.report(d)
		if err != nil {
			s.log.Error("report of a reconciliation", "day", dayOf(d), "error", err)
			continue
		}
		if r == nil || r.Status != ReconciliationDone && !r.NextAt.IsZero() && r.dueAgain(now) {
			return dayOf(d), true
		}
	}
	return "", false
}

// runDay compares a day and keeps the report. A run that panics is one that failed.
func (s *Service) runDay(ctx context.Context, a askedDay) {
	started := s.now()
	start, err := startOf(a.day)
	if err != nil {
		return // checked before
	}
	before, err := s.report(start)
	if err == nil {
		var c *comparison
		c, err = s.compareSafely(ctx, a.day, before)
		if ctx.Err() == nil {
			err = s.keepReport(ctx, a, started, before, c, err)
		}
	}
	if err != nil && ctx.Err() == nil {
		s.log.Error("reconciliation", "day", a.day, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recon.running = ""
	s.recon.change()
}

func (s *Service) compareSafely(ctx context.Context, day string, before *Reconciliation) (c *comparison, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.counts.panicked()
			s.log.Error("panic in reconciliation", "day", day, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return s.compare(ctx, day, before)
}

// keepReport makes the report of a run durable. Of a run that failed only that it
// did is noted: what earlier runs found stays.
func (s *Service) keepReport(ctx context.Context, a askedDay, started time.Time, before *Reconciliation, c *comparison, failed error) error {
	var r Reconciliation
	switch {
	case failed == nil:
		r = c.report
	case before != nil:
		r = before.clone()
	default:
		r = Reconciliation{Day: a.day, Status: ReconciliationWaiting}
	}
	r.Format, r.StartedAt, r.FinishedAt, r.By, r.Runs = recordFormat, started, s.now(), a.by, 1
	if before != nil {
		r.Runs, r.Alerted = before.Runs+1, before.Alerted
	}
	if failed != nil {
		r.Failure = cut(failed.Error(), detailMax)
	}
	r.NextAt = time.Time{}
	if r.Status != ReconciliationDone {
		r.NextAt = r.FinishedAt.Add(reconcileAfter(r.Runs))
		s.tellLate(&r)
	}
	data, err := json.Marshal(&r)
	if err != nil {
		return err
	}
	start, err := startOf(a.day)
	if err != nil {
		return err
	}
	w := engine.Write{Key: keyReport(start), Value: data}
	if err := s.committer.Limits().Check([]engine.Write{w}); err != nil {
		return err
	}
	if err := s.durable(ctx, s.committer.Append(w)); err != nil {
		return err
	}
	level := slog.LevelInfo
	if failed != nil || r.Open() > 0 {
		level = slog.LevelWarn
	}
	s.log.Log(ctx, level, "reconciliation", "day", r.Day, "status", r.Status, "rows", r.BillRows, "matched", r.Matched,
		"his_matched", r.HISMatched, "differences", r.Open(), "failure", r.Failure, "duration_ms", r.FinishedAt.Sub(started).Milliseconds())
	s.mu.Lock()
	s.counts.reconciled(&r)
	s.mu.Unlock()
	return nil
}

// dueAgain tells whether a day is to be tried again. A time further away than any
// was planned before the clock was set back.
func (r *Reconciliation) dueAgain(now time.Time) bool {
	return !now.Before(r.NextAt) || r.NextAt.Sub(now) > reconcileAfter(r.Runs)
}

// reconcileAfter is how long a day waits for its next try.
func reconcileAfter(runs int) time.Duration {
	if runs > 8 {
		return 6 * time.Hour
	}
	return min(time.Duration(runs)*15*time.Minute, time.Hour)
}

// tellLate alerts, once for a day, when it is not compared hours after it could be.
func (s *Service) tellLate(r *Reconciliation) {
	start, err := startOf(r.Day)
	if err != nil || r.Alerted || s.now().Before(start.AddDate(0, 0, 1).Add(billsReadyAt+reconcileLate)) {
		return
	}
	r.Alerted = true
	a := Alert{Name: "reconciliation_late", Severity: P1, Detail: r.Day + ": " + r.Failure}
	s.hooks.OnAlert(a)
	s.log.Warn("alert", "alert", a.Name, "severity", a.Severity, "detail", a.Detail)
}
