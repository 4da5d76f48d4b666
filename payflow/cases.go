package payflow

import (
	"context"
	"fmt"
	"slices"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// worker is the actor of what hisgate does by itself.
const worker = "hisgate"

// caseFacts is what a case is opened with.
type caseFacts struct {
	Detail        string
	TransactionID string
	Fen           int64
}

func (s *Service) loadCases(ctx context.Context) error {
	return s.engine.Scan([]byte(prefixCase), after(prefixCase), func(key, value []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := decodeCase(key, value)
		if err != nil {
			return err
		}
		s.cases[c.ID] = c
		return nil
	})
}

// Severity is how urgent a case of the reason is.
func (r CaseReason) Severity() Severity {
	switch r {
	case CaseHISMissing, CaseHISCancelled, CaseOverdue, CaseLockDoubt, CaseTwoOrders, CaseWrongPayment, CaseSecondPayment, CaseUnknownOrder, CaseRejectedPaid, CaseWorker:
		return P0
	case CaseConsoleRefund, CaseHISAmount:
		return P2
	default:
		return P1
	}
}

// openCasesMax: beyond it, further money of a kind is added to the case that is
// open for that kind.
const openCasesMax = 30

// openCase opens a case of the order, or adds to the open one of the same reason
// (and the same transaction).
func (u *unit) openCase(reason CaseReason, f caseFacts) {
	o := u.o
	u.changed = true
	for _, id := range o.OpenCases {
		c := u.openedCase(id)
		full := len(o.OpenCases) >= openCasesMax
		if c == nil || c.Reason != reason || c.TransactionID != f.TransactionID && !full {
			continue
		}
		c.Repeats++
		c.Detail = cut(f.Detail, detailMax)
		u.cases[id] = c
		return
	}
	o.CaseSeq++
	c := u.newCase(fmt.Sprintf("%s.%d", o.No, o.CaseSeq), reason, f)
	o.hasCase(c)
}

// hasCase notes an open case in the order.
func (o *Order) hasCase(c *Case) {
	o.OpenCases = append(o.OpenCases, c.ID)
	if o.CaseReasons == nil {
		o.CaseReasons = map[string]CaseReason{}
	}
	o.CaseReasons[c.ID] = c.Reason
}

// openLooseCase opens a case that has no order. Its id comes from WeChat's
// number, so a repeat finds it, open or closed.
func (u *unit) openLooseCase(id string, reason CaseReason, f caseFacts) error {
	known, err := u.s.findCase(id)
	if err != nil || known != nil {
		return err
	}
	u.newCase(id, reason, f)
	return nil
}

func (u *unit) newCase(id string, reason CaseReason, f caseFacts) *Case {
	s, now := u.s, u.s.now()
	severity := reason.Severity()
	c := &Case{
		ID: id, OrderNo: u.no, Reason: reason, Severity: severity, Detail: cut(f.Detail, detailMax),
		Owner: s.set.CaseOwner, Deadline: now.Add(s.set.caseDeadline(severity)),
		Open: true, OpenedAt: now, TransactionID: f.TransactionID, Fen: f.Fen,
	}
	u.cases[id] = c
	u.alert(u.caseAlert("case_opened", severity, c, string(reason)+" "+f.Detail))
	return c
}

// caseAlert is an alert about a case, with what a person must know to act.
func (u *unit) caseAlert(name string, severity Severity, c *Case, detail string) Alert {
	a := Alert{Name: name, Severity: severity, CaseID: c.ID, Detail: detail, Fen: c.Fen, Deadline: c.Deadline, Text: reasonText(c.Reason)}
	if a.Fen == 0 && u.o != nil && u.o.Payment != nil {
		a.Fen = u.o.Payment.TotalFen - u.o.RefundedFen
	}
	return a
}

// openedCase is this unit's copy of an open case; nil when it is not open.
func (u *unit) openedCase(id string) *Case {
	if c := u.cases[id]; c != nil {
		return c
	}
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	if c := u.s.cases[id]; c != nil {
		return c.clone()
	}
	return nil
}

func (u *unit) closeCase(c *Case, actor string, outcome Words) {
	c.Open, c.ClosedAt = false, u.s.now()
	c.Outcome, c.OutcomeZH = cut(outcome.EN, detailMax), cut(outcome.ZH, detailMax)
	if actor == worker {
		c.Audit = append(c.Audit, AuditEntry{At: c.ClosedAt, Actor: worker, Note: c.Outcome})
	}
	u.cases[c.ID] = c
	if u.o != nil {
		u.o.OpenCases = slices.DeleteFunc(u.o.OpenCases, func(id string) bool { return id == c.ID })
		delete(u.o.CaseReasons, c.ID)
		u.changed = true
	}
}

// tidyCases closes the cases that the order's progress has settled.
func (u *unit) tidyCases() error {
	for _, id := range slices.Clone(u.o.OpenCases) {
		c := u.openedCase(id)
		if c == nil {
			return fmt.Errorf("case %s of order %s is missing", id, u.no)
		}
		if !warranted(u.o, c, u.s.set) {
			u.closeCase(c, worker, Words{ZH: "订单已转为“" + u.o.State.ZH() + "”", EN: "the order went on to " + string(u.o.State)})
		}
	}
	return nil
}

// warranted tells whether an open case still says something. Disputed money is
// settled by persons only; the rest goes with the order's progress, but not
// before its proof obligation is met.
func warranted(o *Order, c *Case, set Settings) bool {
	switch c.Reason {
	case CaseWrongPayment, CaseSecondPayment, CaseUnknownOrder:
		return true
	case CaseBillMissing, CaseBillMismatch, CaseHISMissing, CaseHISCancelled, CaseHISUnmatched, CaseHISAmount:
		return true // a later run, or a person, ends it
	case CaseConsoleRefund:
		if o.State == Refunded && o.allBack() && o.PersonRefund == "" && len(o.Disputes) == 0 {
			return false // every fen of it is back
		}
		if !c.decided() || o.State == Refunding && o.elsewhereFlying() || o.State == Refunded && !o.allBack() {
			return true
		}
	case CaseWorker:
		return o.Trouble != nil && o.Trouble.Op == "worker"
	case CaseTwoOrders:
		return true
	case CaseLockDoubt:
		if o.State == Closed {
			return o.toRelease()
		}
	case CaseRefundAbnormal, CaseRefundRefused:
		i := o.openRefund()
		switch {
		case i >= 0 && o.Refunds[i].WrongFen != 0:
			return true
		case i >= 0 && o.State == Fulfilled:
			return o.Refunds[i].Status == RefundFailed || o.Refunds[i].Refused != ""
		case c.Reason == CaseRefundRefused && o.gaveUp() >= 0:
			return true
		}
	}
	if o.State == NeedsAttention {
		return c.Reason != CaseOverdue || o.ownCases() == 1
	}
	due, owed := obligation(o, set)
	return owed && !due.After(o.UpdatedAt) && (o.stands(c.Reason) || !o.hasStanding())
}

// sealCases turns the touched cases into writes.
func (u *unit) sealCases() error {
	for id, c := range u.cases {
		c.Version++
		data, err := encodeCase(c)
		if err != nil {
			return err
		}
		if c.Open {
			u.writes = append(u.writes, engine.Write{Key: keyCase(id), Value: data})
			continue
		}
		u.writes = append(u.writes,
			engine.Write{Key: keyCase(id), Delete: true},
			engine.Write{Key: keyOld(id), Value: data},
			engine.Write{Key: keyTime(prefixOldAt, c.ClosedAt, id)})
	}
	return nil
}

// showCases makes durable cases visible.
func (s *Service) showCases(cases map[string]*Case) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range cases {
		if c.Open {
			s.cases[id] = c.clone()
		} else {
			delete(s.cases, id)
		}
	}
}
