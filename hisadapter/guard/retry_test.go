package guard_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// [C2] A write is sent again only when the HIS has certainly done nothing; a
// read after Unknown too. Everything else is an answer.
func TestWhatIsTriedAgain(t *testing.T) {
	for _, tc := range []struct {
		what        simhis.Trouble
		read, write int // calls that the HIS sees
	}{
		{simhis.TimeoutBefore, 2, 1},
		{simhis.TimeoutAfter, 2, 1},
		{simhis.LateApply, 2, 1},
		{simhis.HTTP500, 2, 1},
		{simhis.Garbage, 2, 1},
		{simhis.Reset, 2, 1},
		{simhis.BusyNow, 2, 2},
		{simhis.Refuse, 1, 1},
		{simhis.Misconfigured, 1, 1},
	} {
		t.Run(string(tc.what), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := guard.DefaultSettings()
				s.Breaker.Off = true
				h, g := open(t, simhis.Config{}, s, guard.Deps{})
				for _, op := range []simhis.Op{simhis.OpPlaceOrder, simhis.OpFreeze, simhis.OpQueryStock, simhis.OpFindOrder} {
					inject(t, h, simhis.Fault{Op: op, What: tc.what, Times: 1})
				}
				ctx := t.Context()
				repeats := tc.write == 2
				wantDone(t, place(ctx, g, "R1"), repeats)
				_, err := g.Freeze(ctx, hisadapter.FreezeRequest{HisNo: "R2", PharmacyID: pharmacy, Lines: placing("").Lines})
				wantDone(t, err, repeats)
				wantDone(t, query(ctx, g), tc.read == 2)
				_, err = g.FindOrder(ctx, "R1")
				wantDone(t, err, tc.read == 2)
				for op, want := range map[simhis.Op]int{
					simhis.OpPlaceOrder: tc.write, simhis.OpFreeze: tc.write, simhis.OpQueryStock: tc.read, simhis.OpFindOrder: tc.read,
				} {
					if got := calls(h, op); got != want {
						t.Errorf("the HIS saw %d × %s, want %d", got, op, want)
					}
				}
			})
		})
	}
}

func wantDone(t *testing.T, err error, done bool) {
	t.Helper()
	if (err == nil) != done {
		t.Errorf("ended in %v", err)
	}
}

// Nothing left: a write goes again until the attempts are used up.
func TestNotSentIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(t, simhis.Config{}, guard.DefaultSettings(), guard.Deps{})
		inject(t, h, simhis.Fault{What: simhis.Down, Times: 2})
		wantOutcome(t, place(t.Context(), g, "R1"), hisadapter.Done)
		inject(t, h, simhis.Fault{What: simhis.Down, Times: 3})
		err := place(t.Context(), g, "R2")
		wantOutcome(t, err, hisadapter.NotSent)
		if _, own := errors.AsType[*guard.Rejection](err); own {
			t.Errorf("%v was not the guard's doing", err)
		}
		if b, _ := h.Books().Order("R1"); b.Applications() != 1 {
			t.Errorf("R1 was applied %d times", b.Applications())
		}
	})
}

// The pause is no shorter than the HIS asked for, and none is begun that the
// caller would not see the end of.
func TestRetryAfterOfTheHIS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := open(t, simhis.Config{}, guard.DefaultSettings(), guard.Deps{})
		n := 0
		d := stub{Driver: h.Driver(), place: func() error {
			if n++; n%2 == 1 {
				return &hisadapter.Error{Outcome: hisadapter.Busy, RetryAfter: 7 * time.Second}
			}
			return nil
		}}
		g := wrap(t, d, guard.DefaultSettings(), guard.Deps{})
		start := time.Now()
		wantOutcome(t, place(t.Context(), g, "R1"), hisadapter.Done)
		if got := since(start); got != 7*time.Second {
			t.Errorf("tried again after %v, the HIS asked for 7s", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
		defer cancel()
		start = time.Now()
		wantOutcome(t, place(ctx, g, "R2"), hisadapter.Busy)
		if got := since(start); got != 0 {
			t.Errorf("waited %v in vain", got)
		}
	})
}

// However many callers, retries stay within a fifth of the calls and a reserve.
func TestRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.DefaultSettings()
		s.Rate = 0
		s.Breaker.Off = true
		h, g := open(t, simhis.Config{}, s, guard.Deps{})
		inject(t, h, simhis.Fault{What: simhis.HTTP500})
		const n = 500
		for range n {
			wantOutcome(t, query(t.Context(), g), hisadapter.Unknown)
		}
		if got := calls(h, simhis.OpQueryStock); got < n+n/5 || got > n+n/5+10 {
			t.Errorf("%d attempts for %d calls", got, n)
		}
		if st := g.State(); st.RetriesDenied == 0 || st.Retries < n/5 {
			t.Errorf("state %+v", st)
		}
		s.Retry.Budget = 0
		g = wrap(t, h.Driver(), s, guard.Deps{})
		before := calls(h, simhis.OpQueryStock)
		wantOutcome(t, query(t.Context(), g), hisadapter.Unknown)
		if got := calls(h, simhis.OpQueryStock) - before; got != 1 {
			t.Errorf("%d attempts without a budget", got)
		}
	})
}

// An error that no driver classified, and a panic, are Unknown.
func TestUnclassifiedIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := open(t, simhis.Config{}, guard.DefaultSettings(), guard.Deps{})
		for name, f := range map[string]func() error{
			"plain error": func() error { return errors.New("ORA-00600") },
			"panic":       func() error { panic("nil map") },
		} {
			n := 0
			g := wrap(t, stub{Driver: h.Driver(), place: func() error { n++; return f() }}, guard.DefaultSettings(), guard.Deps{})
			err := place(t.Context(), g, "R1")
			if _, ok := errors.AsType[*hisadapter.Error](err); !ok || hisadapter.OutcomeOf(err) != hisadapter.Unknown || n != 1 {
				t.Errorf("%s: %v after %d calls", name, err, n)
			}
			if st := g.State(); st.InFlight != 0 {
				t.Errorf("%s: the slot is still taken", name)
			}
		}
	})
}

func TestUndeclaredOperationsTakeNoSlot(t *testing.T) {
	h, _ := open(t, simhis.Config{Capabilities: hisadapter.Capabilities{BatchSize: 1}}, guard.DefaultSettings(), guard.Deps{})
	g := wrap(t, h.Driver(), guard.DefaultSettings(), guard.Deps{OnMisconfigured: func(e *hisadapter.Error) { t.Errorf("alert %v", e) }})
	for range 5 {
		if _, err := g.FindOrder(t.Context(), "R1"); !errors.Is(err, hisadapter.ErrUnsupported) {
			t.Fatal(err)
		}
	}
	if st := g.State(); len(st.Paused) != 0 {
		t.Errorf("paused %+v", st.Paused)
	}
}
