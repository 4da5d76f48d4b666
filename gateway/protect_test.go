package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

// The crowd before a HIS that bears 4 calls at a time and needs 300 ms for each.
const (
	crowdDrugs   = 100
	crowdTime    = time.Minute
	crowdEvery   = 5 * time.Second
	crowdLimit   = 4
	crowdLatency = 300 * time.Millisecond
	codeBusy     = "3001" // the HIS's own word for: I am full
)

// crowd is who stands before it: each reads a drug, takes a lock or deducts an
// order every 5 s.
type crowd struct{ readers, lockers, confirmers int }

// waits are how long each use took, in simulated time.
type waits struct {
	mu     sync.Mutex
	took   map[string][]time.Duration
	failed map[string]int
}

func (w *waits) note(use string, took time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failed[use]++
		return
	}
	w.took[use] = append(w.took[use], took)
}

// at is the p-th part of the waits of a use; all must be sorted.
func (w *waits) at(use string, p float64) time.Duration {
	all := w.took[use]
	if len(all) == 0 {
		return 0
	}
	return all[int(p*float64(len(all)-1))]
}

// result is what a crowd did to the HIS, and what it got.
type result struct {
	waits
	his   simhis.Counters
	state gateway.State
	cold  int // stock queries of the first five seconds, in which each key is read for the first time
}

func (r *result) calls(ops ...simhis.Op) (n int) {
	for _, op := range ops {
		n += r.his.Ops[op].Calls
	}
	return n
}

// busy is how often the HIS turned a call away because it was full.
func (r *result) busy() (n int) {
	for _, op := range r.his.Ops {
		n += op.Codes[codeBusy]
	}
	return n
}

// row is the result as a line of docs/protect.md.
func (r *result) row(name string) string {
	cell := func(use string) string {
		if len(r.took[use])+r.failed[use] == 0 {
			return "–"
		}
		s := fmt.Sprintf("%.1f / %.1f s", r.at(use, 0.5).Seconds(), r.at(use, 0.99).Seconds())
		if n := r.failed[use]; n > 0 {
			s += fmt.Sprintf(", %d of %d failed", n, n+len(r.took[use]))
		}
		return s
	}
	all := 0
	for _, op := range r.his.Ops {
		all += op.Calls
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %s | %s | %s |", name, all, r.busy(), r.his.PeakPerSecond, r.his.MaxInFlight, cell("read"), cell("lock"), cell("confirm"))
}

// stand lets a crowd stand before the HIS for a minute, with hisgate in between
// or without.
func stand(t *testing.T, c crowd, batch int, guarded bool) *result {
	return standBefore(t, c, crowdLimit, batch, guarded)
}

// standBefore is stand before a HIS that bears only so many calls at a time.
func standBefore(t *testing.T, c crowd, limit, batch int, guarded bool) *result {
	r := &result{waits: waits{took: map[string][]time.Duration{}, failed: map[string]int{}}}
	bubble(t, func(t *testing.T) {
		caps := plainHIS
		caps.BatchSize = batch
		w := newWorld(t, caps, func(w *world) {
			w.his = crowdHIS(t, caps, limit)
			w.guard.MaxConcurrent = limit
		})
		uses := direct(w.his.Driver())
		if guarded {
			uses = through(w.g)
		}
		ctx, cancel := context.WithTimeout(t.Context(), crowdTime)
		defer cancel()
		var wg sync.WaitGroup
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		worker := func(n int, name string, do use) {
			for i := range n {
				random := rand.New(rand.NewPCG(seed, uint64(i)))
				wg.Go(func() {
					time.Sleep(time.Duration(random.Int64N(int64(crowdEvery))))
					for try := 0; ctx.Err() == nil; try++ {
						began := time.Now()
						from, err := do(ctx, fmt.Sprintf("%s-%d-%d", name, i, try), fmt.Sprint("D", random.IntN(crowdDrugs)))
						switch took := time.Since(from); {
						case ctx.Err() == nil:
							r.note(name, took, err)
						case took > crowdEvery: // not done when the minute was over
							r.note(name, took, ctx.Err())
						}
						time.Sleep(time.Until(began.Add(crowdEvery)))
					}
				})
			}
		}
		worker(c.readers, "read", uses.read)
		worker(c.lockers, "lock", uses.lock)
		worker(c.confirmers, "confirm", uses.confirm)
		time.Sleep(crowdEvery)
		r.cold = w.calls(simhis.OpQueryStock)
		wg.Wait()
		r.his, r.state = w.his.Counters(), w.g.State()
		w.wantSoundBooks()
	})
	for _, all := range r.took {
		slices.Sort(all)
	}
	return r
}

func crowdHIS(t *testing.T, caps hisadapter.Capabilities, limit int) *simhis.HIS {
	t.Helper()
	var c simhis.Catalogue
	for i := range crowdDrugs {
		id := fmt.Sprint("D", i)
		c.Drugs = append(c.Drugs, simhis.Drug{ID: id, Facts: hisadapter.Facts{Name: id, Unit: "片"}})
		c.Stock = append(c.Stock, simhis.Stock{Key: key(id), OnHand: 1_000_000})
	}
	his, err := simhis.New(simhis.Config{
		Capabilities: caps, Catalogue: c, Pace: simhis.Pace{Latency: crowdLatency, Limit: limit},
	})
	if err != nil {
		t.Fatal(err)
	}
	return his
}

// use does one thing for a new order number and a drug, and says from when its
// wait counts.
type use func(ctx context.Context, no, drug string) (from time.Time, err error)

type wanted struct{ read, lock, confirm use }

// through asks hisgate. A confirmation counts from when the stock is held.
func through(g *gateway.Gateway) wanted {
	lock := func(ctx context.Context, no, drug string) (time.Time, error) {
		from := time.Now()
		_, err := g.Lock(ctx, order(no, drug, 1))
		return from, err
	}
	return wanted{
		read: func(ctx context.Context, _, drug string) (time.Time, error) {
			from := time.Now()
			_, err := g.GetStock(ctx, key(drug), gateway.Cached)
			return from, err
		},
		lock: lock,
		confirm: func(ctx context.Context, no, drug string) (time.Time, error) {
			if from, err := lock(ctx, no, drug); err != nil {
				return from, err
			}
			from := time.Now()
			_, err := g.Confirm(ctx, "p", no, lockstore.Reference{TransactionID: "T" + no})
			return from, err
		},
	}
}

// direct asks the HIS itself, as a back end without hisgate does: a reading for
// each reader and each lock, and a deduction that is tried again when it is busy.
func direct(d hisadapter.Driver) wanted {
	read := func(ctx context.Context, _, drug string) (time.Time, error) {
		from := time.Now()
		_, err := d.QueryStock(ctx, []hisadapter.Key{key(drug)})
		return from, err
	}
	return wanted{
		read: read, lock: read,
		confirm: func(ctx context.Context, no, drug string) (time.Time, error) {
			from := time.Now()
			for {
				_, err := d.PlaceOrder(ctx, hisadapter.PlaceOrderRequest{
					HisNo: no, PharmacyID: pharmacy, Lines: []hisadapter.Line{{DrugID: drug, Quantity: 1}}, TransactionID: "T" + no,
				})
				if hisadapter.OutcomeOf(err) != hisadapter.Busy || ctx.Err() != nil {
					return from, err
				}
				time.Sleep(time.Second)
			}
		},
	}
}

// TestTenThousandReaders: whatever the readers do, the HIS sees one batch call
// in 10 s for each batch of keys, and never more than it bears (I7).
func TestTenThousandReaders(t *testing.T) {
	for batch, readers := range map[int]int{100: crowdSize, 20: 2000} {
		r := stand(t, crowd{readers: readers}, batch, true)
		warm, batches := r.calls(simhis.OpQueryStock)-r.cold, crowdDrugs/batch
		t.Logf("%d readers, batches of %d: %d calls, then %d; %+v", readers, batch, r.cold, warm, r.state.Cache)
		// A figure's age begins before its call, and jitter shortens it to 9 s:
		// rounds begin 9, 18, … 54 s after the first. In the cold, calls go out
		// with what is wanted so far; no timer waits for company.
		if rounds := 6; warm > rounds*batches+1 {
			t.Errorf("batches of %d: %d calls in 55 s, want at most %d", batch, warm, rounds*batches+1)
		}
		if r.cold > 8*batches {
			t.Errorf("batches of %d: %d calls for the first readings of %d batches", batch, r.cold, batches)
		}
		if r.his.MaxInFlight > crowdLimit || r.busy() > 0 {
			t.Errorf("batches of %d: %d calls at once, %d turned away", batch, r.his.MaxInFlight, r.busy())
		}
		if r.failed["read"] > 0 || len(r.took["read"]) < 10*readers {
			t.Errorf("batches of %d: %d reads, %d failed", batch, len(r.took["read"]), r.failed["read"])
		}
	}
}

// TestTheCrowdBeforeASlowHIS is the table of docs/protect.md.
func TestTheCrowdBeforeASlowHIS(t *testing.T) {
	quiet := stand(t, crowd{lockers: 50, confirmers: 20}, 100, true)
	guarded := stand(t, crowd{readers: crowdSize, lockers: 50, confirmers: 20}, 100, true)
	naked := stand(t, crowd{readers: crowdSize, lockers: 50, confirmers: 20}, 100, false)
	t.Log("\n" + strings.Join([]string{
		"| before the HIS | calls | turned away | most in a second | most at once | read p50 / p99 | lock p50 / p99 | confirm p50 / p99 |",
		"| --- | --- | --- | --- | --- | --- | --- | --- |",
		quiet.row("hisgate, 50 lockers, 20 confirmers"),
		guarded.row(fmt.Sprintf("hisgate, the same and %d readers", crowdSize)),
		naked.row("nothing, the same crowd"),
	}, "\n"))
	if guarded.his.MaxInFlight > crowdLimit || guarded.busy() > 0 {
		t.Errorf("%d calls at once, %d turned away", guarded.his.MaxInFlight, guarded.busy())
	}
	for use, n := range guarded.failed {
		t.Errorf("%d of %s failed", n, use)
	}
	if with, alone := guarded.at("confirm", 0.99), quiet.at("confirm", 0.99); with > 2*alone {
		t.Errorf("a confirmation took %v with the readers and %v without", with, alone)
	}
	if naked.busy() < 10*crowdSize || naked.failed["read"] == 0 {
		t.Errorf("the bare HIS turned away %d calls: the comparison compares nothing", naked.busy())
	}
}

// TestTheCrowdBeforeAHISThatBearsOneCall: with one slot none is Confirm's own, and
// still nobody is lost: each has its turn, Confirm first.
func TestTheCrowdBeforeAHISThatBearsOneCall(t *testing.T) {
	one := func(c crowd) *result { return standBefore(t, c, 1, 100, true) }
	quiet := one(crowd{lockers: 5, confirmers: 3})
	crowded := one(crowd{readers: crowdSize, lockers: 5, confirmers: 3})
	if crowded.his.MaxInFlight != 1 || crowded.busy() > 0 {
		t.Errorf("%d calls at once, %d turned away", crowded.his.MaxInFlight, crowded.busy())
	}
	for use, n := range crowded.failed {
		t.Errorf("%d of %s failed", n, use)
	}
	if len(crowded.took["confirm"]) == 0 || len(crowded.took["lock"]) == 0 {
		t.Error("nobody was served")
	}
	if with, alone := crowded.at("confirm", 0.99), quiet.at("confirm", 0.99); with > 2*alone {
		t.Errorf("a confirmation took %v with the readers and %v without", with, alone)
	}
}
