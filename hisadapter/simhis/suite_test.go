package simhis_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/adaptertest"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// hand is the suite's hand on a simulated HIS.
type hand struct {
	his   *simhis.HIS
	clock *clock
	// cutOnly: the door is a bare Handler, at which "down" cannot refuse
	// connections.
	cutOnly bool
}

func (c hand) Fixture() adaptertest.Fixture {
	f := adaptertest.Fixture{
		PharmacyID: pharmacy, Drugs: []string{drugA, bigID, "00050003"}, Unknown: "10041",
		Stopped: "00070001", Boxed: drugB, Box: 24, Amount: true,
	}
	for trouble := range troubles() {
		if trouble != adaptertest.Down || !c.cutOnly {
			f.Troubles = append(f.Troubles, trouble)
		}
	}
	return f
}

func troubles() map[adaptertest.Trouble]simhis.Fault {
	return map[adaptertest.Trouble]simhis.Fault{
		adaptertest.TimeoutBefore:   {What: simhis.TimeoutBefore},
		adaptertest.TimeoutAfter:    {What: simhis.TimeoutAfter},
		adaptertest.LateApply:       {What: simhis.LateApply, After: adaptertest.LateBy},
		adaptertest.ServerError:     {What: simhis.HTTP500},
		adaptertest.ServerErrorDone: {What: simhis.HTTP500, Apply: true},
		adaptertest.Garbage:         {What: simhis.Garbage},
		adaptertest.GarbageDone:     {What: simhis.Garbage, Apply: true},
		adaptertest.TruncatedDone:   {What: simhis.Truncated, Apply: true},
		adaptertest.Reset:           {What: simhis.Reset},
		adaptertest.ResetDone:       {What: simhis.Reset, Apply: true},
		adaptertest.Down:            {What: simhis.Down},
		adaptertest.Busy:            {What: simhis.BusyNow},
		adaptertest.Misconfigured:   {What: simhis.Misconfigured},
	}
}

func (c hand) SetStock(t testing.TB, key hisadapter.Key, n int64) {
	t.Helper()
	if err := c.his.SetStock(key, n); err != nil {
		t.Fatal(err)
	}
}

func (c hand) Sell(t testing.TB, key hisadapter.Key, n int64) {
	t.Helper()
	if sold, err := c.his.Counter().Sell(key, n); err != nil || sold != n {
		t.Fatalf("sold %d of %d: %v", sold, n, err)
	}
}

func (c hand) Lapse(t testing.TB, hisNo string) {
	t.Helper()
	if !c.his.Lapse(hisNo) {
		t.Fatalf("%s has no freeze to lapse", hisNo)
	}
}

func (c hand) Strike(t testing.TB, op adaptertest.Op, trouble adaptertest.Trouble) <-chan struct{} {
	t.Helper()
	struck := make(chan struct{})
	f := troubles()[trouble]
	f.Op, f.Times, f.Struck = simhis.Op(op), 1, func() { close(struck) }
	if _, err := c.his.Inject(f); err != nil {
		t.Fatal(err)
	}
	return struck
}

func (c hand) Idle(t testing.TB) {
	t.Helper()
	for giveUp := time.Now().Add(time.Minute); c.his.Counters().InFlight > 0; runtime.Gosched() {
		if time.Now().After(giveUp) {
			t.Fatal("the HIS does not come to rest")
		}
	}
}

func (c hand) Pass(_ testing.TB, d time.Duration) { c.clock.advance(d) }
func (c hand) Now() time.Time                     { return c.clock.now() }

// kinds are HIS as unlike each other as hospitals are.
func kinds() map[string]simhis.Config {
	net, gross, strict, plain, poor := able(), able(), able(), able(), hisadapter.Capabilities{BatchSize: 1}
	net.FigureLag = 3 * time.Second
	gross.NetFigure, gross.FreezeTTL = false, 0
	strict.DeductNeedsFreeze = true
	plain.Freeze, plain.FreezeTTL, plain.NetFigure, plain.BatchSize = false, 0, false, 2
	return map[string]simhis.Config{
		"freeze, net figure that lags": {Capabilities: net},
		"freeze, gross figure":         {Capabilities: gross, SameAnswer: true},
		"deduct needs freeze":          {Capabilities: strict},
		"no freeze":                    {Capabilities: plain},
		"can do nothing":               {Capabilities: poor},
	}
}

func TestDriverInProcess(t *testing.T) {
	for name, cfg := range kinds() {
		t.Run(name, func(t *testing.T) {
			adaptertest.Run(t, func(t *testing.T) (hisadapter.Driver, adaptertest.Control) {
				c := newClock()
				cfg.Now = c.now
				h := open(t, cfg)
				return h.Driver(), hand{his: h, clock: c}
			})
		})
	}
}

func TestDriverOverHTTP(t *testing.T) {
	for name, cfg := range kinds() {
		t.Run(name, func(t *testing.T) {
			adaptertest.Run(t, func(t *testing.T) (hisadapter.Driver, adaptertest.Control) {
				c := newClock()
				cfg.Now = c.now
				h := open(t, cfg)
				d, _ := serve(t, h)
				return d, hand{his: h, clock: c, cutOnly: true}
			})
		})
	}
}
