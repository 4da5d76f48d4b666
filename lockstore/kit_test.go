package lockstore_test

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// testClock is a clock that tests move. Wall and monotonic time move together,
// unless a test sets the wall clock.
type testClock struct {
	mu   sync.Mutex
	wall time.Time
	mono time.Duration
}

func newTestClock() *testClock {
	return &testClock{wall: time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC), mono: time.Hour}
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *testClock) Mono() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mono
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
	c.mono += d
}

func (c *testClock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
}

// tester is what a kit needs of a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// kit is a ledger over a simulated disk, with the calls that tests make often.
type kit struct {
	tester
	*lockstore.Ledger
	ctx   context.Context
	clock *testClock
	disk  *memengine.Engine
	real  *folder // in place of disk, when set
	opts  lockstore.Options
	cases []lockstore.Lock
}

// The policies of the two kinds of HIS.
func noFreeze() lockstore.Policy {
	return lockstore.Policy{AtomicItems: true, IdempotentByHisNo: true, Find: true, Grace: 20 * time.Second, MaxStale: 5 * time.Minute}
}

func netFreeze() lockstore.Policy {
	p := noFreeze()
	p.Freeze, p.NetFigure = true, true
	p.FreezeMargin = time.Minute
	return p
}

func open(t testing.TB, p lockstore.Policy, change ...func(*lockstore.Options)) *kit {
	t.Helper()
	k := &kit{tester: t, ctx: t.Context(), clock: newTestClock(), disk: memengine.New(memengine.Options{})}
	k.opts = lockstore.Options{Policy: p, OnCase: func(l lockstore.Lock) { k.cases = append(k.cases, l) }}
	for _, c := range change {
		c(&k.opts)
	}
	k.start()
	return k
}

func (k *kit) engine() engine.Engine {
	if k.real != nil {
		return k.real
	}
	return k.disk
}

func (k *kit) start() {
	k.Helper()
	k.opts.Committer = engine.NewCommitter(k.engine(), engine.CommitterOptions{})
	k.opts.Clock = k.clock
	l, err := lockstore.Open(k.ctx, k.opts)
	if err != nil {
		k.Fatal(err)
	}
	k.Ledger = l
	committer := k.opts.Committer
	k.Cleanup(func() { _ = committer.Close() })
}

// reopen closes everything properly and opens it again.
func (k *kit) reopen() {
	k.Helper()
	k.must(k.Ledger.Close())
	k.must(k.opts.Committer.Close())
	if k.real != nil {
		k.real.reopen()
	} else {
		k.disk = k.disk.Reopen()
	}
	k.start()
}

// crash pulls the plug and opens again.
func (k *kit) crash() {
	k.Helper()
	old := k.opts.Committer
	if k.real != nil {
		k.real.kill(old.Close)
	} else {
		k.disk = k.disk.Crash()
		_ = old.Close()
	}
	k.start()
}

func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

const (
	alice    = "alice"
	bob      = "bob"
	pharmacy = "HLWYF"
	drugA    = "00010041"
	drugB    = "00010042"
)

var keyA = lockstore.Key{PharmacyID: pharmacy, DrugID: drugA}

// reading is a fresh one: stamped and begun now.
func (k *kit) reading(onHand int64) lockstore.Reading {
	return lockstore.Reading{Stamp: k.Stamp(), Began: k.Mono(), OnHand: onHand, Multiple: 1}
}

// request asks for n units of drug A, on a fresh reading of onHand.
func (k *kit) request(orderNo string, n, onHand int64) lockstore.LockRequest {
	return lockstore.LockRequest{
		Principal: alice, OrderNo: orderNo, PharmacyID: pharmacy, TTL: 15 * time.Minute,
		Items:    []lockstore.Item{{DrugID: drugA, Quantity: n}},
		Readings: map[string]lockstore.Reading{drugA: k.reading(onHand)},
	}
}

// lock makes a lock of n units of drug A out of 100.
func (k *kit) lock(orderNo string, n int64) lockstore.Lock {
	k.Helper()
	l, created, err := k.Lock(k.ctx, k.request(orderNo, n, 100))
	if err != nil || !created {
		k.Fatalf("Lock %s: created %v, %v", orderNo, created, err)
	}
	return l
}

// frozen makes a lock and has the HIS freeze it until expires ("" TTL = never).
func (k *kit) frozen(orderNo string, n int64, ttl time.Duration) lockstore.Lock {
	k.Helper()
	l := k.lock(orderNo, n)
	ev := lockstore.Event{Kind: lockstore.EvFreezeDone, Op: lockstore.OpFreeze, HISLockID: "DJ-" + orderNo}
	if ttl > 0 {
		ev.FreezeExpires = k.clock.Now().Add(ttl)
	}
	return k.record(l.ID(), ev)
}

func (k *kit) record(id lockstore.ID, ev lockstore.Event) lockstore.Lock {
	k.Helper()
	l, err := k.Record(k.ctx, id, ev)
	if err != nil {
		k.Fatalf("Record %s of %v: %v", ev.Kind, id, err)
	}
	return l
}

func (k *kit) confirm(orderNo string) lockstore.Lock {
	k.Helper()
	l, _, err := k.Confirm(k.ctx, alice, orderNo, lockstore.Reference{TransactionID: "T-" + orderNo, DrugsFen: 100})
	k.must(err)
	return l
}

// confirmed confirms a lock and has the HIS place the order.
func (k *kit) confirmed(orderNo string) lockstore.Lock {
	k.Helper()
	l := k.confirm(orderNo)
	return k.record(l.ID(), lockstore.Event{Kind: lockstore.EvOrderPlaced, Op: lockstore.OpPlaceOrder, HISOrderNo: "H-" + orderNo})
}

func (k *kit) get(orderNo string) lockstore.Lock {
	k.Helper()
	l, err := k.Get(k.ctx, "", orderNo)
	k.must(err)
	return l
}

// held is what counts of drug A against a reading.
func (k *kit) held(r lockstore.Reading) int64 {
	k.Helper()
	a, err := k.Available(keyA, r, nil)
	k.must(err)
	return a.Held
}

func (k *kit) wantHeld(r lockstore.Reading, want int64) {
	k.Helper()
	if got := k.held(r); got != want {
		k.Fatalf("held %d, want %d", got, want)
	}
}

func (k *kit) wantStatus(orderNo string, want lockstore.Status) lockstore.Lock {
	k.Helper()
	l := k.get(orderNo)
	if l.Status != want {
		k.Fatalf("%s is %s, want %s\n%s", orderNo, l.Status, want, story(l))
	}
	return l
}

// story tells a lock's history, for failures.
func story(l lockstore.Lock) string {
	s := fmt.Sprintf("%s attempt %d, case %q:", l.OrderNo, l.Attempt, l.CaseReason)
	for _, h := range l.History {
		s += fmt.Sprintf("\n  %d× %s: %s → %s %s", h.Count, h.Event, h.From, h.To, cmp.Or(h.Message, h.Code))
	}
	return s
}
