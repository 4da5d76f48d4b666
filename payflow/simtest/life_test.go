package simtest_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/gatewaylocks"
)

// life is one process of hisgate, wired as the program wires it: from opening
// the disk until it crashes or ends.
type life struct {
	w         *world
	number    int
	disk      *memengine.Engine
	committer *engine.Committer
	ledger    *lockstore.Ledger
	gateway   *gateway.Gateway
	orders    *payflow.Service
	opened    time.Time

	over    atomic.Bool
	cancel  context.CancelFunc
	workers sync.WaitGroup
}

func (l *life) dead() bool { return l.over.Load() }

// throw throws the dice about the next thing of that name in this life: whether a
// call left in the very instant of a death is the runtime's to say, and changes
// nothing in the lives after.
func (l *life) throw(what, id string) roll {
	return l.w.throw(fmt.Sprintf("%s, life %d,", what, l.number), id)
}

// wallClock is the machine's clock, which people set; its monotonic half does
// not care.
type wallClock struct {
	w     *world
	start time.Time
}

func (c wallClock) Now() time.Time      { return c.w.wall() }
func (c wallClock) Mono() time.Duration { return time.Since(c.start) }

// begin opens hisgate over what the disk has kept. It fails when a crash meets
// the opening.
func (w *world) begin(disk *memengine.Engine, number int) (l *life, err error) {
	l = &life{w: w, number: number, disk: disk, opened: time.Now()}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	w.mu.Lock()
	w.last = l
	w.mu.Unlock()
	l.committer = engine.NewCommitter(disk, engine.CommitterOptions{})
	defer func() {
		if err != nil {
			l.end(context.Background())
		}
	}()
	logger := slog.New(slog.DiscardHandler)
	if w.logs != nil {
		logger = slog.New(slog.NewTextHandler(w.logs, nil))
	}
	if l.ledger, err = lockstore.Open(ctx, lockstore.Options{
		Committer: l.committer, Policy: gateway.Policy(w.plan.caps, w.stock), Clock: wallClock{w, l.opened}, Logger: logger,
	}); err != nil {
		return l, err
	}
	his, err := guard.New(newDoor(w, l), w.guard, guard.Deps{Random: func() float64 { return l.throw("pause", "").Float64() }})
	if err != nil {
		panic(err)
	}
	if l.gateway, err = gateway.Open(gateway.Options{HIS: his, Ledger: l.ledger, Settings: w.stock, Logger: logger, Now: w.wall}); err != nil {
		panic(err)
	}
	money := w.money
	money.CanCancel, money.CanFind = l.gateway.CanCancel(), l.gateway.CanFind()
	pay := channel{w, l}
	var bills payflow.Bills
	if w.plan.reconcile {
		bills = pay
	}
	if l.orders, err = payflow.Open(ctx, payflow.Options{
		Committer: l.committer, Locks: gatewaylocks.New(l.gateway), Pay: pay, Bills: bills, Settings: money, Now: w.wall, Logger: logger,
		Restore: gatewaylocks.Restore(l.ledger.Restore()),
		Hooks: payflow.Hooks{
			OnTransition: func(_ payflow.Strategy, from, to payflow.State) { w.moved(string(from), string(to)) },
			OnAlert: func(a payflow.Alert) {
				w.trace.say("hisgate", "alert %s %s %s %s %s", a.Name, a.Severity, a.OrderNo, a.CaseID, a.Detail)
				if a.Name == "worker_fault" {
					w.violated("no worker fails", a.OrderNo, "%s", a.Detail)
				}
			},
		},
	}); err != nil {
		return l, err
	}
	l.gateway.SetOwner(gatewaylocks.NewOwner(l.orders))
	l.workers.Go(func() { _ = l.gateway.Run(ctx) })
	l.workers.Go(func() { _ = l.orders.Run(ctx) })
	back := &gatewaylocks.Recovery{Ledger: l.ledger, Gateway: l.gateway, Orders: l.orders, Log: logger}
	l.workers.Go(func() { _ = back.Run(ctx) })
	w.trace.say("world", "hisgate is up, life %d", number)
	return l, nil
}

// end stops everything. A process that died in ctx's stead gets no time: what
// was under way is cut off.
func (l *life) end(ctx context.Context) {
	l.cancel()
	l.workers.Wait()
	if l.gateway != nil {
		l.gateway.Close(ctx)
	}
	l.over.Store(true)
	if l.ledger != nil {
		_ = l.ledger.Close()
	}
	_ = l.committer.Close()
}

// kill ends a life at this very moment.
func (l *life) kill() {
	l.over.Store(true)
	now, gone := context.WithCancel(context.Background())
	gone()
	l.end(now)
}
