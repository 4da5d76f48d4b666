package gateway_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
)

// dice is a source of chance that goroutines share.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (d *dice) n(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

// randomFault is any trouble that a HIS has with any call.
func (d *dice) fault() simhis.Fault {
	ops := []simhis.Op{simhis.OpFreeze, simhis.OpPlaceOrder, simhis.OpUnfreeze, simhis.OpFindOrder, simhis.OpQueryStock}
	what := []simhis.Trouble{
		simhis.TimeoutBefore, simhis.TimeoutAfter, simhis.LateApply, simhis.BusyNow, simhis.Misconfigured,
		simhis.HTTP500, simhis.Garbage, simhis.Truncated, simhis.Reset, simhis.LapseFirst, simhis.Down, simhis.Slow,
	}
	return simhis.Fault{
		Op: ops[d.n(len(ops))], What: what[d.n(len(what))], Times: 1 + d.n(3), Apply: d.n(2) == 0,
		After: time.Duration(d.n(12000)) * time.Millisecond,
	}
}

// customers place n orders, each of which is confirmed, released or left to
// expire, as the dice have it, by callers with more or less patience.
func customers(w *world, d *dice, n int) *sync.WaitGroup {
	wg := new(sync.WaitGroup)
	patience := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), time.Duration(10+d.n(15000))*time.Millisecond)
	}
	for i := range n {
		wg.Go(func() {
			time.Sleep(time.Duration(d.n(120000)) * time.Millisecond)
			no := fmt.Sprintf("O%d", i)
			r := order(no, "A", int64(1+d.n(3)))
			r.TTL = time.Duration(60+d.n(600)) * time.Second
			for range 1 + d.n(4) {
				ctx, leave := patience()
				_, err := w.gateway().Lock(ctx, r)
				leave()
				if err == nil {
					break
				}
				time.Sleep(time.Duration(d.n(8000)) * time.Millisecond)
			}
			time.Sleep(time.Duration(d.n(60000)) * time.Millisecond)
			fate := d.n(3)
			for range 1 + d.n(4) {
				ctx, leave := patience()
				switch fate {
				case 0, 1:
					_, _ = w.gateway().Confirm(ctx, "p", no, lockstore.Reference{TransactionID: "T" + no})
				case 2:
					_, _ = w.gateway().Release(ctx, "p", no)
				}
				leave()
				time.Sleep(time.Duration(d.n(8000)) * time.Millisecond)
			}
		})
	}
	return wg
}

// settleCases does what a person does with a case: looks into the HIS's books,
// and says what is there.
func (w *world) settleCases(n int) {
	w.t.Helper()
	for i := range n {
		all, err := w.g.Attempts(w.t.Context(), fmt.Sprintf("O%d", i))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, l := range all {
			if l.CaseReason == "" {
				continue
			}
			b, _ := w.his.Books().Order(l.HISNo)
			applied, no := b.State == hisadapter.Deducted, ""
			switch {
			case applied:
				no = b.Orders[0].OrderNo
			case l.Status == lockstore.Pending:
				applied = b.State == hisadapter.Frozen
			}
			if _, err := w.g.Resolve(w.t.Context(), l.ID(), applied, no, "cashier"); err != nil {
				w.t.Errorf("settling %s (%v: %s): %v", l.HISNo, l.Status, l.CaseReason, err)
			}
		}
	}
}

// wantAgreement holds every lock against the HIS's own books.
func (w *world) wantAgreement(n int) (confirmed int) {
	w.t.Helper()
	w.wantSoundBooks()
	for i := range n {
		no := fmt.Sprintf("O%d", i)
		all, err := w.g.Attempts(w.t.Context(), no)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, l := range all {
			b, _ := w.his.Books().Order(l.HISNo)
			if b.Applications() > 1 {
				w.t.Errorf("%s was deducted %d times", l.HISNo, b.Applications())
			}
			switch l.Status {
			case lockstore.Confirmed:
				confirmed++
				if b.Applications() != 1 || b.State != hisadapter.Deducted {
					w.t.Errorf("%s is confirmed, and at the HIS it is %v", l.HISNo, b.State)
				}
			case lockstore.Released:
				if b.Applications() != 0 || b.State == hisadapter.Frozen {
					w.t.Errorf("%s is released, and at the HIS it is %v, applied %d times", l.HISNo, b.State, b.Applications())
				}
				if !l.Settled() {
					w.t.Errorf("%s is released and not settled", l.HISNo)
				}
			default:
				w.t.Errorf("%s ended %v (unknown %v, case %q): %+v", l.HISNo, l.Status, l.Unknown, l.CaseReason, l.History)
			}
		}
	}
	return confirmed
}

// TestRandomTrouble lets customers, a selling counter, every kind of fault and
// restarts at any moment loose on each kind of HIS. In the end all that hisgate
// believes is what the HIS's books say, nothing was deducted twice, and nothing
// stays held.
func TestRandomTrouble(t *testing.T) {
	all := maps.Clone(kinds)
	all["careless"] = with(plainHIS, careless)
	all["careless freezing"] = with(freezingHIS, careless)
	all["mute"] = with(plainHIS, func(c *hisadapter.Capabilities) { c.Find = false })
	for kind, caps := range all {
		t.Run(kind, func(t *testing.T) {
			seeds(t, 10, func(t *testing.T, r *rand.Rand) {
				const orders = 30
				d := &dice{r: r}
				w := newWorld(t, caps, func(w *world) { w.guard.Retry.Attempts = 1 + d.n(3) })
				if err := w.his.SetStock(key("A"), int64(20+d.n(60))); err != nil {
					t.Fatal(err)
				}
				wg := customers(w, d, orders)
				over := make(chan struct{})
				go func() {
					wg.Wait()
					close(over)
				}()
				for trouble := true; trouble; {
					select {
					case <-over:
						trouble = false
					case <-time.After(time.Duration(d.n(4000)) * time.Millisecond):
					}
					switch d.n(12) {
					case 0:
						w.crash()
					case 1:
						w.restart()
					case 2, 3:
						w.sell("A", int64(1+d.n(2)))
					default:
						w.inject(d.fault())
					}
				}
				w.his.ClearFaults()
				w.runDown()
				w.settleCases(orders)
				w.settle()
				w.wantAgreement(orders)
				if b, _ := w.his.Books().Of(key("A")); b.Frozen != 0 {
					t.Errorf("%d units stay frozen", b.Frozen)
				}
			})
		})
	}
}

// TestWhatIsHeldCanBeConfirmed: when nobody else takes from the HIS, every lock
// that was given can be confirmed, however readings, confirmations and releases
// cross each other, and whatever the HIS's figures lag.
func TestWhatIsHeldCanBeConfirmed(t *testing.T) {
	for kind, caps := range kinds {
		for _, lag := range []time.Duration{0, 3 * time.Second} {
			t.Run(fmt.Sprintf("%s, figures lag %v", kind, lag), func(t *testing.T) {
				caps.FigureLag = lag
				seeds(t, 4, func(t *testing.T, r *rand.Rand) {
					d := &dice{r: r}
					w := newWorld(t, caps, func(w *world) {
						if d.n(2) == 0 {
							w.settings.Lock.Freshness = 0 // cached
						}
					})
					if err := w.his.SetStock(key("A"), int64(20+d.n(60))); err != nil {
						t.Fatal(err)
					}
					if err := w.his.SetPace(simhis.Pace{Latency: 20 * time.Millisecond, Jitter: 900 * time.Millisecond}); err != nil {
						t.Fatal(err)
					}
					var wg sync.WaitGroup
					var mu sync.Mutex
					confirmed, refused := 0, 0
					for i := range 120 {
						wg.Go(func() {
							time.Sleep(time.Duration(d.n(30000)) * time.Millisecond)
							no := fmt.Sprintf("O%d", i)
							if _, err := w.lock(order(no, "A", int64(1+d.n(3)))); err != nil {
								mu.Lock()
								defer mu.Unlock()
								refused++
								return
							}
							time.Sleep(time.Duration(d.n(5000)) * time.Millisecond)
							if d.n(3) == 0 {
								_, _ = w.g.Release(context.Background(), "p", no)
								return
							}
							if _, err := w.confirm(no); err != nil {
								t.Errorf("%s was held, and its confirmation ended with %v", no, err)
								return
							}
							mu.Lock()
							defer mu.Unlock()
							confirmed++
						})
					}
					wg.Wait()
					if confirmed == 0 || refused == 0 {
						t.Errorf("%d confirmed, %d refused: the test shows nothing", confirmed, refused)
					}
					w.wantSoundBooks()
				})
			})
		}
	}
}

// careless is a HIS that takes the same his_no twice, endless one whose freezes
// never lapse.
func careless(c *hisadapter.Capabilities) { c.IdempotentByHisNo = false }
func endless(c *hisadapter.Capabilities)  { c.FreezeTTL = 0 }

func with(c hisadapter.Capabilities, edit func(*hisadapter.Capabilities)) hisadapter.Capabilities {
	edit(&c)
	return c
}
