package lockstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// TestLinearizable runs short random histories of callers at once, with crashes
// and failing disks in between, and asks for each whether the answers could have
// come from calls made one after the other. HISGATE_HISTORIES sets how many,
// HISGATE_SEED the first seed: a failing one gives the same calls again, though
// not the same interleaving, so repeat it with -count.
func TestLinearizable(t *testing.T) {
	n := envNumber(t, "HISGATE_HISTORIES", 1200)
	first := envNumber(t, "HISGATE_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed %d, %d histories", first, n)
	var calls, unknown, crashes atomic.Int64
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= n || t.Failed() {
					return
				}
				h := newLinHistory(first + i)
				if err := h.run(); err != nil {
					t.Errorf("seed %d: %v", h.seed, err)
					return
				}
				if porcupine.CheckOperationsTimeout(h.rules.model(), h.ops, time.Minute) != porcupine.Ok {
					t.Errorf("seed %d, %+v: no order of these calls explains their answers; repeat with HISGATE_SEED=%d HISGATE_HISTORIES=1 -count=1000\n%s",
						h.seed, h.rules, h.seed, linStory(h.ops))
				}
				calls.Add(int64(len(h.ops)))
				crashes.Add(h.failures.Load())
				for _, op := range h.ops {
					if op.Output.(linAnswer).kind == linUnknown {
						unknown.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d calls, %d crashes and failed disks, %d calls with an unknown outcome", calls.Load(), crashes.Load(), unknown.Load())
	if n >= 100 && (crashes.Load() < int64(n/4) || unknown.Load() < int64(n/4)) {
		t.Error("too few crashes met a call: the test proves little")
	}
}

func envNumber(t testing.TB, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// linHistory is one history: a simulated disk with its openings, and what was
// called and answered.
type linHistory struct {
	seed    uint64
	rules   linRules
	crashes bool
	clock   *tickingClock
	his     linHIS
	time    atomic.Int64 // of calls and answers; every value is given once

	syncs    int         // the committing goroutine's alone
	faults   map[int]int // by the number of the sync that it meets
	failures atomic.Int64

	mu      sync.Mutex
	opening *linOpening
	disk    *memengine.Engine // the newest
	ops     []porcupine.Operation
}

// linOpening is the ledger between two crashes.
type linOpening struct {
	ledger    *lockstore.Ledger
	committer *engine.Committer
	crashed   atomic.Int64 // when, 0 = it lives
}

const linClients, linCalls = 5, 7

func newLinHistory(seed uint64) *linHistory {
	rnd := rand.New(rand.NewPCG(seed, 0))
	h := &linHistory{seed: seed, clock: &tickingClock{}, faults: map[int]int{}}
	h.rules = linRules{live: rnd.IntN(3) == 0, apart: rnd.IntN(2) == 0, safety: rnd.Int64N(2)}
	if h.crashes = rnd.IntN(4) > 0; h.crashes {
		for range 1 + rnd.IntN(2) {
			h.faults[1+rnd.IntN(9)] = rnd.IntN(4)
		}
	}
	h.disk = memengine.New(memengine.Options{Sync: h.sync})
	return h
}

// sync is the disk at work. It gives others a turn, and fails or loses power
// where the history says so: the batch may have reached the disk or not.
func (h *linHistory) sync() {
	for range 3 {
		runtime.Gosched()
	}
	h.syncs++
	fault, ok := h.faults[h.syncs]
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch fault {
	case 0:
		h.disk = h.disk.Crash()
	case 1:
		h.disk = h.disk.CrashKeepingInFlight()
	case 2:
		h.disk.FailNext(memengine.Fault{Err: syscall.ENOSPC})
	case 3:
		h.disk.FailNext(memengine.Fault{Err: syscall.EIO, Kept: true})
	}
	h.failures.Add(1)
	h.opening.crashed.Store(h.time.Add(1))
}

func (h *linHistory) current() *linOpening {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.opening
}

// openAfter opens the ledger again after the opening that failed, unless
// somebody else has.
func (h *linHistory) openAfter(failed *linOpening) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.opening != failed {
		return nil
	}
	if failed != nil {
		_ = failed.committer.Close()
		if errors.Is(failed.committer.Err(), syscall.ENOSPC) || errors.Is(failed.committer.Err(), syscall.EIO) {
			h.disk = h.disk.Reopen()
		}
	}
	c := engine.NewCommitter(h.disk, engine.CommitterOptions{})
	l, err := lockstore.Open(context.Background(), lockstore.Options{
		Committer: c, Clock: h.clock, Policy: noFreeze(),
		Safety: lockstore.SafetyPolicy{Default: lockstore.SafetyRule{Units: h.rules.safety}},
	})
	if err != nil {
		return err
	}
	h.opening = &linOpening{ledger: l, committer: c}
	return nil
}

func (h *linHistory) note(op porcupine.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
}

// run lets the clients work, pulls the plug once more, and looks at everything.
func (h *linHistory) run() error {
	if err := h.openAfter(nil); err != nil {
		return err
	}
	errs := make([]error, linClients)
	var wg sync.WaitGroup
	for i := range linClients {
		c := &linClient{linHistory: h, number: i, rnd: rand.New(rand.NewPCG(h.seed, uint64(i+1)))}
		wg.Go(func() { errs[i] = c.work(linCalls) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}

	last := h.current()
	_ = last.committer.Close()
	if last.crashed.Load() == 0 {
		h.disk = h.disk.Crash()
		last.crashed.Store(h.time.Add(1))
	}
	clear(h.faults)
	h.crashes = false
	if err := h.openAfter(last); err != nil {
		return err
	}
	c := &linClient{linHistory: h, number: linClients}
	looks := []linCall{{op: "due"}}
	if h.rules.apart {
		looks = nil
	}
	for i := range linOrders {
		looks = append(looks, linCall{op: "get", order: i, drug: i % linDrugs})
	}
	for d := range linDrugs {
		if h.rules.live {
			looks = append(looks, linCall{op: "held by open ones", drug: d})
		} else {
			looks = append(looks, linCall{op: "held", drug: d})
		}
	}
	for _, in := range looks {
		if _, err := c.call(in); err != nil {
			return fmt.Errorf("at the end, %+v: %w", in, err)
		}
	}
	return h.opening.committer.Close()
}

// reading is the figure of a HIS that is live, or else one of before all time,
// which knows of nothing that was ever held.
func (h *linHistory) reading(g *linOpening, drug int) lockstore.Reading {
	l := g.ledger
	if !h.rules.live {
		return lockstore.Reading{Stamp: lockstore.Stamp{Epoch: l.Stamp().Epoch}, OnHand: linStock}
	}
	r := lockstore.Reading{Stamp: l.Stamp(), Began: l.Mono()}
	r.OnHand = h.his.onHand(drug)
	_ = l.Observe(linKey(drug), r) // refused when it is too old already, as it is allowed to be
	return r
}

// linHIS deducts each order once.
type linHIS struct {
	mu       sync.Mutex
	deducted [linOrders]linUnits
}

func (h *linHIS) place(order int, units linUnits) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deducted[order] = units
}

func (h *linHIS) onHand(drug int) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	left := int64(linStock)
	for _, units := range h.deducted {
		left -= units[drug]
	}
	return left
}

// tickingClock moves with every look at it, so that the shortest TTL is over at
// the next.
type tickingClock struct{ ticks atomic.Int64 }

func (c *tickingClock) Mono() time.Duration { return time.Duration(c.ticks.Add(1)) * time.Microsecond }

func (c *tickingClock) Now() time.Time {
	return time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC).Add(c.Mono())
}
