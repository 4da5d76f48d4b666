package payflow

import (
	"context"
	"unicode/utf8"
)

// Get returns the order as it is durable, with a freshly signed payment where
// one is to be made. principal "" sees every order. Errors: ErrNotFound, also for
// a stranger.
func (s *Service) Get(_ context.Context, principal, orderNo string) (Order, error) {
	if s.pay == nil {
		return Order{}, ErrDisabled
	}
	o, _, err := s.load(orderNo)
	if err != nil {
		return Order{}, err
	}
	if !o.visibleTo(principal) {
		return Order{}, ErrNotFound
	}
	return s.signed(o.clone())
}

// Sync asks WeChat about the order now ("the mini-program says: paid") and
// returns what is known then; at most once a second an order is really asked
// about. It waits at most Settings.AnswerWithin. Errors: ErrNotFound.
func (s *Service) Sync(ctx context.Context, principal, orderNo string) (Order, error) {
	o, err := s.Get(ctx, principal, orderNo)
	if err != nil {
		return Order{}, err
	}
	if err := s.alive(); err != nil {
		return Order{}, err
	}
	if !o.askable() || !s.kick(orderNo, true) {
		return o, nil
	}
	before := o.Version
	p, err := s.await(ctx, orderNo, func(o *Order) bool { return o.Version > before || !s.asking(orderNo) })
	if err != nil {
		return Order{}, err
	}
	return s.signed(p)
}

// match compares the etag that a caller saw. Errors: *EtagMismatchError.
func (o *Order) match(seen string) error {
	if seen != "" && seen != o.Etag() {
		return &EtagMismatchError{Current: o.Etag()}
	}
	return nil
}

// askable tells whether WeChat may know of a payment that we do not. Refunds are
// followed at WeChat's own pace.
func (o *Order) askable() bool {
	switch o.State {
	case AwaitingPayment, Closing, Closed:
		return o.Prepay != nil
	default:
		return false
	}
}

// asking tells whether the worker has not yet come to the question.
func (s *Service) asking(no string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[no]
	return e != nil && (e.ask || e.running)
}

// Cancel ends an unpaid order: it is closed at WeChat first and its stock is
// released after. Money that comes all the same goes back [D5]. A cancelled,
// closed or rejected order stays as it is. It waits, at most
// Settings.AnswerWithin, for the close.
//
// Errors: ErrNotFound; *AbortedError (just paid, the HIS is being asked);
// *PreconditionError ALREADY_PAID; *EtagMismatchError.
func (s *Service) Cancel(ctx context.Context, r CancelRequest) (Order, error) {
	if _, err := s.change(ctx, r.OrderNo, func(u *unit) error {
		if !u.o.visibleTo(r.Principal) {
			return ErrNotFound
		}
		if err := u.o.match(r.Etag); err != nil && !u.o.Cancelled { // a repeat is fine
			return err
		}
		if _, err := u.fire(evCancel, r.Principal, ""); err != nil {
			return err
		}
		if !u.o.Cancelled && u.o.State != Rejected {
			u.o.Cancelled = true
			if u.o.State == Closing {
				u.o.EndReason = ReasonCancelled
			}
			u.said("CANCELLED", "")
		}
		return nil
	}); err != nil {
		return Order{}, err
	}
	o, err := s.await(ctx, r.OrderNo, func(o *Order) bool { return o.State != Closing || o.Trouble != nil })
	if err != nil {
		return Order{}, err
	}
	return *o, nil
}

// maskID hides a person's identifier but for its ends.
func maskID(id string) string {
	if id == "" {
		return ""
	}
	if utf8.RuneCountInString(id) < 10 {
		return "***"
	}
	r := []rune(id)
	return string(r[:3]) + "***" + string(r[len(r)-2:])
}
