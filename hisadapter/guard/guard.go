package guard

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Guard is a hisadapter.Driver that protects another one. It is safe for
// concurrent use. Its own errors are *hisadapter.Error too; one that it turned
// away itself has a *Rejection inside.
type Guard struct {
	driver   hisadapter.Driver
	caps     hisadapter.Capabilities
	settings Settings
	deps     Deps

	sched   *scheduler
	breaker *breaker
	budget  *budget
	pauses  *pauses
	suspect *suspects
	overdue atomic.Int64
	turned  rejections
	// known is a key that was read with success, for probes that have none.
	known atomic.Pointer[hisadapter.Key]
}

// Deps are what a Guard tells others, and asks. Each may be nil. They are called without
// locks, from any goroutine, and must not block.
type Deps struct {
	// OnMisconfigured hears each answer of the HIS that an operation is
	// misconfigured, to alert.
	OnMisconfigured func(*hisadapter.Error)
	// Observe hears the end of each attempt and each rejection.
	Observe func(Call)
	// Random is what pauses are jittered with, in [0, 1).
	// Nil means chance; a simulation hands in what its seed decides.
	Random func() float64
}

// Call is one attempt, or one that the guard turned away.
type Call struct {
	Op      string
	Class   Class
	Attempt int           // from 1
	Waited  time.Duration // for its turn
	Took    time.Duration // at the HIS, 0 when it was turned away
	Outcome hisadapter.Outcome
	Err     error // nil when Done; holds a *Rejection when turned away
}

// New puts a guard around driver. It returns the faults of settings.
func New(driver hisadapter.Driver, settings Settings, deps Deps) (*Guard, error) {
	if err := settings.Validate(); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if deps.Random == nil {
		deps.Random = rand.Float64
	}
	caps := driver.Capabilities()
	if caps.BatchSize < 1 {
		return nil, errors.New("guard: the driver declares a batch size below 1")
	}
	sched := newScheduler(settings)
	return &Guard{
		driver: driver, caps: caps, settings: settings, deps: deps,
		sched:   sched,
		breaker: newBreaker(settings.Breaker, settings.minCalls(), sched.hung, deps.Random),
		budget:  newBudget(settings.Retry.Budget),
		pauses: &pauses{
			pause: settings.MisconfiguredPause, after: settings.MisconfiguredAfter, hook: deps.OnMisconfigured,
			ops: make(map[string]*paused),
		},
		suspect: newSuspects(),
	}, nil
}

// Settings returns what the guard was made with.
func (g *Guard) Settings() Settings { return g.settings }

// Capabilities returns the driver's.
func (g *Guard) Capabilities() hisadapter.Capabilities { return g.caps }

// Freeze is the driver's, guarded.
func (g *Guard) Freeze(ctx context.Context, r hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	if !g.caps.Freeze {
		return hisadapter.Freeze{}, hisadapter.Unsupported("Freeze")
	}
	o := operation{name: "Freeze", write: true, timeout: g.settings.Timeouts.Freeze, class: ClassFreeze}
	o.probe = g.probe(r.HisNo, r.PharmacyID, r.Lines)
	return do(ctx, g, o, func(ctx context.Context) (hisadapter.Freeze, error) { return g.driver.Freeze(ctx, r) })
}

// Unfreeze is the driver's, guarded.
func (g *Guard) Unfreeze(ctx context.Context, r hisadapter.UnfreezeRequest) error {
	if !g.caps.Freeze {
		return hisadapter.Unsupported("Unfreeze")
	}
	o := operation{name: "Unfreeze", write: true, timeout: g.settings.Timeouts.Unfreeze, class: ClassClientRelease}
	o.probe = g.probe(r.HisNo, r.PharmacyID, r.Lines)
	_, err := do(ctx, g, o, func(ctx context.Context) (struct{}, error) { return struct{}{}, g.driver.Unfreeze(ctx, r) })
	return err
}

// PlaceOrder is the driver's, guarded. It is sent again only when the HIS was
// busy or the request never left.
func (g *Guard) PlaceOrder(ctx context.Context, r hisadapter.PlaceOrderRequest) (hisadapter.HISOrder, error) {
	o := operation{name: "PlaceOrder", write: true, timeout: g.settings.Timeouts.PlaceOrder, class: ClassConfirm}
	o.probe = g.probe(r.HisNo, r.PharmacyID, r.Lines)
	return do(ctx, g, o, func(ctx context.Context) (hisadapter.HISOrder, error) { return g.driver.PlaceOrder(ctx, r) })
}

// FindOrder is the driver's, guarded.
func (g *Guard) FindOrder(ctx context.Context, hisNo string) (hisadapter.Found, error) {
	if !g.caps.Find {
		return hisadapter.Found{}, hisadapter.Unsupported("FindOrder")
	}
	return do(ctx, g, g.finding(), func(ctx context.Context) (hisadapter.Found, error) { return g.driver.FindOrder(ctx, hisNo) })
}

func (g *Guard) finding() operation {
	return operation{name: "FindOrder", timeout: g.settings.Timeouts.FindOrder, class: ClassQuery}
}

// CancelOrder is the driver's, guarded.
func (g *Guard) CancelOrder(ctx context.Context, hisNo, hisOrderNo string) error {
	if !g.caps.Cancel {
		return hisadapter.Unsupported("CancelOrder")
	}
	o := operation{name: "CancelOrder", write: true, timeout: g.settings.Timeouts.CancelOrder, class: ClassConfirm}
	o.probe = g.probe(hisNo, "", nil)
	_, err := do(ctx, g, o, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, g.driver.CancelOrder(ctx, hisNo, hisOrderNo)
	})
	return err
}

// ListOrders is the driver's, guarded.
func (g *Guard) ListOrders(ctx context.Context, day time.Time) ([]hisadapter.HISOrder, error) {
	if !g.caps.List {
		return nil, hisadapter.Unsupported("ListOrders")
	}
	o := operation{name: "ListOrders", timeout: g.settings.Timeouts.ListOrders, slow: true, class: ClassRefresh}
	return do(ctx, g, o, func(ctx context.Context) ([]hisadapter.HISOrder, error) { return g.driver.ListOrders(ctx, day) })
}

var errNothingToRead = errors.New("nothing is known that a probe could read")

// probe reads a drug of a write, or what became of its his_no, or any key that
// was read before, once.
func (g *Guard) probe(hisNo, pharmacy string, lines []hisadapter.Line) func(context.Context) error {
	return func(ctx context.Context) error {
		key := g.known.Load()
		if len(lines) > 0 {
			key = &hisadapter.Key{PharmacyID: pharmacy, DrugID: lines[0].DrugID}
		}
		var err error
		switch {
		case key != nil:
			_, err = once(ctx, g, classed(ctx, g.querying()), 1, func(ctx context.Context) ([]hisadapter.Reading, error) {
				return g.driver.QueryStock(ctx, []hisadapter.Key{*key})
			})
		case g.caps.Find:
			_, err = once(ctx, g, classed(ctx, g.finding()), 1, func(ctx context.Context) (hisadapter.Found, error) {
				return g.driver.FindOrder(ctx, hisNo)
			})
		default:
			return errNothingToRead
		}
		if hisadapter.OutcomeOf(err) == hisadapter.Refused {
			return nil // an answer is an answer
		}
		return err
	}
}

// classed gives an operation the class that the caller named.
func classed(ctx context.Context, o operation) operation {
	if c, ok := ClassOf(ctx); ok {
		o.class = c
	}
	return o
}

func (g *Guard) observe(o operation, n int, err error, waited, took time.Duration) {
	if g.deps.Observe == nil {
		return
	}
	g.deps.Observe(Call{
		Op: o.name, Class: o.class, Attempt: n, Waited: waited, Took: took, Outcome: hisadapter.OutcomeOf(err), Err: err,
	})
}
