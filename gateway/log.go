package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/lockstore"
)

// logger writes the gateway's lines. Their fields are fixed: order_no, his_no,
// drug_id, quantity, op, outcome, his_code, his_message, duration_ms.
type logger struct{ *slog.Logger }

// in is the logger for lines about the work of ctx, which may be in a trace.
func (g logger) in(ctx context.Context) logger { return logger{span.Log(ctx, g.Logger)} }

// held is the log point "stock held": one line for each drug of a lock that is
// held from now on.
func (g logger) held(l *lockstore.Lock) {
	if l.Status != lockstore.Locked || !g.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	for _, it := range l.Items {
		g.Info("stock held", "order_no", l.OrderNo, "his_no", l.HISNo, "drug_id", it.DrugID, "quantity", it.Quantity,
			"his_lock_id", l.HISLockID, "degraded", l.Degraded)
	}
}

// called writes every call to the HIS about a lock.
func (g logger) called(l *lockstore.Lock, e end, took time.Duration) {
	level := slog.LevelInfo
	outcome := hisadapter.OutcomeOf(e.err)
	code, message := e.event.Code, e.event.Message
	if e.trouble != nil {
		level = slog.LevelWarn
		code, message = e.trouble.Code, e.trouble.Message
	}
	g.Log(context.Background(), level, "his call",
		"order_no", l.OrderNo, "his_no", l.HISNo, "op", e.op, "outcome", outcome.String(),
		"his_code", code, "his_message", message, "duration_ms", took.Milliseconds(), "error", causeOf(e.err))
}

// stepped writes what a call led to. A confirmation that ended is the log point
// "confirm".
func (g logger) stepped(l *lockstore.Lock, e end) {
	switch {
	case e.event.Kind == lockstore.EvFreezeDone && l.Status == lockstore.Locked:
		g.held(l)
	case e.op == opPlaceOrder, e.event.Kind == lockstore.EvOrderPlaced:
		g.Info("confirm", "order_no", l.OrderNo, "his_no", l.HISNo, "outcome", e.event.Kind.String(),
			"status", l.Status.String(), "his_order_no", l.HISOrderNo, "his_code", e.event.Code, "his_message", e.event.Message,
			"success", l.Status == lockstore.Confirmed)
	}
	byTime := l.Cause == lockstore.ByClock || l.Cause == lockstore.ByOwner
	if byTime && e.event.Kind == lockstore.EvUnfreezeDone && l.Status == lockstore.Released {
		g.compensated(l)
	}
	if l.CaseReason != "" {
		g.Warn("lock needs a person", "order_no", l.OrderNo, "his_no", l.HISNo, "status", l.Status.String(),
			"reason", l.CaseReason)
	}
}

// refused writes an event that the ledger did not take.
func (g logger) refused(l *lockstore.Lock, e end, err error) {
	g.Error("event not recorded", "order_no", l.OrderNo, "his_no", l.HISNo, "op", e.op,
		"event", e.event.Kind.String(), "status", l.Status.String(), "error", err)
}

// expired writes what the clock, or the owner at its time, made of a lock. Stock
// that is given back so is the log point "compensation".
func (g logger) expired(l *lockstore.Lock, ev lockstore.Event) {
	g.Info("lock expired", "order_no", l.OrderNo, "his_no", l.HISNo, "event", ev.Kind.String(), "status", l.Status.String())
	if l.Status == lockstore.Released || l.Status == lockstore.Releasing {
		g.compensated(l)
	}
}

// compensated is the log point "compensation" of the stock half: stock that an
// order held is given back. Its result is "done", or "under way" while the HIS
// still has to give its freeze back.
func (g logger) compensated(l *lockstore.Lock) {
	result := "done"
	if l.Status != lockstore.Released {
		result = "under way"
	}
	g.Info("compensation", "order_no", l.OrderNo, "his_no", l.HISNo, "kind", "release", "cause", l.Cause.String(), "result", result)
}

// cancelled writes that an order was found cancelled at the HIS.
func (g logger) cancelled(l *lockstore.Lock) {
	g.Warn("the HIS cancelled an order", "order_no", l.OrderNo, "his_no", l.HISNo, "his_order_no", l.HISOrderNo)
}

// loaded writes a batch read that failed in part or whole; the others are
// counted elsewhere.
func (g logger) loaded(b stockBatch, failed int, err error, took time.Duration) {
	if failed == 0 {
		g.Debug("his call", "op", opQueryStock, "keys", len(b.Keys), "live", b.Live,
			"outcome", hisadapter.Done.String(), "duration_ms", took.Milliseconds())
		return
	}
	e := hisError(opQueryStock, err)
	g.Warn("his call", "op", opQueryStock, "keys", len(b.Keys), "failed", failed, "live", b.Live,
		"outcome", e.Outcome.String(), "his_code", e.Code, "his_message", e.Message,
		"duration_ms", took.Milliseconds(), "error", causeOf(err))
}

// reachable writes when the degraded mode of reads begins and ends.
func (g logger) reachable(yes bool, err error) {
	if yes {
		g.Info("stock is read from the HIS again")
		return
	}
	g.Warn("the HIS cannot be read; readers are given the last figures, marked", "error", causeOf(err))
}

func (g logger) failed(what string, err error) { g.Error(what, "error", err) }

func causeOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
