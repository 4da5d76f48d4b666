package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/lockstore"
)

// LockRequest asks to hold an order's stock.
type LockRequest struct {
	Principal  string // whose lock it is; strangers get ErrNotFound [E1]
	OrderNo    string
	PharmacyID string
	Items      []lockstore.Item // 1 to 100; the same drug twice is summed
	TTL        time.Duration    // 0 = Lock.DefaultTTL; a longer one than possible is cut for an Owner, else refused
	Attributes map[string]string
	Owner      bool // expiry asks the owner; payflow only [B6]
	Paid       bool // a paid order: safety stock does not count [A8]
	NewAttempt bool // begin the next attempt after one that ended and is settled [B5]
}

// Lock holds all items or none. It blocks until the record is durable and, at a
// HIS that freezes, until that answered or ctx ends. A repeat joins, and is
// answered with the lock as it stands. The error is nil only for LOCKED and
// CONFIRMED; with ErrOutcomeUnknown and *HISError the lock comes along as it
// stands, if there is one.
//
// Errors: those of lockstore.Ledger.Precheck and Lock; *HISError (no live reading
// could be had, and Lock.Degraded does not allow an old one; or the HIS cannot be
// asked to freeze now, and will be); *HISRefusedError; ErrOutcomeUnknown;
// ErrOverloaded; ErrClosed; the error of ctx before anything was recorded.
func (g *Gateway) Lock(ctx context.Context, r LockRequest) (lockstore.Lock, error) {
	l, err := g.hold(ctx, r)
	g.tally.holds.count(err)
	return l, err
}

func (g *Gateway) hold(ctx context.Context, r LockRequest) (lockstore.Lock, error) {
	if r.TTL == 0 {
		r.TTL = g.settings.Lock.DefaultTTL
	}
	longest := g.longestTTL()
	if r.Owner {
		r.TTL = min(r.TTL, longest) // its owner is asked then, and may keep it
	}
	if r.TTL < 0 || r.TTL > longest {
		return lockstore.Lock{}, &lockstore.InvalidError{
			Field: "ttl", Reason: "must lie between 1s and " + longest.String(),
		}
	}
	req := lockstore.LockRequest{
		Principal: r.Principal, OrderNo: r.OrderNo, PharmacyID: r.PharmacyID, Items: r.Items,
		TTL: r.TTL, Attributes: r.Attributes, Owner: r.Owner, Paid: r.Paid, NewAttempt: r.NewAttempt,
	}
	l, repeat, err := g.ledger.Precheck(ctx, req)
	if err == nil && !repeat {
		req.Readings, req.Degraded, err = g.readings(ctx, &r, g.lockLive(&r))
	}
	if err != nil {
		return l, err
	}
	leave := sync.OnceFunc(g.desk.attend(r.OrderNo))
	defer leave()
	if !repeat {
		if l, err = g.judge(ctx, &r, req); err != nil {
			return l, err
		}
	}
	return g.finishLock(ctx, l, leave)
}

// longestTTL is the longest time for which a lock can be asked for: it must be
// over PayMargin before the HIS lets its freeze lapse [A7].
func (g *Gateway) longestTTL() time.Duration {
	longest := g.settings.Lock.MaxTTL
	if g.caps.Freeze && g.settings.Freeze && g.caps.FreezeTTL > 0 {
		longest = min(longest, g.caps.FreezeTTL-g.settings.PayMargin)
	}
	return longest
}

// interrupted makes clear that a command whose caller left while it was becoming
// durable may have been carried out.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return err
}

// lockLive reports whether the lock is judged on a live reading. A paid order is,
// whatever the setting [B1].
func (g *Gateway) lockLive(r *LockRequest) bool {
	return g.settings.Lock.Freshness == Live || r.Paid
}

// judge has the ledger decide by the readings. Those from before one against
// which holds were dropped are loaded again, live [A1].
func (g *Gateway) judge(ctx context.Context, r *LockRequest, req lockstore.LockRequest) (lockstore.Lock, error) {
	for try := 1; ; try++ {
		in, s := span.Begin(ctx, "ledger Lock")
		s.Text("order_no", r.OrderNo)
		l, created, err := g.ledger.Lock(in, req)
		ledgered(s, &l, err)
		switch {
		case err == nil:
			if created {
				g.hub.lockChanged(&l)
				g.log.in(ctx).held(&l)
			}
			return l, nil
		case !isStale(err):
			return l, interrupted(ctx, err)
		case req.Degraded || try == maxReloads:
			return l, &HISError{Op: opQueryStock, Outcome: hisadapter.NotSent, Err: err}
		}
		if req.Readings, req.Degraded, err = g.readings(ctx, r, true); err != nil {
			return l, err
		}
	}
}

// ledgered ends the span of a step of the ledger, which was durable when it
// answered.
func ledgered(s span.Span, l *lockstore.Lock, err error) {
	if s.On() {
		s.Text("his_no", l.HISNo)
		s.Text("status", l.Status.String())
		_, short := errors.AsType[*lockstore.ShortageError](err)
		s.Flag("short", short)
		s.End(err != nil && !short && !isStale(err))
	}
}

// finishLock brings a recorded lock to the answer that its caller may have.
func (g *Gateway) finishLock(ctx context.Context, l lockstore.Lock, joined func()) (lockstore.Lock, error) {
	var j *job
	if l.Status == lockstore.Pending || l.AskFirst && g.caps.Find {
		var err error
		if l, j, err = g.seeThrough(ctx, l, rankCheck, joined); err != nil {
			return l, err
		}
	}
	switch {
	case l.AskFirst && g.caps.Find:
		return l, unfinished(j)
	case l.Status == lockstore.Locked || l.Status == lockstore.Confirmed:
		return l, nil
	case l.Status == lockstore.Pending || l.Status == lockstore.Confirming:
		return l, unfinished(j)
	default:
		return l, ended(j, &l)
	}
}

// seeThrough joins or begins the work on a lock, says so, and waits for its end.
// An error means that the end is not known.
func (g *Gateway) seeThrough(ctx context.Context, l lockstore.Lock, rank int, joined func()) (lockstore.Lock, *job, error) {
	j := g.pursue(l.ID(), visitor{rank: rank, asked: true, cause: span.Cause(ctx)})
	joined()
	if j == nil {
		return l, nil, ErrOutcomeUnknown // the next process goes on with it
	}
	if err := j.wait(ctx); err != nil {
		return l, nil, ErrOutcomeUnknown
	}
	if j.err != nil {
		return l, j, j.err
	}
	return j.lock, j, nil
}

// unfinished says why a lock is still PENDING or CONFIRMING: a refusal that a
// person must settle, a HIS that cannot be asked, or an outcome that is not known.
func unfinished(j *job) error {
	switch {
	case j == nil:
		return ErrOutcomeUnknown
	case j.refused != nil:
		r := *j.refused
		r.ForGood = false // the lock goes on, so this was not the last word
		return &r
	case j.lock.CaseKind == lockstore.CaseDoubt:
		r := refusalOf(&j.lock)
		r.ForGood = false
		return r
	case j.trouble != nil && !j.lock.Unknown:
		return j.trouble
	default:
		return ErrOutcomeUnknown
	}
}

// ended says why a lock is over, or on its way there: the HIS's refusal, if that
// was it.
func ended(j *job, l *lockstore.Lock) error {
	switch {
	case j != nil && j.refused != nil:
		return j.refused
	case l.Cause != lockstore.ForShortage && l.Cause != lockstore.ByHIS:
		return lockstore.ErrLockEnded
	}
	return refusalOf(l) // it came to someone else
}

// refusalOf is the HIS's refusal as the record has it.
func refusalOf(l *lockstore.Lock) *HISRefusedError {
	r := &HISRefusedError{ForGood: true}
	if len(l.Shortages) > 0 {
		r.Kind = hisadapter.Insufficient
		for _, s := range l.Shortages {
			r.Shortages = append(r.Shortages, hisadapter.Shortage(s))
		}
	}
	for _, s := range l.History {
		if s.Event == lockstore.EvFreezeRefused || s.Event == lockstore.EvOrderRefused {
			r.Code, r.Message = s.Code, s.Message
		}
	}
	return r
}

// GetLock returns the order's latest attempt. Errors: lockstore.ErrNotFound, also
// for a stranger.
func (g *Gateway) GetLock(ctx context.Context, principal, orderNo string) (lockstore.Lock, error) {
	return g.ledger.Get(ctx, principal, orderNo)
}

// Attempts returns all attempts of an order, the first one first, whoever made
// them.
func (g *Gateway) Attempts(ctx context.Context, orderNo string) ([]lockstore.Lock, error) {
	return g.ledger.Attempts(ctx, orderNo)
}

// ListLocks returns a page of locks and the token of the next.
func (g *Gateway) ListLocks(ctx context.Context, q lockstore.Query) ([]lockstore.Lock, string, error) {
	return g.ledger.List(ctx, q)
}
