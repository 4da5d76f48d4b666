package payflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/internal/sparse"
	"github.com/hisgate/hisgate/lockstore/engine"
)

// Options is what a Service is made of.
type Options struct {
	Committer *engine.Committer // the store, shared with the ledger; all keys begin with "o/"
	Locks     Locks
	Pay       PayChannel       // nil: payment is disabled, only Check answers; see Unworked
	Bills     Bills            // nil: nothing is reconciled
	Settings  Settings         // see Default
	Now       func() time.Time // nil: time.Now. Timers are the runtime's (testing/synctest)
	Logger    *slog.Logger     // nil: discard
	Hooks     Hooks
	Restore   Restore // the store's last restore from a backup, if there was one
}

// Hooks let metrics and alerting listen. They are called from the workers, after
// what they report is durable, and must not block; nil ones are skipped.
type Hooks struct {
	OnTransition func(strategy Strategy, from, to State)
	// OnStep: an outside call ended. outcome is "done" or a Trouble's kind.
	OnStep  func(op, outcome string, took time.Duration)
	OnAlert func(Alert)
}

// Alert is something that a person should hear of now. Names: misconfigured,
// not_enough, refund_limit, case_opened, case_overdue, worker_fault,
// reconciliation_late.
type Alert struct {
	Name     string
	Severity Severity
	OrderNo  string
	CaseID   string
	Detail   string

	// Of alerts about a case:
	Fen      int64     // the money that it is about; 0 = none, or not known
	Deadline time.Time // a person should have settled it by then
	Text     Words     // what happened and what to do; names no patient
}

// Service drives orders. Its methods may be called by several goroutines at once.
// Unless a method says otherwise it blocks until its change is durable, and
// every method may return ErrStopped, ErrDisabled and the error of its context.
type Service struct {
	committer *engine.Committer
	engine    engine.Engine
	locks     Locks
	pay       PayChannel
	bills     Bills
	set       Settings
	now       func() time.Time
	log       *slog.Logger
	hooks     Hooks

	keys  keyedMutex // one order at a time
	judge sync.Mutex // what orders share: rx, brake; held while writes are appended
	rx    rxIndex    // under judge
	brake brakeRecord

	mu       sync.Mutex // what follows; never held over anything that blocks
	restore  Restore
	entries  map[string]*entry
	due      dueHeap
	tickets  uint64           // of places in queues
	wall     time.Time        // when the orders were last planned, by the wall clock
	setBack  bool             // since then the wall clock was set back
	cases    map[string]*Case // open ones, as they are durable
	bells    map[string][]*bell
	watchers int
	inbox    inboxState
	recon    reconcileState
	counts   counters
	refusals sparse.Lines // of callbacks, in the log

	queues [poolCount]*queue
	wake   chan struct{} // the scheduler should look again
	dead   chan struct{} // closed when the storage failed or Run ended
	deadBy error
	once   sync.Once
}

// Open loads the active orders, open cases and unread letters. The work itself
// begins with Run. Errors: the settings' own, *FormatError, or what the storage
// says.
func Open(ctx context.Context, o Options) (*Service, error) {
	if err := o.Settings.Validate(); err != nil {
		return nil, fmt.Errorf("order settings: %w", err)
	}
	if o.Committer == nil || o.Locks == nil {
		return nil, errors.New("the order service needs a store and the locks")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		committer: o.Committer, engine: o.Committer.Engine(),
		locks: o.Locks, pay: o.Pay, bills: o.Bills, set: o.Settings, now: o.Now,
		log: o.Logger, hooks: o.Hooks.filled(),
		rx:      rxIndex{},
		restore: o.Restore,
		entries: map[string]*entry{},
		cases:   map[string]*Case{},
		bells:   map[string][]*bell{},
		inbox:   newInbox(o.Committer.Engine().Epoch()),
		counts:  newCounters(),
		recon:   newReconcileState(),
		wake:    make(chan struct{}, 1),
		dead:    make(chan struct{}),
	}
	for p := range s.queues {
		s.queues[p] = newQueue()
	}
	for _, load := range []func(context.Context) error{s.loadCases, s.loadOrders, s.loadInbox, s.loadBrake} {
		if err := load(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (h Hooks) filled() Hooks {
	if h.OnTransition == nil {
		h.OnTransition = func(Strategy, State, State) {}
	}
	if h.OnStep == nil {
		h.OnStep = func(string, string, time.Duration) {}
	}
	if h.OnAlert == nil {
		h.OnAlert = func(Alert) {}
	}
	return h
}

// Run works until ctx ends (then it returns nil, after the steps under way have
// come to an end) or the storage fails (then the error; the process should exit).
// With payment disabled it only waits. Call it once.
func (s *Service) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	if s.pay != nil {
		sizes := [poolCount]int{poolLocal: 4, poolHIS: s.set.HISWorkers, poolPay: s.set.PayWorkers}
		for p, n := range sizes {
			for range n {
				wg.Go(func() { s.work(ctx, pool(p)) })
			}
		}
		wg.Go(func() { s.schedule(ctx) })
		wg.Go(func() { s.mind(ctx) })
		wg.Go(func() { s.lookBack(ctx) })
		if s.bills != nil {
			wg.Go(func() { s.reconcile(ctx) })
		}
	}
	var err error
	select {
	case <-ctx.Done():
	case <-s.dead:
		err = s.deadBy
	case <-s.committer.Failed():
		err = s.committer.Err()
	}
	cancel()
	for _, q := range s.queues {
		q.close()
	}
	wg.Wait()
	s.die(ErrStopped)
	return err
}

// Enabled reports whether payment is: without it only Check answers.
func (s *Service) Enabled() bool { return s.pay != nil }

// Unworked is how many active orders and unread notices nobody works on because
// payment is disabled; 0 when it is not. Money may be among them, so the program
// should warn. It reads memory and does not block.
func (s *Service) Unworked() int {
	if s.pay != nil {
		return 0
	}
	return s.activeOrders()
}

// die ends the service: waiting calls answer ErrStopped.
func (s *Service) die(err error) {
	s.once.Do(func() {
		s.deadBy = err
		close(s.dead)
	})
}

// alive is nil, ErrDisabled or ErrStopped.
func (s *Service) alive() error {
	if s.pay == nil {
		return ErrDisabled
	}
	select {
	case <-s.dead:
		return ErrStopped
	default:
		return nil
	}
}

// change runs f on the order under its key and makes the result durable.
// Whatever f returns as an error discards the change.
func (s *Service) change(ctx context.Context, no string, f func(*unit) error) (Order, error) {
	if err := s.alive(); err != nil {
		return Order{}, err
	}
	unlock, err := s.keys.lock(ctx, no)
	if err != nil {
		return Order{}, err
	}
	defer unlock()
	u, err := s.begin(no)
	if err != nil {
		return Order{}, err
	}
	defer u.release()
	u.cause = span.Cause(ctx)
	if err := f(u); err != nil {
		return Order{}, err
	}
	if err := u.commit(); err != nil {
		return Order{}, err
	}
	if u.o == nil {
		return Order{}, ErrNotFound
	}
	return *u.o, nil
}

// loadOrders reads the active orders; all of them are looked at once Run starts.
func (s *Service) loadOrders(ctx context.Context) error {
	return s.engine.Scan([]byte(prefixActive), after(prefixActive), func(key, value []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		o, err := decodeOrder(key, value)
		if err != nil {
			return err
		}
		s.rx.set(o)
		s.show(o, placeActive, nil, nil)
		return nil
	})
}
