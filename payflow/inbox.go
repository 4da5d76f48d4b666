package payflow

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/lockstore/engine"
)

// letter is a verified notice of WeChat, durable under its own key until its
// order has taken it [D3].
type letter struct {
	Format  int           `json:"v"`
	Payment *Transaction  `json:"payment,omitempty"`
	Refund  *RefundAnswer `json:"refund,omitempty"`
	At      time.Time     `json:"at"`

	seq    uint64
	ticket engine.Ticket
}

// inboxState counts the letters that wait, and knows them by content, so that
// fifty copies of one notice are one letter. Under Service.mu.
type inboxState struct {
	next    uint64
	waiting map[string]*letter
}

// newInbox numbers letters above those of all earlier openings.
func newInbox(epoch uint64) inboxState {
	return inboxState{next: epoch << 32, waiting: map[string]*letter{}}
}

func (l *letter) orderNo() string {
	if l.Payment != nil {
		return l.Payment.OrderNo
	}
	return l.Refund.OrderNo
}

// identity is equal for letters that say the same.
func (l *letter) identity() string {
	if p := l.Payment; p != nil {
		return fmt.Sprintf("p|%s|%s|%s|%d|%s|%s|%s", p.OrderNo, p.TransactionID, p.State, p.TotalFen, p.MchID, p.AppID, p.Currency)
	}
	r := l.Refund
	return fmt.Sprintf("r|%s|%s|%s|%d|%s", r.OrderNo, r.OutRefundNo, r.State, r.RefundFen, r.MchID)
}

func (s *Service) loadInbox(ctx context.Context) error {
	return s.engine.Scan([]byte(prefixInbox), after(prefixInbox), func(key, value []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		l := &letter{}
		if err := json.Unmarshal(value, l); err != nil {
			return &FormatError{Key: string(key), Err: err}
		}
		for _, b := range key[len(prefixInbox):] {
			l.seq = l.seq<<8 | uint64(b)
		}
		if l.Format > recordFormat || l.Payment == nil && l.Refund == nil {
			return &FormatError{Key: string(key), Err: fmt.Errorf("letter of format %d", l.Format)}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.inbox.next = max(s.inbox.next, l.seq+1)
		s.post(l, nil)
		return nil
	})
}

// PaymentCallback verifies a payment notice, writes it into the inbox and
// returns: nil means that it is durable and WeChat may be answered 200. It never
// waits for the HIS or for the order. Errors: *CallbackError (nothing was
// believed), ErrBusy (the inbox is full; WeChat repeats), ErrStopped.
func (s *Service) PaymentCallback(ctx context.Context, c Callback) error {
	if err := s.alive(); err != nil {
		return err
	}
	tx, err := s.pay.ParsePayment(ctx, c)
	if err != nil {
		s.refused(ctx, callbackResult("payment", err))
		return err
	}
	return s.take(ctx, &letter{Payment: &tx})
}

// RefundCallback is PaymentCallback for refund notices.
func (s *Service) RefundCallback(ctx context.Context, c Callback) error {
	if err := s.alive(); err != nil {
		return err
	}
	r, err := s.pay.ParseRefund(ctx, c)
	if err != nil {
		s.refused(ctx, callbackResult("refund", err))
		return err
	}
	return s.take(ctx, &letter{Refund: &r})
}

// refused counts a callback that was not believed. Anybody can send such ones, so
// the log has a few a minute.
func (s *Service) refused(ctx context.Context, result string) {
	s.counts.callback(result)
	let, missing := s.refusals.Let(s.now())
	if !let {
		return
	}
	attrs := []any{"result", result, "time", s.now()}
	if missing > 0 {
		attrs = append(attrs, "not_logged", missing)
	}
	span.Log(ctx, s.log).Warn("callback", attrs...)
}

func callbackResult(what string, err error) string {
	if refused, ok := asType[*CallbackError](err); ok {
		return what + "_" + refused.Reason
	}
	return what + "_failed"
}

// take makes a letter durable and hands it to its order's worker.
func (s *Service) take(ctx context.Context, l *letter) error {
	l.Format, l.At = recordFormat, s.now()
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	id := l.identity()
	s.mu.Lock()
	if twin := s.inbox.waiting[id]; twin != nil {
		s.mu.Unlock()
		s.counts.callback("duplicate")
		return s.durable(ctx, twin.ticket)
	}
	if len(s.inbox.waiting) >= s.set.MaxInbox {
		s.mu.Unlock()
		s.counts.callback("inbox_full")
		return ErrBusy
	}
	l.seq = s.inbox.next
	s.inbox.next++
	l.ticket = s.committer.Append(engine.Write{Key: keyInbox(l.seq), Value: data})
	s.inbox.waiting[id] = l
	s.mu.Unlock()

	// The order's worker gets it only once it is durable; should the caller leave
	// early, WeChat repeats, and the letter is there all the same.
	if err := s.durable(context.WithoutCancel(ctx), l.ticket); err != nil {
		return err
	}
	s.counts.callback("accepted")
	span.Log(ctx, s.log).Info("callback", "order_no", l.orderNo(), "result", "accepted", "time", l.At)
	s.mu.Lock()
	s.post(l, span.Cause(ctx))
	s.mu.Unlock()
	return nil
}

func (s *Service) durable(ctx context.Context, t engine.Ticket) error {
	err := t.Wait(ctx)
	if err != nil && ctx.Err() == nil {
		s.die(err)
		return fmt.Errorf("%w: %w", ErrStopped, err)
	}
	return err
}

// post puts a durable letter before its order. Callers hold s.mu.
func (s *Service) post(l *letter, cause context.Context) {
	s.inbox.waiting[l.identity()] = l
	no := l.orderNo()
	e := s.entries[no]
	if e == nil {
		e = &entry{no: no, index: -1}
		s.entries[no] = e
	}
	e.mail = append(e.mail, l)
	if cause != nil {
		e.cause = cause
	}
	s.plan(e)
}

// delivered takes a letter off the pile once its effect is durable.
func (s *Service) delivered(no string, l *letter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.inbox.waiting, l.identity())
	if e := s.entries[no]; e != nil && len(e.mail) > 0 && e.mail[0] == l {
		e.mail = e.mail[1:]
	}
}

// deliver applies a letter to its order and removes it from the inbox in the
// same durable step.
func (u *unit) deliver(l *letter) error {
	u.writes = append(u.writes, engine.Write{Key: keyInbox(l.seq), Delete: true})
	var err error
	switch {
	case u.o == nil:
		err = u.unknownOrder(l)
	case l.Payment != nil && l.Payment.paid():
		if err = u.applyPaid(*l.Payment, "callback"); err == nil {
			u.knownSince(l)
		}
	case l.Payment != nil:
		u.said("NOTICE_WITHOUT_MONEY", string(l.Payment.State))
	default:
		err = u.refundNotice(*l.Refund)
	}
	if err != nil {
		return err
	}
	return u.commit()
}

// knownSince: hisgate knows of a payment since it took its notice, also where that was
// a process that died before the order heard of it.
func (u *unit) knownSince(l *letter) {
	if p := u.o.Payment; p != nil && p.TransactionID == l.Payment.TransactionID && l.At.Before(p.KnownAt) {
		p.KnownAt = l.At
	}
}

// unknownOrder: verified money, or a refund, for an order that is not ours [D4].
func (u *unit) unknownOrder(l *letter) error {
	if p := l.Payment; p != nil {
		if !p.paid() {
			return nil
		}
		return u.openLooseCase("X."+p.TransactionID, CaseUnknownOrder, caseFacts{
			Detail: fmt.Sprintf("%d fen were paid for an order that does not exist here", p.TotalFen), TransactionID: p.TransactionID, Fen: p.TotalFen,
		})
	}
	return u.openLooseCase("X."+l.Refund.OutRefundNo, CaseUnknownOrder, caseFacts{
		Detail: fmt.Sprintf("refund %s of %d fen, for an order that does not exist here", l.Refund.OutRefundNo, l.Refund.RefundFen), Fen: l.Refund.RefundFen,
	})
}

// refundNotice takes WeChat's notice of a refund: ours, or one that someone made
// in the merchant console.
func (u *unit) refundNotice(a RefundAnswer) error {
	o := u.o
	if a.MchID != "" && u.s.set.MchID != "" && a.MchID != u.s.set.MchID {
		u.openCase(CaseWrongPayment, caseFacts{Detail: "a refund notice of merchant " + cut(a.MchID, 32)})
		return nil
	}
	for i := range o.Refunds {
		r := &o.Refunds[i]
		if r.OutRefundNo != a.OutRefundNo {
			continue
		}
		if r.open() {
			return u.refundSaid(i, a, false)
		}
		if a.State == RefundSuccess && (r.NeverTaken || r.Status == RefundEnded && r.Evidence == "") {
			break // given up as never taken, or closed by WeChat's word, and paid out all the same
		}
		return nil // a repeat
	}
	if u.s.restored().asksAbout(o) && o.numbers(a.OutRefundNo) {
		u.said("REFUND_NOTICE", a.OutRefundNo+": of before the restore")
		return nil // WeChat is asked about all of them next [B9]
	}
	return u.refundedElsewhere(a)
}

// refundedElsewhere is a refund that hisgate did not make: a case, once.
func (u *unit) refundedElsewhere(a RefundAnswer) error {
	o := u.o
	detail := fmt.Sprintf("refund %s of %d fen (%s) was not made by hisgate", cut(a.OutRefundNo, 64), a.RefundFen, a.State)
	if i := slices.IndexFunc(o.Elsewhere, func(f ForeignRefund) bool { return f.OutRefundNo == a.OutRefundNo }); i >= 0 {
		return u.elsewhereNow(&o.Elsewhere[i], a, detail)
	}
	facts := caseFacts{Detail: detail, Fen: a.RefundFen}
	if o.Payment != nil {
		if _, err := u.fire(evPaidElsewhere, "", detail); err != nil {
			return err
		}
		facts.TransactionID = o.Payment.TransactionID
	}
	f := ForeignRefund{OutRefundNo: a.OutRefundNo, Fen: a.RefundFen, State: a.State}
	failed := a.State == RefundClosed || a.State == RefundAbnormal
	if id := u.openOf(CaseConsoleRefund); !failed && (o.ElsewhereUntold || o.PersonRefund != "") && id == "" {
		u.said("REFUNDED_ELSEWHERE", detail) // a person settled it before its number was known
	} else {
		u.openCase(CaseConsoleRefund, facts)
		f.CaseID = u.openOf(CaseConsoleRefund)
	}
	o.ElsewhereUntold = false
	if len(o.Elsewhere) < refundsAtMost {
		o.Elsewhere = append(o.Elsewhere, f)
	}
	u.changed = true
	return nil
}

// elsewhereNow is a further word on such a refund. Whoever took it for money that is
// back must hear when it comes to nothing.
func (u *unit) elsewhereNow(f *ForeignRefund, a RefundAnswer, detail string) error {
	if f.State == a.State || f.State == RefundSuccess { // WeChat repeats its notices, in any order
		return nil
	}
	was := f.State
	f.State, u.changed = a.State, true
	u.said("REFUNDED_ELSEWHERE", detail)
	switch o := u.o; {
	case a.State == RefundSuccess && (was == RefundClosed || was == RefundAbnormal) && (o.State == Paid || o.State == Fulfilled || o.State == NeedsAttention):
		// The drugs were, or may be, given because this money had not gone back.
		if _, err := u.fire(evPaidElsewhere, "", detail); err != nil {
			return err
		}
	case a.State != RefundClosed && a.State != RefundAbnormal:
		return nil
	case o.State == Refunded && o.allBack() && o.PersonRefund == "":
		return nil
	case o.State != Refunded && o.State != Fulfilled && o.State != NeedsAttention:
		return nil // hisgate is at it, and counts it no more
	}
	u.consoleCase(f, detail)
	return nil
}

// consoleCase has a person look at a refund in the merchant console.
func (u *unit) consoleCase(f *ForeignRefund, detail string) {
	facts := caseFacts{Detail: detail, Fen: f.Fen}
	if u.o.Payment != nil {
		facts.TransactionID = u.o.Payment.TransactionID
	}
	u.openCase(CaseConsoleRefund, facts)
	f.CaseID = u.openOf(CaseConsoleRefund)
}

// openOf is the order's latest open case of a reason, "" without one.
func (u *unit) openOf(reason CaseReason) string {
	for _, id := range slices.Backward(u.o.OpenCases) {
		if c := u.openedCase(id); c != nil && c.Reason == reason {
			return id
		}
	}
	return ""
}
