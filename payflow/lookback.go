package payflow

import (
	"context"
	"errors"
	"time"
)

const (
	// lookBackDays: so old are the fulfilled orders that a restored store asks the HIS
	// about. An order that is cancelled later than that is looked into by persons.
	lookBackDays = 30
	// lookBackFailures in a row end a round: the HIS cannot be asked now.
	lookBackFailures = 3
)

// lookBack asks the HIS, after a recovery, whether the orders that the restored store
// has as FULFILLED stand there: one may have been cancelled for its refund between the
// backup and the restore, and the refund never have left [B9]. Nothing waits for it,
// one order is asked about at a time, and a restart begins anew. It ends when all were
// asked about, at the latest when the restore is over.
func (s *Service) lookBack(ctx context.Context) {
	if s.restored().At.IsZero() || !s.set.CanFind {
		return
	}
	tick := time.NewTicker(mindEvery)
	defer tick.Stop()
	var left []string
	for read := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch r := s.restored(); {
		case r.recovering():
			continue
		case r.knows(s.now()):
			return
		case !read:
			var err error
			if left, err = s.madeSince(ctx, r.At.AddDate(0, 0, -lookBackDays)); err != nil {
				if ctx.Err() == nil {
					s.log.Error("looking back after a restore", "error", err)
				}
				continue
			}
			read = true
		}
		if left = s.lookAt(ctx, left); len(left) == 0 {
			return
		}
	}
}

// madeSince lists the orders of a time and after, newest first.
func (s *Service) madeSince(ctx context.Context, since time.Time) (numbers []string, err error) {
	err = s.engine.Scan([]byte(prefixTime), keyTime(prefixTime, since, ""), func(key, _ []byte) error {
		numbers = append(numbers, idOfTime(prefixTime, key))
		return ctx.Err()
	})
	return numbers, err
}

// lookAt asks about one order after the other. It returns those to be asked about
// later: the ones that the HIS gave no answer for, and the rest once it gave several none.
func (s *Service) lookAt(ctx context.Context, numbers []string) (left []string) {
	failures := 0
	for i, no := range numbers {
		err := s.lookAtOne(ctx, no)
		switch {
		case err == nil:
			failures = 0
			continue
		case ctx.Err() != nil:
			return nil
		}
		left = append(left, no)
		if failures++; failures >= lookBackFailures {
			return append(numbers[i+1:len(numbers):len(numbers)], left...)
		}
	}
	return left
}

// lookAtOne opens a case for a fulfilled order that was cancelled at the HIS. Should its
// money be on its way back, which WeChat Pay is asked before, nothing needs to be said.
func (s *Service) lookAtOne(ctx context.Context, no string) error {
	o, _, err := s.load(no)
	if err != nil || o == nil || o.State != Fulfilled {
		return err
	}
	var lk Lock
	err = s.outside(ctx, opLock, s.set.HISTimeout, func(ctx context.Context) (err error) {
		lk, err = s.locks.Standing(ctx, no)
		return err
	})
	if errors.Is(err, ErrNotFound) || err == nil && (!lk.Cancelled || lk.HisOrderNo != o.HisOrderNo) {
		return nil // a person may have named another order of the HIS
	}
	if err != nil {
		return err
	}
	if err := s.recalled(ctx, no); err != nil {
		return err
	}
	id, isNew, err := s.caseIDFor(caseBase(CaseHISCancelled, lk.HisNo+"."+lk.HisOrderNo))
	if err != nil || !isNew {
		return err
	}
	return s.underKey(ctx, no, func(u *unit) error {
		if u.o != nil && u.o.State == Fulfilled {
			u.openNamedCase(id, CaseHISCancelled, caseFacts{
				Detail: "fulfilled here, and the HIS order was cancelled there; found after a restore from a backup", Fen: u.o.Amount.DrugsFen,
			})
		}
		return nil
	})
}
