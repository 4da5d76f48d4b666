package payflow

import (
	"context"
	"slices"
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
	return readCase(s.engine, id)
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
	if v.settles() {
		if err := s.recalled(ctx, found.OrderNo); err != nil {
			return CaseAnswer{}, err
		}
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
		return CaseAnswer{Case: *dress(c, u.o), Next: a.Next}, nil
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
	return CaseAnswer{Case: *dress(c, u.o), Next: next}, nil
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
	if c.Reason.reconciled() || c.Reason == CaseUnknownOrder {
		verbs = append(verbs, VerbSettle)
	}
	if o == nil {
		if c.Reason.reconciled() {
			return verbs
		}
		return append(verbs, VerbMarkRefunded)
	}
	verbs = append(verbs, VerbRecheck)
	if c.disputed() {
		verbs = append(verbs, VerbMarkRefunded)
		if c.Reason != CaseConsoleRefund || o.State != NeedsAttention {
			return verbs
		}
	}
	if c.Reason == CaseLockDoubt && o.deductedUnpaid() {
		verbs = append(verbs, VerbSettle)
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
	if o.waitsForCancel() && c.Reason == CaseOverdue {
		verbs = append(verbs, VerbRefund) // without waiting for the HIS to cancel
	}
	if o.State == NeedsAttention {
		add(VerbRefund, evPersonRefund)
		add(VerbMarkFulfilled, evPersonFulfilled)
		add(VerbMarkRefunded, evPersonRefunded)
	}
	if o.State == Paid && (c.Reason == CaseOverdue || c.Reason == CaseWorker) {
		// hisgate goes on trying, and a person may end that, behind the fence.
		verbs = append(verbs, VerbRefund, VerbMarkFulfilled, VerbMarkRefunded)
	}
	if c.Reason == CaseTwoOrders {
		verbs = append(verbs, VerbMarkFulfilled)
	}
	if o.State == Fulfilled {
		i := o.openRefund()
		if i >= 0 && o.Refunds[i].NeverTaken {
			verbs = append(verbs, VerbRefund) // the same one again
		}
		if i >= 0 && noMoneyFlying(o) == "" || c.Reason == CaseRefundRefused && o.gaveUp() >= 0 {
			verbs = append(verbs, VerbMarkRefunded)
		}
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
func dress(c *Case, o *Order) *Case {
	d := c.clone()
	d.OrderState = stateOf(o)
	if o != nil && o.Payment != nil && d.TransactionID == "" {
		// Not about other money than the order's own.
		d.TransactionID, d.Fen = o.Payment.TransactionID, o.Payment.TotalFen
	}
	d.Allowed = allowed(c, o)
	d.Text = caseText(c, o)
	return d
}

// Claim makes the actor the owner. Errors of all verbs: *InvalidError,
// ErrNotFound, *EtagMismatchError, *RequestReusedError, *PreconditionError,
// ErrRecovering.
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

// Settle closes a case of reconciliation, of money that belongs to another system,
// or of a HIS order that nobody paid for, by a person's word: both sides were looked
// at, and what was to be done is done. The note says what, and is required. The order
// stays as it is; should money come for one that the HIS had deducted for, a person
// is asked again.
func (s *Service) Settle(ctx context.Context, r VerbRequest) (CaseAnswer, error) {
	if !plain(r.Note, noteMax) {
		return CaseAnswer{}, &InvalidError{Field: "note", Reason: "is required, at most 1000 characters"}
	}
	return s.verb(ctx, VerbSettle, r, "", func(u *unit, c *Case) (Words, error) {
		if c.Reason == CaseLockDoubt {
			u.o.Lock.Settled, u.o.Lock.Disowned, u.o.Trouble, u.o.Tries = true, true, nil, 0
		}
		u.closeCase(c, r.Actor, Words{ZH: r.Note, EN: r.Note})
		return wordsSettled(), nil
	})
}
