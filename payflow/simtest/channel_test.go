package simtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// channel is the way from one life of hisgate to WeChat's books: what may go
// wrong on it is thrown for call by call.
type channel struct {
	w *world
	l *life
}

var errCut = errors.New("connection reset by peer")

// payTroubles are the troubles of every call; what is certain of each stands in
// call. The third column is a weight.
var payTroubles = []struct {
	what   string
	weight int
}{
	{"not sent", 2},
	{"hangs before", 2},
	{"hangs after", 3},
	{"reset before", 2},
	{"reset after", 3},
	{"applied late", 3},
	{"sent twice", 2},
	{"500 before", 1},
	{"500 after", 1},
	{"probe signature", 2},
	{"429", 1},
	{"SYSTEMERROR, applied", 1},
	{"slow", 2},
	{"refuses us as such", 1},
}

func payTrouble(r roll) string {
	sum := 0
	for _, t := range payTroubles {
		sum += t.weight
	}
	n := r.IntN(sum)
	for _, t := range payTroubles {
		if n -= t.weight; n < 0 {
			return t.what
		}
	}
	return ""
}

func unknown(op string, status int, code string, cause error) error {
	return &payflow.ChannelError{Op: op, Outcome: payflow.ChannelUnknown, Status: status, Code: code, Err: cause}
}

// maxSkew is how far a request's timestamp may be off before WeChat refuses it.
const maxSkew = 5 * time.Minute

// call takes one call to WeChat and back. apply changes the books, and may run
// never, once, twice, now or later; its last answer is what a good call answers.
func (c channel) call(ctx context.Context, op, id string, apply func(roll) error) error {
	w := c.w
	r := w.throw("WeChat "+op, id)
	what := ""
	if w.troubled() && r.chance(w.plan.pay) {
		what = payTrouble(r)
	}
	skew := w.skew()
	switch {
	case w.out(payDown):
		what = "not sent"
	case w.out(payMisconfigured) || skew > maxSkew || skew < -maxSkew:
		what = "refuses us as such"
	}
	fired := func() {
		if what != "" {
			w.tally.fault("WeChat: " + what)
		}
	}
	say := func(err error) error {
		if !c.l.dead() {
			w.trace.say("hisgate", "WeChat %s %s → %v%s", op, id, words(err), note(what != "", " ["+what+"]"))
		}
		return err
	}
	gone := func() error { return unknown(op, 0, "", context.Cause(ctx)) }
	if c.l.dead() || ctx.Err() != nil || what == "not sent" {
		fired()
		return say(&payflow.ChannelError{Op: op, Outcome: payflow.ChannelNotSent, Err: errCut})
	}
	ctx, cancel := sooner(ctx, r)
	defer cancel()
	way := r.between(20*time.Millisecond, 300*time.Millisecond)
	if what == "slow" {
		way += r.between(time.Second, 20*time.Second)
	}
	there, back := way/2, way-way/2
	there += r.between(0, time.Microsecond)
	fired()
	// The request travels whether or not its sender lives to see the answer.
	if !sleep(ctx, there) {
		if what != "hangs before" && what != "reset before" {
			_ = apply(r)
		}
		return say(gone())
	}
	switch what {
	case "hangs before":
		<-ctx.Done()
		return say(gone())
	case "hangs after":
		_ = apply(r)
		<-ctx.Done()
		return say(gone())
	case "reset before":
		return say(unknown(op, 0, "", errCut))
	case "reset after":
		_ = apply(r)
		return say(unknown(op, 0, "", errCut))
	case "applied late":
		late := r.between(time.Second, 2*time.Minute)
		w.later(late, func() { _ = apply(r) })
		return say(unknown(op, 0, "", errCut))
	case "500 before":
		return say(unknown(op, 500, "", nil))
	case "500 after":
		_ = apply(r)
		return say(unknown(op, 500, "", nil))
	case "SYSTEMERROR, applied":
		_ = apply(r)
		return say(unknown(op, 500, "SYSTEMERROR", nil))
	case "probe signature":
		_ = apply(r)
		return say(unknown(op, 200, "", errors.New("WECHATPAY/SIGNTEST/")))
	case "429":
		return say(unknown(op, 429, "FREQUENCYLIMITED", nil))
	case "refuses us as such":
		return say(&payflow.ChannelError{Op: op, Outcome: payflow.ChannelMisconfigured, Status: 401, Code: "SIGNERROR"})
	case "sent twice":
		_ = apply(r)
	}
	err := apply(r)
	if !sleep(ctx, back) {
		return say(gone())
	}
	return say(err)
}

// words says in short what a call came to.
func words(err error) string {
	var c *payflow.ChannelError
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &c) && c.Outcome == payflow.ChannelRefused:
		return "refused " + c.Code
	case errors.As(err, &c) && c.Outcome == payflow.ChannelNotSent:
		return "not sent"
	case errors.As(err, &c) && c.Outcome == payflow.ChannelMisconfigured:
		return "misconfigured"
	default:
		return "unknown"
	}
}

func (c channel) BuildPrepay(p payflow.PrepayIntent) ([]byte, error) { return json.Marshal(p) }

func (c channel) Prepay(ctx context.Context, m payflow.Method, body []byte) (out payflow.Prepay, err error) {
	var p payflow.PrepayIntent
	_ = json.Unmarshal(body, &p)
	err = c.call(ctx, "prepay", p.OrderNo, func(roll) (err error) {
		out, err = c.w.wechat.prepay(m, body)
		return err
	})
	return out, err
}

func (c channel) Query(ctx context.Context, no string) (tx payflow.Transaction, err error) {
	err = c.call(ctx, "query", no, func(r roll) (err error) {
		c.patientMeets(r, no, "query")
		tx, err = c.w.wechat.query(no)
		if r.chance(0.02 * c.w.rough()) {
			c.patientMeets(r, no, "query")
		}
		return err
	})
	return tx, err
}

func (c channel) Close(ctx context.Context, no string) error {
	return c.call(ctx, "close", no, func(r roll) error {
		c.patientMeets(r, no, "close")
		return c.w.wechat.close(no)
	})
}

// patientMeets has the patient pay in the very moment of a call.
func (c channel) patientMeets(r roll, no, op string) {
	if r.chance(0.04*c.w.rough()) && c.w.willing(no) && c.w.wechat.pay(no, "", false) {
		c.w.tally.fault("WeChat: the patient pays just before the " + op)
	}
}

func (c channel) Refund(ctx context.Context, in payflow.RefundIntent) (out payflow.RefundAnswer, err error) {
	c.w.wechat.leaves(in, c.l)
	err = c.call(ctx, "refund", in.OutRefundNo, func(r roll) (err error) {
		how, takes, end := "", r.between(2*time.Second, 90*time.Second), payflow.RefundSuccess
		rough := c.w.rough()
		switch {
		case c.w.out(payBroke) || r.chance(0.05*rough):
			how = "not enough"
			c.w.tally.fault("WeChat: refund NOT_ENOUGH")
		case r.chance(0.08 * rough):
			end = payflow.RefundClosed
		case r.chance(0.05 * rough):
			end = payflow.RefundAbnormal
		case r.chance(0.10 * rough):
			takes = r.between(time.Hour, 9*time.Hour)
			c.w.tally.fault("WeChat: refund takes hours")
		}
		out, err = c.w.wechat.refund(in, how, takes, end)
		return err
	})
	c.w.wechat.refusedSend(in.OutRefundNo, err)
	return out, err
}

func (c channel) QueryRefund(ctx context.Context, no string) (out payflow.RefundAnswer, err error) {
	err = c.call(ctx, "refund_query", no, func(roll) (err error) {
		out, err = c.w.wechat.queryRefund(no)
		return err
	})
	return out, err
}

func (c channel) Invoke(_ payflow.Method, appID, prepayID string) (map[string]string, error) {
	return map[string]string{"appId": appID, "package": "prepay_id=" + prepayID, "timeStamp": fmt.Sprint(c.w.wall().Unix())}, nil
}

// genuine is what stands for WeChat's signature.
const genuine = "signed by WeChat"

func (c channel) open(cb payflow.Callback, into any) error {
	switch age := cb.ReceivedAt.Sub(parseTime(cb.Timestamp)); {
	case cb.Signature != genuine:
		return &payflow.CallbackError{Reason: "SIGNATURE"}
	case age > maxSkew || age < -maxSkew:
		return &payflow.CallbackError{Reason: "STALE"}
	}
	return json.Unmarshal(cb.Body, into)
}

func parseTime(s string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, s)
	return t
}

func (c channel) ParsePayment(_ context.Context, cb payflow.Callback) (tx payflow.Transaction, err error) {
	return tx, c.open(cb, &tx)
}

func (c channel) ParseRefund(_ context.Context, cb payflow.Callback) (a payflow.RefundAnswer, err error) {
	return a, c.open(cb, &a)
}

// sleep waits for d and reports true, or false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
