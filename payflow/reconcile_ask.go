package payflow

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

const (
	reconcileAsked  = 100 // days that may wait at once
	reconcilePage   = 30
	reconcilePageMx = 100
)

// RunReconciliation has a day compared (again) and waits for it, at most
// Settings.AnswerWithin: the report says RUNNING when it takes longer, and
// GetReconciliation tells how it went. It needs no Settings.Reconcile. Errors:
// *InvalidError for a day whose bill cannot be had, ErrBusy.
func (s *Service) RunReconciliation(ctx context.Context, day, actor string) (Reconciliation, error) {
	if err := s.canReconcile(); err != nil {
		return Reconciliation{}, err
	}
	start, err := startOf(day)
	if err != nil {
		return Reconciliation{}, err
	}
	today, err := startOf(dayOf(s.now()))
	if err != nil {
		return Reconciliation{}, err
	}
	switch {
	case !start.Before(today):
		return Reconciliation{}, &InvalidError{Field: "date", Reason: "must be before today: WeChat makes the bill of a day the next morning"}
	case start.Before(today.AddDate(0, 0, -billsKeptDays)):
		return Reconciliation{}, &InvalidError{Field: "date", Reason: "must be within the last 89 days: WeChat keeps bills for three months"}
	}
	if err := s.ask(day, actor); err != nil {
		return Reconciliation{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.set.AnswerWithin)
	defer cancel()
	for {
		s.mu.Lock()
		waits, changed := s.recon.waits(day), s.recon.changed
		s.mu.Unlock()
		if !waits {
			break
		}
		select {
		case <-changed:
			continue
		case <-s.dead:
			return Reconciliation{}, ErrStopped
		case <-ctx.Done():
		}
		break
	}
	return s.GetReconciliation(ctx, day)
}

// ask puts a day before the worker, once.
func (s *Service) ask(day, actor string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.recon
	switch {
	case r.waits(day):
		return nil
	case len(r.asked) >= reconcileAsked:
		return ErrBusy
	}
	r.asked = append(r.asked, askedDay{day: day, by: actor})
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return nil
}

func (s *Service) canReconcile() error {
	if err := s.alive(); err != nil {
		return err
	}
	if s.bills == nil {
		return ErrDisabled
	}
	return nil
}

// GetReconciliation returns the report of a day; its status is RUNNING while a run
// is under way or to come, beside what the last one found. Errors: *InvalidError,
// ErrNotFound.
func (s *Service) GetReconciliation(_ context.Context, day string) (Reconciliation, error) {
	if s.pay == nil {
		return Reconciliation{}, ErrDisabled
	}
	start, err := startOf(day)
	if err != nil {
		return Reconciliation{}, err
	}
	r, err := s.report(start)
	if err != nil {
		return Reconciliation{}, err
	}
	s.mu.Lock()
	running := s.recon.waits(day)
	s.mu.Unlock()
	switch {
	case r == nil && !running:
		return Reconciliation{}, ErrNotFound
	case r == nil:
		r = &Reconciliation{Day: day}
	}
	if running {
		r.Status = ReconciliationRunning
	}
	return *r, nil
}

// ListReconciliations returns reports, the latest day first, without their
// differences. before is the day behind which to go on, "" = from the latest.
// Errors: *InvalidError.
func (s *Service) ListReconciliations(ctx context.Context, size int, before string) (reports []Reconciliation, next string, err error) {
	if s.pay == nil {
		return nil, "", ErrDisabled
	}
	switch {
	case size < 0 || size > reconcilePageMx:
		return nil, "", &InvalidError{Field: "page_size", Reason: fmt.Sprintf("must be 0 to %d", reconcilePageMx)}
	case size == 0:
		size = reconcilePage
	}
	first := []byte(prefixReport)
	if before != "" {
		start, err := startOf(before)
		if err != nil {
			return nil, "", &InvalidError{Field: "page_token", Reason: "is not one of ours"}
		}
		first = append(keyReport(start), 0)
	}
	err = s.engine.Scan(first, after(prefixReport), func(key, value []byte) error {
		if len(reports) == size {
			next = reports[size-1].Day
			return engine.ErrStop
		}
		r, err := decodeReport(key, value)
		if err != nil {
			return err
		}
		r.More, r.Differences = r.Open(), nil
		reports = append(reports, *r)
		return ctx.Err()
	})
	return reports, next, err
}

// purgeReports removes the reports of days before the time.
func (s *Service) purgeReports(ctx context.Context, before time.Time) error {
	var writes []engine.Write
	if err := s.engine.Scan(keyReport(before), after(prefixReport), func(key, _ []byte) error {
		writes = append(writes, engine.Write{Key: slices.Clone(key), Delete: true})
		if len(writes) >= reconcilePageMx {
			return engine.ErrStop
		}
		return ctx.Err()
	}); err != nil || len(writes) == 0 {
		return err
	}
	return s.committer.Append(writes...).Wait(ctx)
}
