package payflow

import (
	"context"
	"fmt"
	"time"
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

// Refund is an operator's refund: of a FULFILLED order, in part or whole, saying
// so; or of one that NEEDS_ATTENTION, whole. It is durable when Refund returns,
// and sent after. Repeats of a request_id answer the order as it stands.
//
// Errors: *InvalidError, ErrNotFound, *AbortedError (PAID: the HIS is being
// asked), *RequestReusedError, *EtagMismatchError, *PreconditionError.
func (s *Service) Refund(ctx context.Context, r RefundRequest) (Order, error) {
	if err := r.validate(); err != nil {
		return Order{}, err
	}
	return s.change(ctx, r.OrderNo, func(u *unit) error {
		o := u.o
		if !o.visibleTo(r.Principal) {
			return ErrNotFound
		}
		print := digest("refund", r.Fen, r.Reason, r.Fulfilled)
		for _, q := range o.RefundRequests {
			if q.ID != r.RequestID {
				continue
			}
			if q.Digest != print {
				return &RequestReusedError{RequestID: r.RequestID}
			}
			return nil
		}
		if err := o.match(r.Etag); err != nil {
			return err
		}
		if err := u.operatorRefund(&r); err != nil {
			return err
		}
		u.o.RefundRequests = append(u.o.RefundRequests, RefundAsked{ID: r.RequestID, Digest: print})
		return nil
	})
}

func (r *RefundRequest) validate() error {
	switch {
	case r.Fen < 0:
		return &InvalidError{Field: "refund_fen", Reason: "must not be negative"}
	case !plain(r.Reason, reasonMax) || len(r.Reason) > reasonMax:
		return &InvalidError{Field: "reason", Reason: "must have 1 to 80 bytes"}
	case r.Actor == "":
		return &InvalidError{Field: "actor", Reason: "is required"}
	}
	return validRequestID(r.RequestID)
}

func (u *unit) operatorRefund(r *RefundRequest) error {
	o := u.o
	left := o.leftFen()
	part := r.Fen != 0 && r.Fen != left
	e := evPersonRefund
	if part {
		e = evPersonPart
	}
	if o.State == Fulfilled {
		switch {
		case !r.Fulfilled:
			return &PreconditionError{Reason: ReasonKnowingly, State: o.State, Detail: "the HIS order exists; say fulfilled to refund it all the same"}
		case o.openRefund() >= 0:
			return &PreconditionError{Reason: ReasonRefundInProgress, State: o.State}
		case r.Fen > left || left <= 0:
			return &PreconditionError{Reason: ReasonRefundTooMuch, State: o.State, Detail: fmt.Sprintf("%d fen are left", left)}
		case u.s.now().Sub(o.Payment.PaidAt) > refundReach:
			return &PreconditionError{Reason: ReasonNotPaid, State: o.State, Detail: "the payment is older than 365 days"}
		case len(o.Refunds) >= refundsAtMost:
			return &PreconditionError{Reason: ReasonRefundTooMuch, State: o.State, Detail: "too many refunds of one order"}
		case part && len(o.Refunds) > 0 && u.s.now().Sub(o.Refunds[len(o.Refunds)-1].StoredAt) < time.Minute:
			return &PreconditionError{Reason: ReasonRefundInProgress, State: o.State, Detail: "refunds of one order must be one minute apart"}
		}
	}
	was := o.State
	if _, err := u.fire(e, r.Actor, r.Reason); err != nil {
		return err
	}
	if part {
		u.storeRefund(RefundRecord{Fen: r.Fen, Reason: r.Reason, By: r.Actor})
		return nil
	}
	u.wantRefund(r.Reason, was == Fulfilled)
	return nil
}

// wantRefund notes a person's decision to give everything back. The fence comes
// first, save for an order that was fulfilled and is refunded knowingly [D1].
func (u *unit) wantRefund(reason string, knowingly bool) {
	o := u.o
	o.RefundWantedAt, o.RefundReason, o.RefundByPerson = u.s.now(), reason, true
	o.WasFulfilled = o.WasFulfilled || knowingly
	o.Lock.Settled = false
	u.resend()
}

// resend lets a refund that WeChat refused be sent again, with the same number.
func (u *unit) resend() {
	if i := u.o.openRefund(); i >= 0 && u.o.Refunds[i].Status == RefundSent {
		r := &u.o.Refunds[i]
		r.Refused, r.AskNow, r.NextAt, r.Tries = "", false, u.s.now(), 0
	}
	u.changed = true
}

// Check compares items with the stock without holding anything. Lines that could
// not be checked are UNCHECKED, and then the order is not payable. Works with
// payment disabled too (without an order_no). Errors: *InvalidError, ErrNotFound.
func (s *Service) Check(ctx context.Context, r CheckRequest) (CheckAnswer, error) {
	items, pharmacy := r.Items, r.PharmacyID
	if r.OrderNo != "" && s.pay != nil {
		o, _, err := s.load(r.OrderNo)
		if err != nil {
			return CheckAnswer{}, err
		}
		switch {
		case o == nil && pharmacy != "" && len(items) > 0:
			// not an order of ours: perhaps a lock without one, perhaps yet to come
		case !o.visibleTo(r.Principal):
			return CheckAnswer{}, ErrNotFound
		case pharmacy != "" && pharmacy != o.PharmacyID:
			return CheckAnswer{}, &InvalidError{Field: "pharmacy_id", Reason: "is not the order's"}
		default:
			pharmacy = o.PharmacyID
			if len(items) == 0 {
				items = o.Items
			}
		}
	}
	if !plain(pharmacy, idMax) {
		return CheckAnswer{}, &InvalidError{Field: "pharmacy_id", Reason: "must have 1 to 128 characters"}
	}
	items, err := mergeItems(items)
	if err != nil {
		return CheckAnswer{}, err
	}
	var lines []StockLine
	err = s.outside(ctx, opCheck, s.set.HISTimeout, func(ctx context.Context) (err error) {
		lines, err = s.locks.Check(ctx, CheckStock{OrderNo: r.OrderNo, PharmacyID: pharmacy, Items: items, Live: r.Live})
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return CheckAnswer{}, ctx.Err()
		}
		s.log.Warn("check", "order_no", r.OrderNo, "outcome", outcomeOf(err), "error", err)
		lines = nil
	}
	return checkAnswer(items, lines), nil
}

func checkAnswer(items []Item, lines []StockLine) CheckAnswer {
	byDrug := make(map[string]StockLine, len(lines))
	for _, l := range lines {
		byDrug[l.DrugID] = l
	}
	fen, _ := hisPrices(items, byDrug)
	a := CheckAnswer{Payable: true}
	for i, it := range items {
		l := byDrug[it.DrugID]
		line := CheckLine{
			DrugID: it.DrugID, Result: resultOf(it, l), Requested: it.Quantity, Available: l.Available,
			Multiple: l.Multiple, Price: l.Price, PricePer: l.PricePer, LineFen: max(fen[i], 0), Stale: l.Stale, AsOf: l.AsOf,
		}
		if line.Result == CheckOK && it.LineFen > 0 && fen[i] >= 0 && fen[i] != it.LineFen {
			line.Result = CheckPriceChanged
		}
		if l.Checked && (a.AsOf.IsZero() || l.AsOf.Before(a.AsOf)) {
			a.AsOf = l.AsOf
		}
		a.Stale = a.Stale || l.Stale
		a.Payable = a.Payable && line.Result == CheckOK
		a.Lines = append(a.Lines, line)
	}
	return a
}

// Watch calls fn with the order now and after each change, one at a time; changes
// that come together are one. It blocks until ctx ends (its error) or fn returns
// an error (that one). Errors: ErrNotFound, ErrBusy.
func (s *Service) Watch(ctx context.Context, principal, orderNo string, fn func(Order) error) error {
	if err := s.alive(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.watchers >= s.set.MaxWatchers {
		s.mu.Unlock()
		return ErrBusy
	}
	s.watchers++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.watchers--
		s.mu.Unlock()
	}()
	b, stop := s.listen(orderNo)
	defer stop()
	for seen := int64(0); ; {
		o, err := s.Get(ctx, principal, orderNo)
		if err != nil {
			return err
		}
		if o.Version > seen {
			seen = o.Version
			if err := fn(o); err != nil {
				return err
			}
		}
		select {
		case <-b.rung:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.dead:
			return ErrStopped
		}
	}
}

// LockOwner answers the gateway about a lock whose expire_time has come [B6]. A
// lock is kept as long as its order may need it, and given back only when the
// order is durably over. It reads memory, or the store for an ended order, and
// asks nobody.
func (s *Service) LockOwner(orderNo string, attempt int) LockVerdict {
	now := s.now()
	o, _, err := s.load(orderNo)
	if err != nil {
		s.log.Error("lock owner", "order_no", orderNo, "error", err)
		return LockVerdict{Known: true, KeepUntil: now.Add(time.Minute)}
	}
	if o == nil {
		return LockVerdict{}
	}
	keep := func(t time.Time) LockVerdict {
		return LockVerdict{Known: true, KeepUntil: later(t, now.Add(time.Minute))}
	}
	switch o.State {
	case Closed, Rejected, Refunded:
		return LockVerdict{Known: true, Release: true}
	case Refunding:
		if o.WasFulfilled {
			return keep(now)
		}
		return LockVerdict{Known: true, Release: true}
	case NeedsAttention, Paid:
		return keep(now.Add(10 * time.Minute))
	case Fulfilled:
		if o.ByHand || attempt < o.Lock.Attempt {
			return LockVerdict{Known: true, Release: true}
		}
		return keep(now.Add(10 * time.Minute))
	default:
		return keep(o.PayDeadline.Add(time.Minute))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
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
