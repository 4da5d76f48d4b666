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
// payCall. The second column is a weight.
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

// payCall takes one call to WeChat and back. apply changes the books, and may run
// never, once, twice, now or later; its last answer is what a good call answers.
func payCall[T any](ctx context.Context, c channel, op, id string, apply func(roll) (T, error)) (T, error) {
	var none T
	w := c.w
	r := c.l.throw("WeChat "+op, id)
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
	say := func(v T, err error) (T, error) {
		if !c.l.dead() {
			w.trace.say("hisgate", "WeChat %s %s → %v%s", op, id, words(err), note(what != "", " ["+what+"]"))
		}
		return v, err
	}
	fail := func(err error) (T, error) { return say(none, err) }
	gone := func() (T, error) { return fail(unknown(op, 0, "", context.Cause(ctx))) }
	if c.l.dead() || ctx.Err() != nil || what == "not sent" {
		fired()
		return fail(&payflow.ChannelError{Op: op, Outcome: payflow.ChannelNotSent, Err: errCut})
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
			_, _ = apply(r)
		}
		return gone()
	}
	switch what {
	case "hangs before":
		<-ctx.Done()
		return gone()
	case "hangs after":
		_, _ = apply(r)
		<-ctx.Done()
		return gone()
	case "reset before":
		return fail(unknown(op, 0, "", errCut))
	case "reset after":
		_, _ = apply(r)
		return fail(unknown(op, 0, "", errCut))
	case "applied late":
		late := r.between(time.Second, 2*time.Minute)
		w.later(late, func() { _, _ = apply(r) })
		return fail(unknown(op, 0, "", errCut))
	case "500 before":
		return fail(unknown(op, 500, "", nil))
	case "500 after":
		_, _ = apply(r)
		return fail(unknown(op, 500, "", nil))
	case "SYSTEMERROR, applied":
		_, _ = apply(r)
		return fail(unknown(op, 500, "SYSTEMERROR", nil))
	case "probe signature":
		_, _ = apply(r)
		return fail(unknown(op, 200, "", errors.New("WECHATPAY/SIGNTEST/")))
	case "429":
		return fail(unknown(op, 429, "FREQUENCYLIMITED", nil))
	case "refuses us as such":
		return fail(&payflow.ChannelError{Op: op, Outcome: payflow.ChannelMisconfigured, Status: 401, Code: "SIGNERROR"})
	case "sent twice":
		_, _ = apply(r)
	}
	v, err := apply(r)
	if !sleep(ctx, back) {
		return gone()
	}
	return say(v, err)
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

func (c channel) Prepay(ctx context.Context, m payflow.Method, body []byte) (payflow.Prepay, error) {
	var p payflow.PrepayIntent
	_ = json.Unmarshal(body, &p)
	return payCall(ctx, c, "prepay", p.OrderNo, func(roll) (payflow.Prepay, error) { return c.w.wechat.prepay(m, body) })
}

func (c channel) Query(ctx context.Context, no string) (payflow.Transaction, error) {
	return payCall(ctx, c, "query", no, func(r roll) (payflow.Transaction, error) {
		c.patientMeets(r, no, "query")
		tx, err := c.w.wechat.query(no)
		if r.chance(0.02 * c.w.rough()) {
			c.patientMeets(r, no, "query")
		}
		return tx, err
	})
}

func (c channel) QueryTransaction(ctx context.Context, id string) (payflow.Transaction, error) {
	return payCall(ctx, c, "query_id", id, func(roll) (payflow.Transaction, error) { return c.w.wechat.transaction(id) })
}

func (c channel) Close(ctx context.Context, no string) error {
	_, err := payCall(ctx, c, "close", no, func(r roll) (struct{}, error) {
		c.patientMeets(r, no, "close")
		return struct{}{}, c.w.wechat.close(no)
	})
	return err
}

// patientMeets has the patient pay in the very moment of a call.
func (c channel) patientMeets(r roll, no, op string) {
	if r.chance(0.04*c.w.rough()) && c.w.willing(no) && c.w.wechat.pay(no, "", false) {
		c.w.tally.fault("WeChat: the patient pays just before the " + op)
	}
}

func (c channel) Refund(ctx context.Context, in payflow.RefundIntent) (payflow.RefundAnswer, error) {
	c.w.wechat.leaves(in, c.l)
	out, err := payCall(ctx, c, "refund", in.OutRefundNo, func(r roll) (payflow.RefundAnswer, error) {
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
		return c.w.wechat.refund(in, how, takes, end)
	})
	c.w.wechat.refusedSend(in.OutRefundNo, err)
	return out, err
}

func (c channel) QueryRefund(ctx context.Context, no string) (payflow.RefundAnswer, error) {
	return payCall(ctx, c, "refund_query", no, func(roll) (payflow.RefundAnswer, error) { return c.w.wechat.queryRefund(no) })
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
