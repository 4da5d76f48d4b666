package simhis

import (
	"context"
	"errors"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// call is one call as it reached the HIS.
type call struct {
	op    Op
	hisNo string
	drugs []string
	keys  int
	// run does the work, under h.mu, at the given time.
	run func(now time.Time) reply
}

// ending is how a call ended on the wire.
type ending uint8

const (
	answered     ending = iota // with a reply
	notReached                 // the HIS is off the network
	abandoned                  // the caller gave up first
	serverError                // status 500
	nonsense                   // an answer that is none
	halfAnswer                 // an answer cut in the middle
	disconnected               // the connection was cut
)

// The causes, inside an *hisadapter.Error, of calls in process that ended
// without the HIS's words. A server that speaks for the HIS in another protocol
// breaks its own answer in the same way.
var (
	ErrDown         = errors.New("connection refused")
	ErrServer       = errors.New("status 500")
	ErrNonsense     = errors.New("the answer is not JSON")
	ErrHalf         = errors.New("the answer ends in the middle")
	ErrDisconnected = errors.New("connection reset")
)

// asError is what an ending other than answered means in process.
func (e ending) asError(ctx context.Context, op Op) error {
	out := &hisadapter.Error{Op: string(op), Outcome: hisadapter.Unknown}
	switch e {
	case notReached:
		out.Outcome, out.Err = hisadapter.NotSent, ErrDown
	case abandoned:
		out.Err = context.Cause(ctx)
	case serverError:
		out.Err = ErrServer
	case nonsense:
		out.Err = ErrNonsense
	case halfAnswer:
		out.Err = ErrHalf
	default:
		out.Err = ErrDisconnected
	}
	return out
}

// serve takes one call through the HIS: is it there, has it room, how long does
// it take, what goes wrong. It blocks for the latency, and a hanging call until
// ctx ends or HangMax is over.
func (h *HIS) serve(ctx context.Context, c *call) (reply, ending) {
	fault, wait, ok, end := h.admit(c)
	if !ok {
		fault.struck()
		return no(codeBusy, verdictOf(codeBusy).message), end
	}
	due := h.cfg.Now().Add(wait)
	if !sleep(ctx, wait) {
		h.giveUp(c, fault, due)
		return reply{}, abandoned
	}
	if !fault.hangs() {
		defer fault.struck()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.catchUp()
	var r reply
	switch fault.What {
	case Refuse:
		r = no(refusalCodes()[fault.Kind], refusalMessage(fault.Kind))
	case BusyNow:
		r = no(codeBusy, verdictOf(codeBusy).message)
	case Misconfigured:
		r = no(codeSignature, verdictOf(codeSignature).message)
	case TimeoutBefore, TimeoutAfter, LateApply: // those that hang
		if fault.What == TimeoutAfter {
			c.run(now)
		}
		return reply{}, h.hang(ctx, c, fault)
	default:
		if fault.works() {
			r = fault.lapsing(h, c)(now)
		}
	}
	if fault.Message != "" {
		r.message = fault.Message
	}
	end = fault.ending()
	h.leave(c, r.code, end)
	return r, end
}

// admit lets a call in, or turns it away. It returns how long the HIS will take.
func (h *HIS) admit(c *call) (f Fault, wait time.Duration, ok bool, end ending) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.catchUp()
	if !h.down {
		f, _ = h.strike(c)
	}
	if h.down || f.What == Down {
		h.tally.of(c.op).Down++
		return f, 0, false, notReached
	}
	h.tally.arrive(c, now)
	if h.pace.Limit > 0 && h.inFlight >= h.pace.Limit {
		h.tally.answer(c.op, codeBusy, answered)
		return f, 0, false, answered
	}
	h.inFlight++
	h.tally.peak(h.inFlight)
	wait = h.pace.Latency
	if h.pace.Jitter > 0 {
		wait += time.Duration(h.rng.Int64N(int64(h.pace.Jitter) + 1))
	}
	if f.What == Slow {
		wait += f.After
	}
	return f, wait, true, answered
}

// hang keeps the caller waiting, without h.mu, until it gives up.
func (h *HIS) hang(ctx context.Context, c *call, f Fault) ending {
	h.mu.Unlock()
	f.struck()
	gaveUp := !sleep(ctx, h.cfg.HangMax)
	h.mu.Lock()
	now := h.catchUp()
	if f.What == LateApply {
		h.schedule(now.Add(f.After), func(at time.Time) { c.run(at) })
	}
	if !gaveUp {
		h.leave(c, "", disconnected)
		return disconnected
	}
	h.tally.answer(c.op, "", abandoned)
	h.schedule(now.Add(h.pace.Linger), func(time.Time) { h.inFlight-- })
	return abandoned
}

// giveUp is what the HIS does when the caller went away while it was at work:
// it goes on, and the work is done when it would have been done anyway.
func (h *HIS) giveUp(c *call, f Fault, due time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.catchUp()
	h.tally.answer(c.op, "", abandoned)
	free := now.Add(h.pace.Linger)
	if due.After(free) {
		free = due
	}
	h.schedule(free, func(time.Time) { h.inFlight-- })
	if f.What == LateApply {
		due = now.Add(f.After)
	}
	if f.works() {
		h.schedule(due, func(at time.Time) { f.lapsing(h, c)(at) })
	}
}

func (h *HIS) leave(c *call, code string, end ending) {
	h.inFlight--
	h.tally.answer(c.op, code, end)
}

func (f Fault) hangs() bool {
	return f.What == TimeoutBefore || f.What == TimeoutAfter || f.What == LateApply
}

// works reports whether the HIS does what it is asked, under this fault.
func (f Fault) works() bool {
	switch f.What {
	case TimeoutBefore, Refuse, BusyNow, Misconfigured, Down:
		return false
	case HTTP500, Garbage, Truncated, Reset:
		return f.Apply
	default:
		return true
	}
}

func (f Fault) ending() ending {
	switch f.What {
	case HTTP500:
		return serverError
	case Garbage:
		return nonsense
	case Truncated:
		return halfAnswer
	case Reset:
		return disconnected
	default:
		return answered
	}
}

// lapsing is the work of c, with the lapse before it where the fault says so.
func (f Fault) lapsing(h *HIS, c *call) func(now time.Time) reply {
	if f.What != LapseFirst {
		return c.run
	}
	return func(now time.Time) reply {
		h.lapse(now, c.hisNo)
		return c.run(now)
	}
}

// sleep waits for d and reports true, or false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
