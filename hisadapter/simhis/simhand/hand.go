// Package simhand is adaptertest's hand on a simulated HIS, for the tests of
// every driver that asks one, through whatever door.
package simhand

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/adaptertest"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// Clock is turned by hand. It is safe for concurrent use.
type Clock struct {
	mu sync.Mutex
	t  time.Time
}

// NewClock returns a clock that stands at nine o'clock in the morning of
// 22 November 2026 in China.
func NewClock() *Clock {
	return &Clock{t: time.Date(2026, 11, 22, 9, 0, 0, 0, time.FixedZone("", 8*3600))}
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// Advance turns the clock forward by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// Hand implements adaptertest.Control.
type Hand struct {
	HIS   *simhis.HIS
	Clock *Clock // that the HIS was opened with
	Has   adaptertest.Fixture
}

// Troubles are all that a Hand can make, each with its fault.
func Troubles() map[adaptertest.Trouble]simhis.Fault {
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

// Fixture returns Has; without troubles of its own it has them all.
func (c Hand) Fixture() adaptertest.Fixture {
	f := c.Has
	if f.Troubles == nil {
		for trouble := range Troubles() {
			f.Troubles = append(f.Troubles, trouble)
		}
	}
	return f
}

// SetStock implements adaptertest.Control.
func (c Hand) SetStock(t testing.TB, key hisadapter.Key, n int64) {
	t.Helper()
	if err := c.HIS.SetStock(key, n); err != nil {
		t.Fatal(err)
	}
}

// Sell implements adaptertest.Control.
func (c Hand) Sell(t testing.TB, key hisadapter.Key, n int64) {
	t.Helper()
	if sold, err := c.HIS.Counter().Sell(key, n); err != nil || sold != n {
		t.Fatalf("sold %d of %d: %v", sold, n, err)
	}
}

// Lapse implements adaptertest.Control.
func (c Hand) Lapse(t testing.TB, hisNo string) {
	t.Helper()
	if !c.HIS.Lapse(hisNo) {
		t.Fatalf("%s has no freeze to lapse", hisNo)
	}
}

// Strike implements adaptertest.Control.
func (c Hand) Strike(t testing.TB, op adaptertest.Op, trouble adaptertest.Trouble) <-chan struct{} {
	t.Helper()
	struck := make(chan struct{})
	f := Troubles()[trouble]
	f.Op, f.Times, f.Struck = simhis.Op(op), 1, func() { close(struck) }
	if _, err := c.HIS.Inject(f); err != nil {
		t.Fatal(err)
	}
	return struck
}

// Idle implements adaptertest.Control.
func (c Hand) Idle(t testing.TB) {
	t.Helper()
	for giveUp := time.Now().Add(time.Minute); c.HIS.Counters().InFlight > 0; runtime.Gosched() {
		if time.Now().After(giveUp) {
			t.Fatal("the HIS does not come to rest")
		}
	}
}

// Pass implements adaptertest.Control.
func (c Hand) Pass(_ testing.TB, d time.Duration) { c.Clock.Advance(d) }

// Now implements adaptertest.Control.
func (c Hand) Now() time.Time { return c.Clock.Now() }
