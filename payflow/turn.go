package payflow

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/hisgate/hisgate/internal/span"
)

// stepsPerTurn keeps one order from holding a worker for long.
const stepsPerTurn = 8

// work is one worker of a pool.
func (s *Service) work(ctx context.Context, p pool) {
	for {
		q, ok := s.queues[p].pop()
		if !ok {
			return
		}
		if cause, ok := s.claim(q, p); ok {
			s.turn(span.Carry(ctx, cause), q.no, p)
		}
	}
}

// turn takes one order as far as it gets in this pool; then the order is planned
// anew. A turn that panics or ends in an unexpected error parks the order and
// touches no other.
func (s *Service) turn(ctx context.Context, no string, p pool) {
	err := s.advance(ctx, no, p)
	switch {
	case ctx.Err() != nil || errors.Is(err, ErrStopped):
		return // the process is ending; what is durable goes on at the next opening
	case err != nil:
		s.poisoned(ctx, no, err)
	}
	s.mu.Lock()
	if e := s.entries[no]; e != nil {
		e.running = false
		if err == nil {
			e.faults, e.parked = 0, time.Time{}
		}
		s.plan(e)
	}
	s.mu.Unlock()
	s.ring(no)
}

// advance does what is due and belongs to this pool, or to none: letters first,
// then the steps that the plan names. An error is unexpected.
func (s *Service) advance(ctx context.Context, no string, p pool) (err error) {
	unlock, err := s.keys.lock(ctx, no)
	if err != nil {
		return err
	}
	defer unlock()
	defer func() {
		if r := recover(); r != nil {
			s.counts.panicked()
			s.log.Error("panic in an order's worker", "order_no", no, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	for range stepsPerTurn {
		if again, err := s.step(ctx, no, p); err != nil || !again {
			return err
		}
	}
	return nil
}

// step takes one letter, or does one due thing. again tells whether to look once
// more. Whatever happens, a panic too, nothing that orders share stays locked.
func (s *Service) step(ctx context.Context, no string, p pool) (again bool, err error) {
	u, err := s.begin(no)
	if err != nil {
		return false, err
	}
	defer u.release()
	u.cause = span.Cause(ctx)
	l, ask := s.pending(no, u)
	if l != nil {
		if err := u.deliver(l); err != nil {
			return false, err
		}
		s.delivered(no, l)
		return true, nil
	}
	if u.o == nil {
		s.answered(no)
		return false, nil
	}
	a := nextAction(u.o, s.set, s.restored(), s.now(), ask)
	if a.kind == actNone || a.at.After(s.now()) {
		s.answered(no) // nothing could be asked
		return false, nil
	}
	if a.pool != poolLocal && a.pool != p {
		return false, nil
	}
	if a.pool != poolLocal {
		s.answered(no)
	}
	if err := u.do(ctx, a); err != nil {
		return false, err
	}
	if err := u.commit(); err != nil {
		return false, err
	}
	s.ring(no)
	return true, nil
}

// pending returns the order's oldest letter and whether someone asks. It keeps
// the order in memory meanwhile, should it have been at rest.
func (s *Service) pending(no string, u *unit) (l *letter, ask bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[no]
	if e == nil {
		return nil, false
	}
	if e.order == nil && u.o != nil {
		e.order, e.place = u.o.clone(), u.place
	}
	if len(e.mail) > 0 {
		l = e.mail[0]
	}
	return l, e.ask
}

func (s *Service) answered(no string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[no]; e != nil {
		e.ask = false
	}
}

const (
	faultsForCase = 3
	longestPark   = 10 * time.Minute
)

// poisoned parks an order whose turn failed unexpectedly: longer each time, and
// with a case from the third time on.
func (s *Service) poisoned(ctx context.Context, no string, cause error) {
	s.log.Error("order's worker failed", "order_no", no, "error", cause)
	s.mu.Lock()
	faults := 0
	if e := s.entries[no]; e != nil {
		e.faults++
		faults = e.faults
		rest := min(time.Second<<min(faults-1, 12), longestPark)
		e.parked = s.now().Add(rest)
		e.ask = false
	}
	s.mu.Unlock()
	if faults < faultsForCase {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("no case could be opened for a poisoned order", "order_no", no, "panic", fmt.Sprint(r))
		}
	}()
	if _, err := s.change(ctx, no, func(u *unit) error {
		if u.o == nil {
			return ErrNotFound
		}
		u.trouble("worker", kindPanic, "", cause.Error())
		u.alert(Alert{Name: "worker_fault", Severity: P0, Detail: cause.Error()})
		u.openCase(CaseWorker, caseFacts{Detail: cause.Error()})
		return nil
	}); err != nil {
		s.log.Error("no case could be opened for a poisoned order", "order_no", no, "error", err)
	}
}

// outside runs one outside call under its pool's time limit and reports it.
func (s *Service) outside(ctx context.Context, op string, limit time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ctx, sp := span.Begin(ctx, "order "+op)
	start := s.now()
	err := call(ctx)
	outcome := outcomeOf(err)
	s.hooks.OnStep(op, outcome, s.now().Sub(start))
	sp.Text("outcome", outcome)
	sp.End(outcome != kindDone)
	return err
}
