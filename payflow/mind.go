package payflow

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

const (
	mindEvery  = 15 * time.Second
	purgeEvery = time.Hour
	purgeBatch = 5_000
)

// mind does what belongs to no single order: it reports cases whose deadline
// passed, and purges what has rested longer than the retention.
func (s *Service) mind(ctx context.Context) {
	tick := time.NewTicker(mindEvery)
	defer tick.Stop()
	purged, clock := time.Time{}, newEvenness(s.now(), time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.escalate(ctx)
		now := s.now()
		if even := clock.steady(now, time.Now()); even && now.Sub(purged) >= purgeEvery {
			purged = now
			if _, err := s.purge(ctx, now.Add(-s.set.Retention)); err != nil && ctx.Err() == nil {
				s.log.Error("purge", "error", err)
			}
			if err := s.purgeReports(ctx, now.Add(-s.set.Retention)); err != nil && ctx.Err() == nil {
				s.log.Error("purge of reports", "error", err)
			}
		}
	}
}

// escalate reports, once each and durably, the cases that nobody settled in time.
func (s *Service) escalate(ctx context.Context) {
	now := s.now()
	s.mu.Lock()
	var late []*Case
	for _, c := range s.cases {
		if !c.Escalated && now.After(c.Deadline) {
			late = append(late, c)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(late, func(a, b *Case) int { return cmp.Compare(a.ID, b.ID) })
	for _, c := range late {
		if err := s.changeCase(ctx, c, func(u *unit, c *Case) {
			c.Escalated = true
			c.Audit = append(c.Audit, AuditEntry{At: s.now(), Actor: worker, Note: "the deadline passed"})
			u.alert(u.caseAlert("case_overdue", P0, c, string(c.Reason)+", owner "+c.Owner))
		}); err != nil && ctx.Err() == nil {
			s.log.Error("escalate", "case", c.ID, "error", err)
		}
	}
}

// changeCase changes an open case under its order's key.
func (s *Service) changeCase(ctx context.Context, c *Case, f func(*unit, *Case)) error {
	unlock, err := s.keys.lock(ctx, c.OrderNo)
	if err != nil {
		return err
	}
	defer unlock()
	u, err := s.begin(c.OrderNo)
	if err != nil {
		return err
	}
	defer u.release()
	open := u.openedCase(c.ID)
	if open == nil {
		return nil // closed meanwhile
	}
	u.cases[open.ID] = open
	f(u, open)
	return u.commit()
}

// purge removes orders that were created and cases that were closed before the
// time, at most a batch of each; how many. An order with work left stays.
func (s *Service) purge(ctx context.Context, before time.Time) (int, error) {
	var orders, cases []string
	collect := func(prefix string, into *[]string) error {
		return s.engine.Scan(keyTime(prefix, before, ""), after(prefix), func(key, _ []byte) error {
			if len(*into) >= purgeBatch {
				return engine.ErrStop
			}
			*into = append(*into, idOfTime(prefix, key))
			return ctx.Err()
		})
	}
	if err := errors.Join(collect(prefixTime, &orders), collect(prefixOldAt, &cases)); err != nil {
		return 0, err
	}
	n := 0
	for _, no := range orders {
		done, err := s.purgeOrder(ctx, no, before)
		if err != nil {
			return n, err
		}
		if done {
			n++
		}
	}
	for _, id := range cases {
		c, err := s.findCase(id)
		if err != nil || c == nil || c.Open || !c.ClosedAt.Before(before) {
			continue
		}
		if o, _, err := s.load(c.OrderNo); err != nil || o != nil {
			continue // the order names it, and goes first
		}
		n++
		ticket := s.committer.Append(
			engine.Write{Key: keyOld(id), Delete: true},
			engine.Write{Key: keyTime(prefixOldAt, c.ClosedAt, id), Delete: true})
		if err := ticket.Wait(ctx); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (s *Service) purgeOrder(ctx context.Context, no string, before time.Time) (bool, error) {
	unlock, err := s.keys.lock(ctx, no)
	if err != nil {
		return false, err
	}
	defer unlock()
	o, at, err := s.load(no)
	if err != nil || o == nil || at != placeEnded || !o.UpdatedAt.Before(before) || len(o.OpenCases) > 0 {
		return false, err
	}
	writes := []engine.Write{
		{Key: keyEnded(no), Delete: true},
		{Key: keyTime(prefixTime, o.CreatedAt, no), Delete: true},
	}
	for _, day := range daysOf(o) {
		writes = append(writes, engine.Write{Key: keyDay(day, no), Delete: true})
	}
	if rx := o.Attributes[attributeRx]; rx != "" {
		writes = append(writes, engine.Write{Key: keyRx(rx, no), Delete: true})
	}
	return true, s.committer.Append(writes...).Wait(ctx)
}
