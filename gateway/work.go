package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/lockstore"
)

// maxSteps bounds the calls of one job. A HIS that contradicts itself (it
// refuses what it says is there) is asked again after a pause.
const maxSteps = 10

// pursue has the lock's next steps taken, in a goroutine of its own, and returns
// the job; it joins the one that is under way. It does not block. It returns nil
// when the gateway is closing.
func (g *Gateway) pursue(id lockstore.ID, v visitor) *job {
	j, mine := g.desk.join(id, v)
	if mine {
		go g.work(j)
	}
	return j
}

// wait waits until the job has ended, or the caller's time is over. The job goes
// on without them.
func (j *job) wait(ctx context.Context) error {
	select {
	case <-j.done:
		return nil
	default:
	}
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *Gateway) work(j *job) {
	for {
		g.steps(j, g.desk.look(j))
		if g.desk.finish(j) {
			return
		}
	}
}

// steps takes the lock as far as it goes now. It begins with the record as it
// stands, never with what somebody remembers of it.
func (g *Gateway) steps(j *job, v visitor) {
	rank, asked := v.rank, v.asked
	j.under = span.Carry(g.base, v.cause)
	l, err := g.record(j.id)
	if err != nil {
		j.err = err
		return
	}
	j.lock = l
	if now := g.now(); v.due && j.lock.WatchAt.After(now) {
		// The ledger goes by elapsed time, which is right however the wall clock, by
		// which the look was noted, has been set since.
		j.lock.WatchAt = now
	}
	found := false
	for n := 0; ; n++ {
		now := g.now()
		s := nextStep(&j.lock, g.caps, now, asked, found)
		if s == rest {
			g.atRest(j, now)
			return
		}
		if !g.desk.may(j, s, asked, now) {
			return
		}
		if n == maxSteps {
			g.desk.postpone(j, s, g.settings.Resolver.Backoff, 0, now)
			return
		}
		e, on := g.take(j, s, rank)
		if !on {
			g.overdue(j)
			g.desk.postpone(j, s, g.settings.Resolver.Backoff, g.atLeast(&j.lock, e), g.now())
			return
		}
		if j.err != nil {
			return
		}
		found = e.op == opFindOrder
		if s == place || s == unfreeze || e.refused != nil {
			asked = false // what a person was to settle was tried once more
		}
	}
}

// atRest ends the pauses of a lock of which nothing is wanted now. A freeze that
// is about to lapse, of which the ledger reminds us, is looked at when it should
// be over, and again later if the HIS still holds it then; one that the HIS did
// not give back, now and then.
func (g *Gateway) atRest(j *job, now time.Time) {
	l := &j.lock
	if l.UnfreezeRefused() {
		pauses := g.settings.Resolver.Backoff
		g.desk.postpone(j, find, pauses[len(pauses)-1:], 0, now)
		return
	}
	left := l.FreezeExpires.Sub(now)
	if l.Status != lockstore.Locked || l.Word != lockstore.WordFrozen || l.FreezeExpires.IsZero() ||
		l.CaseReason != "" || left > g.settings.FreezeMargin {
		g.desk.forget(l.ID())
		return
	}
	g.desk.postpone(j, find, g.settings.Resolver.Backoff, left, now)
}

// overdue makes a case of an outcome that has been unknown for long. The looks
// go on.
func (g *Gateway) overdue(j *job) {
	l := &j.lock
	if !l.Unknown || l.CaseReason != "" || j.err != nil || g.now().Sub(l.UnknownSince) < g.settings.Resolver.CaseAfter {
		return
	}
	r, err := g.ledger.Record(g.base, j.id, lockstore.Event{
		Kind: lockstore.EvCase, AboutUnknown: true, Message: "the outcome has been unknown since " + l.UnknownSince.UTC().Format(time.RFC3339),
	})
	if err != nil {
		j.err = err
		return
	}
	j.lock = r
}

// take makes one call and records its end. It returns false when there is no use
// in going on now.
func (g *Gateway) take(j *job, s step, rank int) (e end, on bool) {
	e = g.timedCall(j, s, rank)
	if e.look {
		e = g.lookInstead(j, e, rank)
	}
	j.trouble = e.trouble
	if e.refused != nil {
		j.refused = e.refused
	}
	if e.event.Kind == 0 {
		return e, !e.later
	}
	version := j.lock.Version
	// What a call came to is recorded even when it was cut off.
	ctx, sp := span.Begin(context.WithoutCancel(j.under), "ledger Record")
	sp.Text("event", e.event.Kind.String())
	l, err := g.ledger.Record(ctx, j.id, e.event)
	ledgered(sp, &l, err)
	if err != nil {
		return e, g.recordFailed(j, e, err)
	}
	j.lock = l
	g.hub.lockChanged(&l)
	g.log.in(j.under).stepped(&l, e)
	// An event that changed nothing (a "none" within the grace time, say) would
	// only lead to the same call again, save a freeze that stands as it stood.
	return e, !e.later && (l.Version != version || e.standing)
}

// lookInstead asks FindOrder in place of a write that was answered with
// "duplicate" or "wrong state". When that cannot be asked either, the write's
// outcome stays unknown.
func (g *Gateway) lookInstead(j *job, write end, rank int) end {
	e := g.timedCall(j, find, rank)
	if e.err == nil && (e.event.Kind != 0 || !e.later) {
		return e
	}
	write.later = true
	return write
}

// timedCall makes a call under its own deadline: it ends neither because the
// caller left nor because the process is asked to stop.
func (g *Gateway) timedCall(j *job, s step, rank int) end {
	limit := g.settings.Calls.Write
	if s == find && !j.lock.AskFirst { // else the HIS is asked for several numbers
		limit = g.settings.Calls.Read
	}
	ctx, cancel := context.WithTimeout(j.under, limit)
	defer cancel()
	start := g.now()
	e := g.call(withRank(ctx, max(rank, rankOf(&j.lock))), &j.lock, s)
	e.event.Began = start
	g.log.in(ctx).called(&j.lock, e, g.now().Sub(start))
	return e
}

// recordFailed deals with an event that the ledger did not take. A fault (the
// HIS contradicts itself, or a race that we lost) is logged and looked at later;
// anything else means that the ledger is gone.
func (g *Gateway) recordFailed(j *job, e end, err error) (on bool) {
	g.log.in(j.under).refused(&j.lock, e, err)
	g.lost.Store(true)
	if _, fault := errors.AsType[*lockstore.FaultError](err); !fault {
		j.err = err
	}
	return false
}

// atLeast is the shortest pause after an end: a HIS that refuses our calls as
// such is left alone, and one that names a time is given it.
func (g *Gateway) atLeast(l *lockstore.Lock, e end) time.Duration {
	var d time.Duration
	if e.trouble != nil {
		d = min(e.trouble.RetryAfter, maxRetryAfter)
		if e.trouble.Outcome == hisadapter.Misconfigured {
			d = max(d, g.settings.Resolver.Misconfigured)
		}
	}
	if e.op == opFindOrder && e.err == nil {
		// The word that is not believed yet will be when the grace time is over.
		d = max(d, g.ledger.GraceLeft(l.ID()))
	}
	return d
}

// maxRetryAfter bounds what a HIS may ask for, so that a wrong header does not
// put an order to sleep.
const maxRetryAfter = 5 * time.Minute

// record reads an attempt. The ledger answers only with what is durable, so the
// intent of every call that follows from it is.
func (g *Gateway) record(id lockstore.ID) (lockstore.Lock, error) {
	l, err := g.ledger.Get(g.base, "", id.OrderNo)
	if err != nil || l.Attempt == id.Attempt {
		return l, err
	}
	all, err := g.ledger.Attempts(g.base, id.OrderNo)
	if err != nil {
		return l, err
	}
	for _, l := range all {
		if l.Attempt == id.Attempt {
			return l, nil
		}
	}
	return l, lockstore.ErrNotFound
}
