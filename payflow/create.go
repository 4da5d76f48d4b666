package payflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

// Create begins an order, or joins the one of an identical earlier request. It
// waits, at most Settings.AnswerWithin, until the order is where its strategy
// has it wait: with the payment ready (RESERVE, VERIFY, REFUND) or with the stock
// held (HOLD).
//
// Errors: *InvalidError, *FieldError, ErrPricingNotAllowed, ErrBusy,
// ErrRecovering, ErrDiskReserve (nothing stored); *OrderNoReusedError; *ShortError, *PriceChangedError,
// *PreconditionError (the order is REJECTED or closed, a repeat answers the same);
// *NotYetError (the order is stored and goes on by itself; repeat to join it).
func (s *Service) Create(ctx context.Context, r CreateRequest) (Order, error) {
	if err := s.alive(); err != nil {
		return Order{}, err
	}
	items, err := r.validate(s.set)
	if err != nil {
		return Order{}, err
	}
	print := fingerprint(&r, items)
	start := s.now()
	stored, err := s.change(ctx, r.OrderNo, func(u *unit) error {
		if o := u.o; o != nil {
			if o.Fingerprint != print || o.Principal != r.Principal {
				return &OrderNoReusedError{OrderNo: r.OrderNo}
			}
			return nil // a repeat joins
		}
		if s.restored().recovering() {
			return ErrRecovering
		}
		if s.activeOrders() >= s.set.MaxActive {
			return ErrBusy
		}
		if free, err := s.engine.Free(); err != nil || free < s.set.DiskReserve {
			return ErrDiskReserve
		}
		return u.newOrder(&r, items, print)
	})
	if err != nil {
		return Order{}, err
	}
	if stored.Version > 1 && !stored.prepared(stored.Strategy != Hold) {
		s.kick(r.OrderNo, true)
	}
	o, err := s.await(ctx, r.OrderNo, func(o *Order) bool { return o.prepared(o.Strategy != Hold) || o.stuckSince(start) })
	if err != nil {
		return Order{}, err
	}
	return s.answerPrepared(o)
}

func (u *unit) newOrder(r *CreateRequest, items []Item, print string) error {
	now := u.s.now()
	o := &Order{
		No: r.OrderNo, Principal: r.Principal, Strategy: r.Strategy, PharmacyID: r.PharmacyID,
		Items: items, Amount: r.Amount, Given: r.given(), Terms: clonePtr(r.Payment),
		Attributes: maps.Clone(r.Attributes), State: Created, Fingerprint: print,
		PayDeadline: wholeSecond(now.Add(u.s.set.window(r.Strategy))),
	}
	if o.Terms != nil {
		if err := u.s.tryTerms(o, *o.Terms); err != nil {
			return err
		}
	}
	if r := u.s.restored(); r.knows(now) {
		o.RecalledFor = r.At
	}
	u.o = o
	u.note(HistoryEntry{To: Created, Event: "CREATE", Actor: r.Principal, Detail: string(r.Strategy)})
	return nil
}

// tryTerms builds the prepay once, to find what WeChat would not take before
// anything is stored. Errors: *FieldError.
func (s *Service) tryTerms(o *Order, t PaymentTerms) error {
	p := prepayIntent(o, t)
	p.TotalFen = max(p.TotalFen, 1)
	_, err := s.pay.BuildPrepay(p)
	return err
}

// prepared tells whether the order has got where Create or Prepay bring it: to a
// payment, or (paying false) to a held stock; or past both.
func (o *Order) prepared(paying bool) bool {
	switch o.State {
	case Created:
		return false
	case Locked:
		return !paying && !o.PrepayWanted
	case AwaitingPayment:
		return !o.Prepay.AnsweredAt.IsZero()
	default:
		return true
	}
}

// stuckSince tells whether a step did not succeed since start: no use in waiting.
func (o *Order) stuckSince(start time.Time) bool {
	return o.Trouble != nil && !o.Trouble.LastAt.Before(start)
}

// answerPrepared turns an order into what Create and Prepay answer.
func (s *Service) answerPrepared(o *Order) (Order, error) {
	switch o.State {
	case Created:
		return Order{}, &NotYetError{Order: *o, Cause: o.Trouble.cause()}
	case Rejected:
		return Order{}, o.Rejection.asError(o.State)
	case Closing, Closed:
		switch {
		case o.endedBy(o.Rejection):
			return Order{}, o.Rejection.asError(o.State)
		case o.EndReason == ReasonPrepayRefused || o.EndReason == ReasonFreezeTooShort ||
			o.EndReason == ReasonLockLost || o.EndReason == ReasonTooLate || o.EndReason == ReasonNotPayable:
			return Order{}, &PreconditionError{Reason: o.EndReason, State: o.State}
		}
	}
	return s.signed(o)
}

// endedBy tells whether the rejection is why the order is over; a HOLD order may
// have been blocked once and have ended otherwise.
func (o *Order) endedBy(r *Rejection) bool { return r != nil && o.EndReason == r.Reason }

// cause is the port error that a trouble stands for.
func (t *Trouble) cause() error {
	switch {
	case t == nil:
		return ErrPending
	case t.Kind == kindUnavailable:
		return ErrUnavailable
	case t.Kind == kindMisconfigured:
		return ErrMisconfigured
	default:
		return ErrPending
	}
}

// signed fills in what the client needs to pay, signed afresh (§7.12).
func (s *Service) signed(o *Order) (Order, error) {
	if o.Next() != NextPay || o.Prepay.PrepayID == "" || !s.now().Before(o.PayDeadline) {
		return *o, nil
	}
	if m := o.Terms.Method; m != JSAPI && m != App {
		return *o, nil
	}
	invoke, err := s.pay.Invoke(o.Terms.Method, o.Terms.AppID, o.Prepay.PrepayID)
	if err != nil {
		return Order{}, err
	}
	o.Invoke = invoke
	return *o, nil
}

func (s *Service) activeOrders() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

// Prepay makes the payment of an order ready. A HOLD order is checked live once
// more; when short it is blocked and stays LOCKED. For an order that has its
// payment already it answers that, signed afresh. Waits at most
// Settings.AnswerWithin.
//
// Errors: ErrNotFound; ErrRecovering; *InvalidError, *FieldError; *PreconditionError
// (OTHER_PAYER, PAYMENT_MISSING, TOO_LATE, NOT_PAYABLE, or why it closed); *EtagMismatchError; *ShortError,
// *PriceChangedError (HOLD, still LOCKED); ErrUnavailable, ErrMisconfigured (HOLD:
// the live check could not be made; try again); *NotYetError.
func (s *Service) Prepay(ctx context.Context, r PrepayRequest) (Order, error) {
	if s.restored().recovering() {
		return Order{}, ErrRecovering
	}
	start := s.now()
	stored, err := s.change(ctx, r.OrderNo, func(u *unit) error { return u.wantPrepay(&r) })
	if err != nil {
		return Order{}, err
	}
	if !stored.prepared(true) {
		s.kick(r.OrderNo, true)
	}
	o, err := s.await(ctx, r.OrderNo, func(o *Order) bool {
		return o.prepared(true) || o.stuckSince(start) || o.State == Locked && o.Strategy == Hold && !o.PrepayWanted
	})
	if err != nil {
		return Order{}, err
	}
	if o.State == Locked && o.Strategy == Hold && !o.PrepayWanted {
		switch {
		case o.Rejection != nil:
			return Order{}, o.Rejection.asError(o.State)
		case o.Trouble != nil:
			return Order{}, o.Trouble.cause()
		}
	}
	if o.State == Locked {
		return Order{}, &NotYetError{Order: *o, Cause: o.Trouble.cause()}
	}
	return s.answerPrepared(o)
}

func (u *unit) wantPrepay(r *PrepayRequest) error {
	o := u.o
	if !o.visibleTo(r.Principal) {
		return ErrNotFound
	}
	if err := o.match(r.Etag); err != nil {
		return err
	}
	if r.Payment != nil {
		if err := r.Payment.validate(u.s.set); err != nil {
			return err
		}
		if o.Terms != nil && !o.Terms.samePayer(*r.Payment) {
			return &PreconditionError{Reason: ReasonOtherPayer, State: o.State}
		}
	}
	switch o.State {
	case Created, AwaitingPayment:
		return nil
	case Locked:
	case Closing, Closed:
		return &PreconditionError{Reason: cmp.Or(o.EndReason, ReasonNotPayable), State: o.State}
	default:
		return &PreconditionError{Reason: ReasonNotPayable, State: o.State}
	}
	if o.Strategy != Hold || o.PrepayWanted {
		return nil
	}
	if u.s.now().Add(u.s.set.LeastToPay).After(o.PayDeadline) {
		return &PreconditionError{Reason: ReasonTooLate, State: o.State, Detail: fmt.Sprintf("less than %v is left to pay", u.s.set.LeastToPay)}
	}
	terms := o.Terms
	if terms == nil {
		terms = r.Payment
	}
	if terms == nil {
		return &PreconditionError{Reason: ReasonPaymentMissing, State: o.State}
	}
	if err := u.s.tryTerms(o, *terms); err != nil {
		return err
	}
	o.Terms, o.PrepayWanted, o.Rejection = clonePtr(terms), true, nil
	o.NextAt, o.Tries, o.Trouble = u.s.now(), 0, nil
	u.said("PREPAY_WANTED", string(terms.Method))
	return nil
}

// visibleTo tells whether the caller may know of the order: its own, or any for
// operators (principal "").
func (o *Order) visibleTo(principal string) bool {
	return o != nil && (principal == "" || o.Principal == principal)
}

// asType is errors.As for pointer types, with the zero value when it is not.
func asType[T error](err error) (T, bool) {
	var t T
	ok := errors.As(err, &t)
	return t, ok
}
