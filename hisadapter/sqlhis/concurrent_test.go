package sqlhis_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
)

// 64 orders, each for 3 of 100 and for one of another drug, and a counter that
// sells beside them what is there, held or not: all that was taken is accounted
// for, and the shelf never fell below zero.
func TestI1NeverBelowZero(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		h := newHospital(t, dialect)
		d := h.driver(t, h.db.address())
		h.SetStock(t, hisadapter.Key{PharmacyID: pharmacy, DrugID: drugA}, 100)
		h.SetStock(t, hisadapter.Key{PharmacyID: pharmacy, DrugID: bigID}, 1000)
		var done, short atomic.Int64
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				r := order(fmt.Sprintf("RX%03d", i), bigID, drugA)
				r.Lines[1].Quantity = 3
				if i%2 == 0 { // half of them hold first
					_, err := d.Freeze(t.Context(), hisadapter.FreezeRequest{HisNo: r.HisNo, PharmacyID: pharmacy, Lines: r.Lines})
					if hisadapter.OutcomeOf(err) == hisadapter.Refused {
						short.Add(1)
						return
					}
					if err != nil {
						t.Errorf("freeze %d: %v", i, err)
						return
					}
				}
				_, err := d.PlaceOrder(t.Context(), r)
				switch hisadapter.OutcomeOf(err) {
				case hisadapter.Done:
					done.Add(1)
				case hisadapter.Refused:
					short.Add(1)
				default:
					t.Errorf("order %d: %v", i, err)
				}
			})
		}
		wg.Go(func() {
			for range 10 {
				h.sql(t, "UPDATE `药房库存` SET `库存数量` = `库存数量` - 1 WHERE `药品编码` = '%s' AND `库存数量` >= 1", drugA)
			}
		})
		wg.Wait()
		taken := done.Load()
		if taken < 30 || taken > 33 || taken+short.Load() != 64 {
			t.Errorf("%d taken and %d refused", taken, short.Load())
		}
		left := func(drug string) (n int64) {
			figure := h.db.one(t, h.schema, quote(dialect, "SELECT FLOOR(`库存数量`) FROM `药房库存` WHERE `药品编码` = '"+drug+"'"))
			if _, err := fmt.Sscan(figure, &n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		// The counter took at most 10 of the first drug, and nobody else takes the
		// other one. Holds that the counter broke keep nobody from the rest.
		if a, b := left(drugA), left(bigID); a > 2 || a < max(0, 90-3*taken) || b != 1000-taken {
			t.Errorf("%d taken, %d and %d are left", taken, a, b)
		}
		if low := h.db.one(t, h.schema, quote(dialect, "SELECT MIN(`库存数量`) FROM `药房库存`")); strings.HasPrefix(low, "-") {
			t.Errorf("the lowest shelf holds %s", low)
		}
		orders, err := d.ListOrders(t.Context(), h.Now())
		if err != nil || int64(len(orders)) != taken || len(orders[0].Lines) != 2 {
			t.Errorf("%d orders are listed, %v", len(orders), err)
		}
	})
}

// What a number held before gives it no right to more, or to anything else; and
// what it never took is not given back.
func TestOtherContentUnderTheSameNumberTakesNothingOfOthers(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		h := newHospital(t, dialect)
		d := h.driver(t, h.db.address())
		a, b := hisadapter.Key{PharmacyID: pharmacy, DrugID: drugA}, hisadapter.Key{PharmacyID: pharmacy, DrugID: bigID}
		h.SetStock(t, a, 10)
		h.SetStock(t, b, 10)
		for no, n := range map[string]int64{"RX1": 3, "RX2": 5} {
			lines := []hisadapter.Line{{DrugID: drugA, Quantity: n}}
			if _, err := d.Freeze(t.Context(), hisadapter.FreezeRequest{HisNo: no, PharmacyID: pharmacy, Lines: lines}); err != nil {
				t.Fatal(err)
			}
		}
		more := order("RX1", drugA)
		more.Lines[0].Quantity = 10
		_, err := d.PlaceOrder(t.Context(), more)
		if e := want(t, err, hisadapter.Refused); e.Kind != hisadapter.Insufficient {
			t.Errorf("refused as %v", e)
		}
		o, err := d.PlaceOrder(t.Context(), order("RX1", bigID))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.CancelOrder(t.Context(), "RX1", o.OrderNo); err != nil {
			t.Fatal(err)
		}
		got, err := d.QueryStock(t.Context(), []hisadapter.Key{a, b})
		if err != nil || got[0].OnHand != 5 || got[1].OnHand != 10 {
			t.Errorf("left are %+v, %v", got, err)
		}
	})
}
