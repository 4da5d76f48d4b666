package payflow

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// auditMax bounds a case's trail; the verbs that settle it are always taken.
const auditMax = 300

// findCase returns a copy of a case, open or closed; nil when there is none.
func (s *Service) findCase(id string) (*Case, error) {
	s.mu.Lock()
	c := s.cases[id]
	s.mu.Unlock()
	if c != nil {
		return c.clone(), nil
	}
	for _, key := range [][]byte{keyOld(id), keyCase(id)} { // it may be closing just now
		data, err := s.engine.Get(key)
		switch {
		case err == nil:
			return decodeCase(key, data)
		case !errors.Is(err, engine.ErrNotFound):
			return nil, err
		}
	}
	return nil, nil
}

// verb runs one verb on a case: etag, request_id and permission first, then do,
// then the audit entry, all in one durable step. do returns what happens next.
func (s *Service) verb(ctx context.Context, v Verb, r VerbRequest, print string, do func(*unit, *Case) (Words, error)) (CaseAnswer, error) {
	if err := r.validate(); err != nil {
		return CaseAnswer{}, err
	}
	if err := s.alive(); err != nil {
		return CaseAnswer{}, err
	}
	found, err := s.findCase(r.CaseID)
	if err != nil {
		return CaseAnswer{}, err
	}
	if found == nil {
		return CaseAnswer{}, ErrNotFound
	}
	unlock, err := s.keys.lock(ctx, found.OrderNo)
	if err != nil {
		return CaseAnswer{}, err
	}
	defer unlock()
	c, err := s.findCase(r.CaseID) // under the order's key now
	if err != nil {
		return CaseAnswer{}, err
	}
	if c == nil {
		return CaseAnswer{}, ErrNotFound
	}
	u, err := s.begin(c.OrderNo)
	if err != nil {
		return CaseAnswer{}, err
	}
	defer u.release()
	print = digest(v, r.CaseID, r.Note, print)
	for _, a := range c.Audit {
		if a.RequestID != r.RequestID {
			continue
		}
		if a.Digest != print {
			return CaseAnswer{}, &RequestReusedError{RequestID: r.RequestID}
		}
		return CaseAnswer{Case: *s.dress(c, u.o), Next: a.Next}, nil
	}
	if r.Etag != c.Etag() {
		return CaseAnswer{}, &EtagMismatchError{Current: c.Etag()}
	}
	if !slices.Contains(allowed(c, u.o), v) || len(c.Audit) >= auditMax && !v.settles() {
		return CaseAnswer{}, &PreconditionError{Reason: ReasonVerbNotAllowed, State: stateOf(u.o), Detail: string(v)}
	}
	u.cases[c.ID] = c
	next, err := do(u, c)
	if err != nil {
		return CaseAnswer{}, err
	}
	c.Audit = append(c.Audit, AuditEntry{
		At: s.now(), Actor: r.Actor, Verb: v, RequestID: r.RequestID, Digest: print, Note: r.Note, Next: next,
	})
	if u.o != nil {
		u.note(HistoryEntry{Event: "CASE_" + string(v), Actor: r.Actor, Detail: c.ID})
	}
	if err := u.commit(); err != nil {
		return CaseAnswer{}, err
	}
	s.log.Info("case", "case", c.ID, "order_no", c.OrderNo, "verb", v, "actor", r.Actor)
	return CaseAnswer{Case: *s.dress(c, u.o), Next: next}, nil
}

func (v Verb) settles() bool { return v != VerbClaim && v != VerbHandOver && v != VerbRecheck }

func (r *VerbRequest) validate() error {
	switch {
	case r.CaseID == "":
		return &InvalidError{Field: "case_id", Reason: "is required"}
	case r.Etag == "":
		return &InvalidError{Field: "etag", Reason: "is required"}
	case !plain(r.Actor, idMax):
		return &InvalidError{Field: "actor", Reason: "is required"}
	case r.Note != "" && len([]rune(r.Note)) > noteMax:
		return &InvalidError{Field: "note", Reason: "must have at most 1000 characters"}
	}
	return validRequestID(r.RequestID)
}

func stateOf(o *Order) State {
	if o == nil {
		return ""
	}
	return o.State
}

// allowed is what a person may do with a case, as its order stands.
func allowed(c *Case, o *Order) []Verb {
	if !c.Open {
		return nil
	}
	verbs := []Verb{VerbClaim, VerbHandOver}
	if o == nil {
		return append(verbs, VerbMarkRefunded)
	}
	verbs = append(verbs, VerbRecheck)
	if c.disputed() {
		verbs = append(verbs, VerbMarkRefunded)
		if c.Reason != CaseConsoleRefund || o.State != NeedsAttention {
			return verbs
		}
	}
	add := func(v Verb, e event) {
		t := next(o.State, e)
		if t.kind == move && (t.guard == nil || t.guard(o) == "") && !slices.Contains(verbs, v) {
			verbs = append(verbs, v)
		}
	}
	if o.State == NeedsAttention || o.State == Refunding {
		add(VerbRetry, evRetry)
	}
	if o.State == NeedsAttention {
		add(VerbRefund, evPersonRefund)
		add(VerbMarkFulfilled, evPersonFulfilled)
		add(VerbMarkRefunded, evPersonRefunded)
	}
	if c.Reason == CaseTwoOrders {
		verbs = append(verbs, VerbMarkFulfilled)
	}
	if o.State == Fulfilled && o.openRefund() >= 0 && noMoneyFlying(o) == "" {
		verbs = append(verbs, VerbMarkRefunded)
	}
	return verbs
}

// disputed tells whether the case is about money that is not the order's payment
// or went back elsewhere; only a person's evidence ends it.
func (c *Case) disputed() bool {
	switch c.Reason {
	case CaseWrongPayment, CaseSecondPayment, CaseUnknownOrder, CaseConsoleRefund:
		return true
	default:
		return false
	}
}

// decided tells whether a person has said what happens with the case's order.
func (c *Case) decided() bool {
	return slices.ContainsFunc(c.Audit, func(a AuditEntry) bool {
		return a.Verb == VerbRetry || a.Verb == VerbRefund || a.Verb == VerbMarkFulfilled
	})
}

// dress fills in what answers carry beside the record.
func (s *Service) dress(c *Case, o *Order) *Case {
	d := c.clone()
	d.OrderState = stateOf(o)
	d.Allowed = allowed(c, o)
	d.Text = caseText(c, o)
	return d
}

// Claim makes the actor the owner. Errors of all verbs: *InvalidError,
// ErrNotFound, *EtagMismatchError, *RequestReusedError, *PreconditionError.
func (s *Service) Claim(ctx context.Context, r VerbRequest) (CaseAnswer, error) {
	return s.verb(ctx, VerbClaim, r, "", func(_ *unit, c *Case) (Words, error) {
		c.Owner = r.Actor
		return wordsClaimed(c), nil
	})
}

// HandOver gives the case to someone else.
func (s *Service) HandOver(ctx context.Context, r HandOverRequest) (CaseAnswer, error) {
	if !plain(r.To, idMax) {
		return CaseAnswer{}, &InvalidError{Field: "to", Reason: "must have 1 to 128 characters"}
	}
	return s.verb(ctx, VerbHandOver, r.VerbRequest, r.To, func(_ *unit, c *Case) (Words, error) {
		c.Owner = r.To
		return wordsClaimed(c), nil
	})
}

// Recheck asks WeChat and the HIS now and believes what is verified: an order
// that turns out paid, fulfilled or refunded goes there. It blocks for both.
func (s *Service) Recheck(ctx context.Context, r VerbRequest) (CaseAnswer, error) {
	return s.verb(ctx, VerbRecheck, r, "", func(u *unit, _ *Case) (Words, error) { return u.recheck(ctx) })
}

func (u *unit) recheck(ctx context.Context) (Words, error) {
	wechat, his := "", ""
	tx, err := u.askTransaction(ctx)
	switch {
	case err == nil:
		wechat = fmt.Sprintf("%s %d fen", tx.State, tx.TotalFen)
		if tx.paid() {
			if err := u.applyPaid(tx, "query"); err != nil {
				return Words{}, err
			}
		}
	case refusedWith(err, codeNotExist):
		wechat = codeNotExist
	default:
		wechat = outcomeOf(err)
	}
	if i := u.o.openRefund(); i >= 0 && u.o.Refunds[i].Status != RefundStored {
		if err := u.stepAskRefund(ctx, i); err != nil {
			return Words{}, err
		}
		wechat += ", refund " + string(u.o.Refunds[i].Status)
	}
	var lk Lock
	err = u.s.outside(ctx, opLock, u.s.set.HISTimeout, func(ctx context.Context) (err error) {
		lk, err = u.s.locks.Get(ctx, u.no)
		return err
	})
	switch {
	case err != nil:
		his = outcomeOf(err)
	case lk.Cancelled:
		his = "CANCELLED " + lk.HisOrderNo
	case lk.Confirmed:
		his = "DEDUCTED " + lk.HisOrderNo
		if u.o.State == NeedsAttention && !u.o.WasFulfilled && noMoneyOut(u.o) == "" {
			if err := u.fulfilled(lk); err != nil {
				return Words{}, err
			}
		}
	case lk.Released:
		his = "RELEASED"
	case lk.Held:
		his = "HELD"
	default:
		his = "UNKNOWN"
	}
	u.said("RECHECKED", "WeChat: "+wechat+"; HIS: "+his)
	return wordsRechecked(u.o, wechat, his), nil
}

// RetryFulfilment sends the order back to the HIS; not once a refund was sent
// and is not verified CLOSED (§7.6).
func (s *Service) RetryFulfilment(ctx context.Context, r VerbRequest) (CaseAnswer, error) {
	return s.verb(ctx, VerbRetry, r, "", func(u *unit, _ *Case) (Words, error) {
		o := u.o
		if _, err := u.fire(evRetry, r.Actor, r.CaseID); err != nil {
			return Words{}, err
		}
		u.withdraw()
		o.Gone, o.RefundByPerson, o.RefundReason = nil, false, ""
		return wordsRetry(), nil
	})
}

// withdraw ends a refund that was written down and never sent.
func (u *unit) withdraw() {
	for i := range u.o.Refunds {
		if r := &u.o.Refunds[i]; r.Status == RefundStored {
			r.Status, r.EndedAt, r.Evidence = RefundEnded, u.s.now(), "never sent"
		}
	}
}

// RefundCase decides for the money: it goes back once the lock is settled.
func (s *Service) RefundCase(ctx context.Context, r RefundCaseRequest) (CaseAnswer, error) {
	if r.Reason == "" {
		r.Reason = textRefundPerson
	}
	if !plain(r.Reason, reasonMax) || len(r.Reason) > reasonMax {
		return CaseAnswer{}, &InvalidError{Field: "reason", Reason: "must have at most 80 bytes"}
	}
	return s.verb(ctx, VerbRefund, r.VerbRequest, r.Reason, func(u *unit, _ *Case) (Words, error) {
		if _, err := u.fire(evPersonRefund, r.Actor, r.CaseID); err != nil {
			return Words{}, err
		}
		u.wantRefund(r.Reason, false)
		return wordsRefund(), nil
	})
}

// MarkFulfilled says that the HIS order exists, or the drugs were given out by
// another way; refused once a refund was sent and is not verified CLOSED. The
// order's own lock is given back after; should the HIS have deducted for it under
// another number, a case says so.
func (s *Service) MarkFulfilled(ctx context.Context, r MarkFulfilledRequest) (CaseAnswer, error) {
	if !plain(r.HisOrderNo, idMax) {
		return CaseAnswer{}, &InvalidError{Field: "his_order_no", Reason: "is required, at most 128 characters"}
	}
	return s.verb(ctx, VerbMarkFulfilled, r.VerbRequest, r.HisOrderNo, func(u *unit, c *Case) (Words, error) {
		o := u.o
		if c.Reason == CaseTwoOrders {
			o.HisOrderNo = r.HisOrderNo
			u.closeCase(c, r.Actor, "HIS order "+r.HisOrderNo+" stands")
			return wordsMarkedFulfilled(), nil
		}
		if _, err := u.fire(evPersonFulfilled, r.Actor, "HIS order "+r.HisOrderNo); err != nil {
			return Words{}, err
		}
		u.withdraw()
		o.HisOrderNo, o.FulfilledAt, o.Gone = r.HisOrderNo, u.s.now(), nil
		o.ByHand, o.Lock.Settled = true, false // its own lock is given back
		return wordsMarkedFulfilled(), nil
	})
}

// MarkRefunded says, with evidence, that the case's money went back by another
// way. For the order's own payment the fence is asked first: not while the HIS
// could still apply the lock [D1]. Blocks for the HIS then.
func (s *Service) MarkRefunded(ctx context.Context, r MarkRefundedRequest) (CaseAnswer, error) {
	if !plain(r.Evidence, noteMax) {
		return CaseAnswer{}, &InvalidError{Field: "evidence", Reason: "is required, at most 1000 characters"}
	}
	return s.verb(ctx, VerbMarkRefunded, r.VerbRequest, r.Evidence, func(u *unit, c *Case) (Words, error) {
		return u.markRefunded(ctx, c, &r)
	})
}

func (u *unit) markRefunded(ctx context.Context, c *Case, r *MarkRefundedRequest) (Words, error) {
	o := u.o
	own := o != nil && o.State == NeedsAttention &&
		(!c.disputed() || c.Reason == CaseConsoleRefund && o.Payment != nil && o.Payment.TransactionID == c.TransactionID)
	if !own {
		if o != nil {
			if d := u.disputed(c.TransactionID); d != nil {
				d.Settled = true
				o.NextAt = u.s.now() // an order that it kept from closing can close
			}
			if i := o.openRefund(); i >= 0 && !c.disputed() {
				if reason := noMoneyFlying(o); reason != "" {
					return Words{}, &PreconditionError{Reason: reason, State: o.State}
				}
				if err := u.refundDone(i, r.Evidence); err != nil {
					return Words{}, err
				}
			}
		}
		if c.Open {
			u.closeCase(c, r.Actor, "went back: "+r.Evidence)
		}
		return wordsMarkedRefunded(), nil
	}
	if reason := noMoneyFlying(o); reason != "" {
		return Words{}, &PreconditionError{Reason: reason, State: o.State}
	}
	if !o.WasFulfilled {
		if _, err := u.settle(ctx); err != nil || !o.Lock.Settled {
			return Words{}, &PreconditionError{Reason: ReasonLockUnsettled, State: o.State, Detail: outcomeOf(err)}
		}
	}
	if _, err := u.fire(evPersonRefunded, r.Actor, r.Evidence); err != nil {
		return Words{}, err
	}
	for i := range o.Refunds {
		if q := &o.Refunds[i]; q.open() {
			q.Status, q.EndedAt, q.Evidence = RefundEnded, u.s.now(), r.Evidence
		}
	}
	o.PersonRefund, o.RefundedFen = r.Evidence, o.Payment.TotalFen
	if c.Open {
		u.closeCase(c, r.Actor, "went back: "+r.Evidence)
	}
	return wordsMarkedRefunded(), nil
}
