package gateway_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// Shortages are no failures, a HIS that is down is one, and a wrong request is
// neither.
func TestResultsOfHoldsAndConfirms(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, plainHIS)
		w.mustLock(order("O1", "A", 1))
		if _, err := w.lock(order("O2", "A", 1_000_000)); err == nil {
			t.Error("a million were held")
		}
		if _, err := w.lock(gateway.LockRequest{OrderNo: "O3"}); err == nil {
			t.Error("nothing was held")
		}
		w.inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Refuse, Kind: hisadapter.PriceChanged, Times: 1})
		if _, err := w.confirm("O1"); err == nil {
			t.Error("confirmed")
		}
		w.his.SetDown(true)
		time.Sleep(20 * time.Second)
		if _, err := w.lock(order("O4", "A", 1)); err == nil {
			t.Error("held while the HIS was down")
		}
		a := w.g.State().Answers
		if diff := cmp.Diff(map[gateway.Result]uint64{
			gateway.ResultDone: 1, gateway.ResultShort: 1, gateway.ResultRefused: 0, gateway.ResultFailed: 1,
		}, a.Holds); diff != "" {
			t.Errorf("holds (-want +got):\n%s", diff)
		}
		if a.Confirms[gateway.ResultRefused] != 1 || a.Confirms[gateway.ResultDone] != 0 {
			t.Errorf("confirms %v", a.Confirms)
		}
	})
}
