package payflow

import (
	"context"
	"fmt"
	"time"
)

// Restore is the last restore of the store from a backup [B9]; zero = there was
// none. While AskUntil is zero it is not known yet what WeChat Pay and the HIS did
// since the backup: no order, lock, prepay or refund begins, and every order that
// is not over is asked about at WeChat Pay (recall.go). Until AskUntil each new
// order_no is asked about before anything else is done with it, because it may
// have been used between the backup and its restore; of an order that the backup
// holds, also after that.
type Restore struct {
	At       time.Time
	AskUntil time.Time
}

// recovering tells whether what happened since the backup is still to be found out.
func (r Restore) recovering() bool { return !r.At.IsZero() && r.AskUntil.IsZero() }

// asksAbout tells whether WeChat may know more of the order than the order does.
func (r Restore) asksAbout(o *Order) bool { return !r.At.IsZero() && !o.RecalledFor.Equal(r.At) }

// knows tells whether a number that is new at this time is certainly unused.
func (r Restore) knows(now time.Time) bool {
	return r.At.IsZero() || !r.recovering() && !now.Before(r.AskUntil)
}

// Recovery is how far the recovery after a restore has come.
type Recovery struct {
	Restore
	Recovering bool
	Left       int    // orders that WeChat Pay is still to be asked about
	Example    string // one of them that it could not be asked about; "" = none
	Why        string // what is in the way of that one
}

// Recovery tells how far the recovery has come. It reads memory and does not
// block. Orders that nobody works on, because payment is disabled, are not
// counted: they are asked about when it is enabled again.
func (s *Service) Recovery() Recovery {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Recovery{Restore: s.restore, Recovering: s.restore.recovering()}
	if s.pay == nil || s.restore.At.IsZero() {
		return r
	}
	for _, e := range s.entries {
		if e.order == nil || e.place != placeActive || !s.restore.asksAbout(e.order) {
			continue
		}
		r.Left++
		if t := e.order.Trouble; t != nil && (t.Op == opQuery || t.Op == opRefundQuery || t.Op == "worker") {
			r.Example, r.Why = e.no, t.Op+": "+t.Kind+" "+t.Code
		}
	}
	return r
}

// Recovered ends the recovery: orders, prepays and refunds begin again, and until
// askUntil each new order_no is asked about first. The caller keeps that durably.
// Errors: ErrRecovering while there are orders to be asked about.
func (s *Service) Recovered(askUntil time.Time) error {
	if s.Recovery().Left > 0 {
		return ErrRecovering
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restore.AskUntil = askUntil
	s.planAll()
	return nil
}

// restored is the last restore.
func (s *Service) restored() Restore {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restore
}

// recalled has WeChat Pay asked about an order of before a restore, and waits for
// it, at most Settings.AnswerWithin: what a person decides must not rest on what a
// backup remembers. Errors: ErrRecovering when it is not known yet.
func (s *Service) recalled(ctx context.Context, no string) error {
	r := s.restored()
	if r.recovering() {
		return ErrRecovering
	}
	o, _, err := s.load(no)
	if err != nil || o == nil || !r.asksAbout(o) {
		return err
	}
	s.kick(no, true)
	start := s.now()
	o, err = s.await(ctx, no, func(o *Order) bool { return !r.asksAbout(o) || o.stuckSince(start) })
	switch {
	case err != nil:
		return err
	case r.asksAbout(o):
		return fmt.Errorf("%w: WeChat Pay has not answered for order %s", ErrRecovering, no)
	default:
		return nil
	}
}
