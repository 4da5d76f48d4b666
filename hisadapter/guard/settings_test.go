package guard_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/adaptertest"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

func TestSettingsNameWhatIsWrong(t *testing.T) {
	if err := guard.DefaultSettings().Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	err := guard.Settings{
		Rate: -1, BusyAfterTimeout: -1, MisconfiguredPause: -1, Shares: guard.Shares{Refresh: 1.5},
		Retry: guard.Retry{Backoff: 2, BackoffMax: 1, Budget: 2}, Breaker: guard.Breaker{FailureRatio: 1.1},
	}.Validate()
	if err == nil {
		t.Fatal("nothing found")
	}
	for _, name := range []string{
		"max_concurrent", "queue_length", "rate", "shares.refresh", "shares:", "timeouts.query_stock", "timeouts.freeze",
		"timeouts.unfreeze", "timeouts.place_order", "timeouts.find_order", "timeouts.cancel_order", "timeouts.list_orders",
		"busy_after_timeout", "retry.attempts", "retry.backoff_max", "retry.budget", "breaker.window", "breaker.min_calls",
		"breaker.failure_ratio", "breaker.slow_call", "breaker.slow_ratio", "breaker.open_for", "breaker.probes",
		"misconfigured_pause", "misconfigured_after",
	} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
	h, _ := open(t, simhis.Config{}, guard.DefaultSettings(), guard.Deps{})
	if _, err := guard.New(h.Driver(), guard.Settings{}, guard.Deps{}); err == nil {
		t.Error("New took the zero settings")
	}
}

// Misconfigured stops the operation, and only it, and alerts.
func TestMisconfiguredPausesTheOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		var alerts atomic.Int32
		h, g := open(t, simhis.Config{}, s, guard.Deps{OnMisconfigured: func(*hisadapter.Error) { alerts.Add(1) }})
		inject(t, h, simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Misconfigured, HisNo: "odd"})
		// One order that the HIS cannot read does not stop the others.
		for _, no := range []string{"odd", "odd", "R1", "odd", "odd"} {
			place(t.Context(), g, no)
		}
		wantOutcome(t, place(t.Context(), g, "R2"), hisadapter.Done)
		for range s.MisconfiguredAfter {
			wantOutcome(t, place(t.Context(), g, "odd"), hisadapter.Misconfigured)
		}
		before := calls(h, simhis.OpPlaceOrder)
		wantOutcome(t, place(t.Context(), g, "R3"), hisadapter.Misconfigured)
		if got := calls(h, simhis.OpPlaceOrder); got != before || alerts.Load() != 7 {
			t.Errorf("%d calls went out during the pause, %d alerts", got-before, alerts.Load())
		}
		if p := g.State().Paused; len(p) != 1 || p[0].Op != "PlaceOrder" || p[0].Code != "4001" || time.Until(p[0].Until) != s.MisconfiguredPause {
			t.Errorf("paused %+v", p)
		}
		if err := query(t.Context(), g); err != nil {
			t.Errorf("another operation: %v", err)
		}
		time.Sleep(s.MisconfiguredPause)
		wantOutcome(t, place(t.Context(), g, "R3"), hisadapter.Done)
	})
}

// hand is the suite's hand on the HIS behind a guard.
type hand struct {
	his   *simhis.HIS
	fault map[adaptertest.Trouble]simhis.Fault
}

func (c hand) Fixture() adaptertest.Fixture {
	f := adaptertest.Fixture{PharmacyID: pharmacy, Drugs: []string{drug(0), drug(1), drug(2)}, Unknown: "999"}
	for trouble := range c.fault {
		f.Troubles = append(f.Troubles, trouble)
	}
	return f
}

func (c hand) SetStock(t testing.TB, k hisadapter.Key, n int64) {
	if err := c.his.SetStock(k, n); err != nil {
		t.Fatal(err)
	}
}

func (c hand) Sell(t testing.TB, k hisadapter.Key, n int64) {
	if _, err := c.his.Counter().Sell(k, n); err != nil {
		t.Fatal(err)
	}
}

func (c hand) Strike(t testing.TB, op adaptertest.Op, trouble adaptertest.Trouble) <-chan struct{} {
	struck := make(chan struct{})
	f := c.fault[trouble]
	f.Op, f.Times, f.Struck = simhis.Op(op), 1, func() { close(struck) }
	if _, err := c.his.Inject(f); err != nil {
		t.Fatal(err)
	}
	return struck
}

func (c hand) Lapse(_ testing.TB, hisNo string)   { c.his.Lapse(hisNo) }
func (c hand) Idle(testing.TB)                    {}
func (c hand) Pass(_ testing.TB, d time.Duration) {}
func (c hand) Now() time.Time                     { return time.Now() }

// A guard is a driver like any other.
func TestGuardIsADriver(t *testing.T) {
	adaptertest.Run(t, func(t *testing.T) (hisadapter.Driver, adaptertest.Control) {
		s := oneTry()
		s.BusyAfterTimeout, s.Breaker.Off = 0, true
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		return g, hand{h, map[adaptertest.Trouble]simhis.Fault{
			adaptertest.TimeoutBefore: {What: simhis.TimeoutBefore},
			adaptertest.TimeoutAfter:  {What: simhis.TimeoutAfter},
			adaptertest.GarbageDone:   {What: simhis.Garbage, Apply: true},
			adaptertest.Reset:         {What: simhis.Reset},
			adaptertest.Down:          {What: simhis.Down},
			adaptertest.Busy:          {What: simhis.BusyNow},
			adaptertest.Misconfigured: {What: simhis.Misconfigured},
		}}
	})
}
