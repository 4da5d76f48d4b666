package adaptertest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
)

// Of 16 orders for 3 out of 20 exactly 6 are taken, whatever comes between.
func testConcurrentOrders(t *testing.T, r *rig) {
	r.SetStock(t, r.key(0), 20)
	var done, short atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			_, err := r.place(t, number(i), r.lines(3))
			switch hisadapter.OutcomeOf(err) {
			case hisadapter.Done:
				done.Add(1)
			case hisadapter.Refused:
				short.Add(1)
			default:
				t.Errorf("order %d: %v", i, err)
			}
		})
		wg.Go(func() {
			got, err := r.QueryStock(t.Context(), []hisadapter.Key{r.key(0)})
			if err != nil || len(got) != 1 || got[0].OnHand < 0 {
				t.Errorf("reading %d: %+v, %v", i, got, err)
			}
		})
	}
	wg.Wait()
	if done.Load() != 6 || short.Load() != 10 {
		t.Errorf("%d orders taken and %d refused, want 6 and 10", done.Load(), short.Load())
	}
	r.wantFigure(t, 0, 2)
}

// Many senders of one his_no make one order.
func testConcurrentRepeats(t *testing.T, r *rig) {
	if !r.caps.IdempotentByHisNo {
		return
	}
	req, err := r.request(t, "RX1", r.lines(3))
	if err != nil {
		t.Fatal(err)
	}
	var done atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := r.PlaceOrder(t.Context(), req)
			switch hisadapter.OutcomeOf(err) {
			case hisadapter.Done:
				done.Add(1)
			case hisadapter.Find:
			default:
				t.Errorf("a repeat ended in %v", err)
			}
		})
	}
	wg.Wait()
	if done.Load() < 1 {
		t.Error("none of the senders was answered")
	}
	r.wantState(t, "RX1", hisadapter.Deducted)
	r.wantFigure(t, 0, 97)
}
