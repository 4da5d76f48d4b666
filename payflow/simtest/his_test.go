package simtest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// door is the way from one life of hisgate, below its guard, to the HIS: what
// goes wrong is thrown for call by call, and how hard hisgate presses is
// measured [I7].
type door struct {
	hisadapter.Driver
	w *world
	l *life

	mu      sync.Mutex
	inside  int
	linger  []time.Time // calls that timed out occupy the HIS until then
	tokens  float64
	updated time.Time
}

func newDoor(w *world, l *life) *door {
	return &door{Driver: w.his.Driver(), w: w, l: l, tokens: float64(w.guard.Burst), updated: time.Now()}
}

// hisTroubles are the troubles of the operations. "late" is longer for a freeze,
// which hisgate looks at again for a day, than for a deduct, of which the design
// only believes that it arrives within the grace time [C1].
type hisTrouble struct {
	name   string
	weight int
	fault  func(w *world, r roll, op simhis.Op) simhis.Fault
}

func simple(what simhis.Trouble) func(*world, roll, simhis.Op) simhis.Fault {
	return func(*world, roll, simhis.Op) simhis.Fault { return simhis.Fault{What: what} }
}

func broken(what simhis.Trouble, apply bool) func(*world, roll, simhis.Op) simhis.Fault {
	return func(*world, roll, simhis.Op) simhis.Fault { return simhis.Fault{What: what, Apply: apply} }
}

func refuses(kind hisadapter.Kind) func(*world, roll, simhis.Op) simhis.Fault {
	return func(*world, roll, simhis.Op) simhis.Fault { return simhis.Fault{What: simhis.Refuse, Kind: kind} }
}

func appliedLate(w *world, r roll, op simhis.Op) simhis.Fault {
	after := r.between(100*time.Millisecond, 17*time.Second)
	if op == simhis.OpFreeze && w.plan.caps.IdempotentByHisNo && r.chance(0.4) {
		after = r.between(17*time.Second, 20*time.Minute)
	}
	return simhis.Fault{What: simhis.LateApply, After: after}
}

func slow(_ *world, r roll, _ simhis.Op) simhis.Fault {
	return simhis.Fault{What: simhis.Slow, After: r.between(500*time.Millisecond, 14*time.Second)}
}

var hisReads = []hisTrouble{
	{"hangs", 3, simple(simhis.TimeoutBefore)},
	{"busy", 2, simple(simhis.BusyNow)},
	{"refuses us as such", 1, simple(simhis.Misconfigured)},
	{"500", 1, broken(simhis.HTTP500, false)},
	{"garbage", 1, broken(simhis.Garbage, false)},
	{"cut off", 2, broken(simhis.Reset, false)},
	{"not sent", 1, simple(simhis.Down)},
	{"slow", 3, slow},
}

var hisWrites = []hisTrouble{
	{"hangs, not applied", 3, simple(simhis.TimeoutBefore)},
	{"hangs, applied", 4, simple(simhis.TimeoutAfter)},
	{"applied late", 5, appliedLate},
	{"busy", 2, simple(simhis.BusyNow)},
	{"refuses us as such", 1, simple(simhis.Misconfigured)},
	{"500, not applied", 2, broken(simhis.HTTP500, false)},
	{"500, applied", 2, broken(simhis.HTTP500, true)},
	{"garbage, applied", 2, broken(simhis.Garbage, true)},
	{"half an answer, applied", 2, broken(simhis.Truncated, true)},
	{"cut off, applied", 3, broken(simhis.Reset, true)},
	{"cut off, not applied", 2, broken(simhis.Reset, false)},
	{"not sent", 2, simple(simhis.Down)},
	{"slow", 3, slow},
	{"sent twice", 2, nil},
}

// hisRefusals are the refusals by operation.
var hisRefusals = map[simhis.Op][]hisTrouble{
	simhis.OpFreeze: {
		{"refuses: insufficient", 1, refuses(hisadapter.Insufficient)},
		{"refuses: other", 1, refuses(hisadapter.KindOther)},
	},
	simhis.OpPlaceOrder: {
		{"refuses: insufficient", 2, refuses(hisadapter.Insufficient)},
		{"refuses: price changed", 1, refuses(hisadapter.PriceChanged)},
		{"refuses: amount mismatch", 1, refuses(hisadapter.AmountMismatch)},
		{"refuses: stopped", 1, refuses(hisadapter.Stopped)},
		{"refuses: other", 1, refuses(hisadapter.KindOther)},
		{"lets the freeze lapse first", 1, simple(simhis.LapseFirst)},
	},
	simhis.OpCancelOrder: {
		{"refuses: other", 2, refuses(hisadapter.KindOther)},
	},
	simhis.OpUnfreeze: {
		{"refuses: other", 1, refuses(hisadapter.KindOther)},
		{"lets the freeze lapse first", 1, simple(simhis.LapseFirst)},
	},
}

func troublesOf(op simhis.Op) []hisTrouble {
	if op == simhis.OpQueryStock || op == simhis.OpFindOrder || op == simhis.OpListOrders {
		return hisReads
	}
	return append(hisWrites[:len(hisWrites):len(hisWrites)], hisRefusals[op]...)
}

// trouble throws for the trouble of a call; a name without a fault is "sent
// twice".
func (d *door) trouble(r roll, op simhis.Op) (t hisTrouble, ok bool) {
	w := d.w
	switch {
	case w.out(hisDown):
		return hisTrouble{hisDown, 0, simple(simhis.Down)}, true
	case w.out(hisHangs):
		return hisTrouble{hisHangs, 0, simple(simhis.TimeoutBefore)}, true
	case w.out(hisMisconfigured):
		return hisTrouble{hisMisconfigured, 0, simple(simhis.Misconfigured)}, true
	case !w.troubled() || !r.chance(w.plan.his*rarity(op)):
		return hisTrouble{}, false
	}
	all := troublesOf(op)
	sum := 0
	for _, t := range all {
		sum += t.weight
	}
	n := r.IntN(sum)
	for _, t = range all {
		if n -= t.weight; n < 0 {
			break
		}
	}
	switch {
	case t.fault == nil && !w.plan.caps.IdempotentByHisNo,
		t.name == "lets the freeze lapse first" && (w.plan.overdraw || !w.plan.caps.Freeze):
		// A HIS that takes a number twice, and one that gives what it does not have,
		// cannot be saved from these.
		return hisTrouble{}, false
	}
	return t, true
}

// rarity makes up for there being few calls of an operation.
func rarity(op simhis.Op) float64 {
	switch op {
	case simhis.OpUnfreeze, simhis.OpCancelOrder:
		return 2.5
	case simhis.OpFreeze, simhis.OpPlaceOrder:
		return 1.5
	default:
		return 1
	}
}

// hisCall takes one call to the HIS.
func hisCall[T any](d *door, ctx context.Context, op simhis.Op, id string, send func(context.Context) (T, error)) (T, error) {
	w := d.w
	var zero T
	if d.l.dead() {
		return zero, &hisadapter.Error{Op: string(op), Outcome: hisadapter.NotSent, Err: errDown}
	}
	r := d.l.throw("HIS "+string(op), id)
	// Calls of the same instant reach the HIS one after the other, and their time
	// is over one after the other, so that their order is the seed's.
	ctx, cancel := sooner(ctx, r)
	defer cancel()
	if !sleep(ctx, r.between(time.Microsecond, time.Millisecond)) {
		return zero, &hisadapter.Error{Op: string(op), Outcome: hisadapter.NotSent, Err: context.Cause(ctx)}
	}
	d.enter(op, id)
	t, ok := d.trouble(r, op)
	switch {
	case ok && t.fault == nil:
		w.tally.fault("HIS: " + t.name)
		w.background(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_, _ = send(ctx)
		})
	case ok:
		w.tally.fault("HIS: " + t.name + inOp(t.name, op))
		w.tally.fault("HIS: any trouble" + inOp("", op))
		f := t.fault(w, r, op)
		f.Op, f.Times = op, 1
		switch op {
		case simhis.OpQueryStock:
			f.DrugID = strings.SplitN(id, ",", 2)[0]
		case simhis.OpListOrders:
		default:
			f.HisNo = id
		}
		if _, err := w.his.Inject(f); err != nil {
			panic(err)
		}
	}
	v, err := send(ctx)
	d.leave(ctx)
	if d.l.dead() {
		return v, err // nobody is left to tell it
	}
	w.trace.say("hisgate", "HIS %s %s → %s%s", op, id, said(v, err), note(ok, " ["+t.name+"]"))
	return v, err
}

// sooner ends a call's time a little before its caller does.
func sooner(ctx context.Context, r roll) (context.Context, context.CancelFunc) {
	at, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, at.Add(-r.between(time.Microsecond, time.Millisecond)))
}

// inOp tells freezes from deducts where it matters.
func inOp(name string, op simhis.Op) string {
	if strings.HasPrefix(name, "outage") {
		return ""
	}
	return " (" + string(op) + ")"
}

func said[T any](v T, err error) string {
	if err != nil {
		return err.Error()
	}
	switch v := any(v).(type) {
	case hisadapter.Found:
		return v.State.String() + " " + v.OrderNo
	case []hisadapter.Reading:
		var b strings.Builder
		for _, r := range v {
			fmt.Fprintf(&b, "%s=%d ", r.Key.DrugID, r.OnHand)
		}
		return b.String()
	case []hisadapter.HISOrder:
		return fmt.Sprintf("%d orders", len(v))
	case hisadapter.HISOrder:
		return "order " + v.OrderNo
	case hisadapter.Freeze:
		return "frozen " + v.LockID
	default:
		return "done"
	}
}

// enter counts a call in and holds what hisgate does against its guard's limits.
func (d *door) enter(op simhis.Op, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	busy := d.inside + 1
	for _, until := range d.linger {
		if until.After(now) {
			busy++
		}
	}
	d.inside++
	g := d.w.guard
	if busy > g.MaxConcurrent {
		d.w.violated("I7 the HIS sees no more calls at once than the guard allows", id, "%s is the %dth, with those that timed out", op, busy)
	}
	d.tokens = min(float64(g.Burst), d.tokens+now.Sub(d.updated).Seconds()*g.Rate) - 1
	d.updated = now
	if d.tokens < -0.05 { // calls take up to a millisecond to get here
		d.w.violated("I7 the HIS sees no more calls a second than the guard allows", id, "%s is %.2f calls over", op, -d.tokens)
	}
}

func (d *door) leave(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside--
	now := time.Now()
	keep := d.linger[:0]
	for _, until := range d.linger {
		if until.After(now) {
			keep = append(keep, until)
		}
	}
	d.linger = keep
	if ctx.Err() == context.DeadlineExceeded {
		d.linger = append(d.linger, now.Add(d.w.guard.BusyAfterTimeout-time.Second))
	}
}

func (d *door) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.DrugID
	}
	return hisCall(d, ctx, simhis.OpQueryStock, strings.Join(ids, ","), func(ctx context.Context) ([]hisadapter.Reading, error) {
		return d.Driver.QueryStock(ctx, keys)
	})
}

func (d *door) Freeze(ctx context.Context, r hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	return hisCall(d, ctx, simhis.OpFreeze, r.HisNo, func(ctx context.Context) (hisadapter.Freeze, error) { return d.Driver.Freeze(ctx, r) })
}

func (d *door) Unfreeze(ctx context.Context, r hisadapter.UnfreezeRequest) error {
	_, err := hisCall(d, ctx, simhis.OpUnfreeze, r.HisNo, func(ctx context.Context) (struct{}, error) { return struct{}{}, d.Driver.Unfreeze(ctx, r) })
	return err
}

func (d *door) PlaceOrder(ctx context.Context, r hisadapter.PlaceOrderRequest) (hisadapter.HISOrder, error) {
	return hisCall(d, ctx, simhis.OpPlaceOrder, r.HisNo, func(ctx context.Context) (hisadapter.HISOrder, error) { return d.Driver.PlaceOrder(ctx, r) })
}

func (d *door) FindOrder(ctx context.Context, hisNo string) (hisadapter.Found, error) {
	return hisCall(d, ctx, simhis.OpFindOrder, hisNo, func(ctx context.Context) (hisadapter.Found, error) { return d.Driver.FindOrder(ctx, hisNo) })
}

func (d *door) ListOrders(ctx context.Context, day time.Time) ([]hisadapter.HISOrder, error) {
	return hisCall(d, ctx, simhis.OpListOrders, dayOf(day), func(ctx context.Context) ([]hisadapter.HISOrder, error) {
		return d.Driver.ListOrders(ctx, day)
	})
}

func (d *door) CancelOrder(ctx context.Context, hisNo, hisOrderNo string) error {
	_, err := hisCall(d, ctx, simhis.OpCancelOrder, hisNo, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, d.Driver.CancelOrder(ctx, hisNo, hisOrderNo)
	})
	return err
}
