package wechatsim_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

func inject(t *testing.T, sim *wechatsim.Sim, faults ...wechatsim.Fault) {
	t.Helper()
	if err := sim.Inject(faults...); err != nil {
		t.Fatal(err)
	}
}

// Each fault is tried on a close of an unpaid order: what the merchant sees, and whether the order was closed.
func TestFaultsOfCalls(t *testing.T) {
	keys(t)
	for _, tt := range []struct {
		name   string
		fault  wechatsim.Fault
		status int    // seen
		err    string // seen: an API code, "" none, or a part of the error's text
		state  string // of the order behind it
	}{
		{"pass", wechatsim.Fault{}, 204, "", "CLOSED"},
		{"hang before", wechatsim.Fault{Kind: wechatsim.KindHangBefore}, 0, "deadline exceeded", "NOTPAY"},
		{"hang after", wechatsim.Fault{Kind: wechatsim.KindHangAfter}, 0, "deadline exceeded", "CLOSED"},
		{"hang after, one second", wechatsim.Fault{Kind: wechatsim.KindHangAfter, Delay: time.Second}, 0, "reset by peer", "CLOSED"},
		{"reset before", wechatsim.Fault{Kind: wechatsim.KindResetBefore}, 0, "reset by peer", "NOTPAY"},
		{"reset after", wechatsim.Fault{Kind: wechatsim.KindResetAfter}, 0, "reset by peer", "CLOSED"},
		{"500", wechatsim.Fault{Kind: wechatsim.KindStatus}, 500, "Internal Server Error SYSTEM_ERROR", "NOTPAY"},
		{"429", wechatsim.Fault{Kind: wechatsim.KindStatus, Status: 429}, 429, "Too Many Requests FREQUENCY_LIMITED", "NOTPAY"},
		{"503 of another code", wechatsim.Fault{Kind: wechatsim.KindStatus, Status: 503, Code: "BUSY"}, 503, "Service Unavailable BUSY", "NOTPAY"},
		{"502 as a page", wechatsim.Fault{Kind: wechatsim.KindStatus, Status: 502, Code: "-"}, 502, "Bad Gateway ", "NOTPAY"},
		{"500 after", wechatsim.Fault{Kind: wechatsim.KindStatusAfter}, 500, "Internal Server Error SYSTEM_ERROR", "CLOSED"},
		{"user paying", wechatsim.Fault{Kind: wechatsim.KindUserPaying}, 202, "", "NOTPAY"}, // which the SDK takes for success
		{"paid just before", wechatsim.Fault{Kind: wechatsim.KindPayFirst}, 400, "Bad Request ORDER_PAID", "SUCCESS"},
		{"probe", wechatsim.Fault{Sign: wechatsim.SignProbe}, 204, "verify", "CLOSED"},
		{"tampered", wechatsim.Fault{Sign: wechatsim.SignTampered}, 204, "verif", "CLOSED"},
		{"unsigned", wechatsim.Fault{Sign: wechatsim.SignNone}, 204, "Wechatpay-", "CLOSED"},
		{"stale", wechatsim.Fault{Sign: wechatsim.SignStale}, 204, "timestamp", "CLOSED"},
		{"wrong serial", wechatsim.Fault{Sign: wechatsim.SignWrongSerial}, 204, "serial", "CLOSED"},
		{"slow", wechatsim.Fault{Delay: time.Second}, 204, "", "CLOSED"},
		{"too slow", wechatsim.Fault{Delay: time.Minute}, 0, "deadline exceeded", "CLOSED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := open(t)
				m := newMerchant(t, sim, wechatsim.ModePublicKey)
				m.prepay("ORDER0001")
				m.prepay("ORDER0002")
				tt.fault.Op, tt.fault.OutTradeNo = wechatsim.OpClose, "ORDER0001"
				inject(t, sim, tt.fault)
				if status, err := m.close("ORDER0002"); err != nil || status != http.StatusNoContent {
					t.Errorf("another order: %d, %v", status, err)
				}
				status, err := m.close("ORDER0001")
				seen := code(err)
				if status != tt.status || (tt.err == "") != (err == nil) || !strings.Contains(seen, tt.err) {
					t.Errorf("close: %d, %v; want %d, %q", status, err, tt.status, tt.err)
				}
				if trade, _ := sim.Ledger().Trade("ORDER0001"); string(trade.State) != tt.state {
					t.Errorf("the order is %s, want %s", trade.State, tt.state)
				}
				if left := sim.Faults(); len(left) != 0 {
					t.Errorf("rules left: %+v", left)
				}
			})
		})
	}
}

// A prepay that comes late makes an order that a query did not find before.
func TestLatePrepay(t *testing.T) {
	keys(t)
	synctest.Test(t, func(t *testing.T) {
		sim := open(t)
		m := newMerchant(t, sim, wechatsim.ModePublicKey)
		inject(t, sim, wechatsim.Fault{Op: wechatsim.OpPrepay, Kind: wechatsim.KindLate, Delay: 20 * time.Second})
		if _, _, err := m.jsapi().Prepay(t.Context(), order("ORDER0001")); err == nil {
			t.Fatal("an answer came")
		}
		time.Sleep(19 * time.Second)
		if _, err := m.query("ORDER0001"); code(err) != "Not Found ORDER_NOT_EXIST" {
			t.Errorf("before: %v", err)
		}
		time.Sleep(time.Second)
		if got := m.state("ORDER0001"); got != "NOTPAY" {
			t.Errorf("after: %s", got)
		}
		trade, _ := sim.Ledger().Trade("ORDER0001")
		if age := time.Since(trade.CreatedAt); age != 0 {
			t.Errorf("made %v ago", age)
		}
	})
}

func TestPaidJustAfterTheQuery(t *testing.T) {
	sim := open(t)
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	m.prepay("ORDER0001")
	inject(t, sim, wechatsim.Fault{Op: wechatsim.OpQuery, Kind: wechatsim.KindPayAfter})
	if got := m.state("ORDER0001"); got != "NOTPAY" {
		t.Errorf("the query says %s", got)
	}
	if _, err := m.close("ORDER0001"); code(err) != "Bad Request ORDER_PAID" {
		t.Errorf("the close says %v", err)
	}
}

func TestFaultsAreCountedDown(t *testing.T) {
	sim := open(t)
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	m.prepay("ORDER0001")
	inject(t, sim,
		wechatsim.Fault{Op: wechatsim.OpQuery, Kind: wechatsim.KindStatus, Skip: 1, Times: 2},
		wechatsim.Fault{Kind: wechatsim.KindStatus, Status: 503, Times: -1})
	var seen []string
	for range 5 {
		_, err := m.query("ORDER0001")
		seen = append(seen, code(err))
	}
	want := "Service Unavailable SYSTEM_ERROR|Internal Server Error SYSTEM_ERROR|Internal Server Error SYSTEM_ERROR|" +
		"Service Unavailable SYSTEM_ERROR|Service Unavailable SYSTEM_ERROR"
	if got := strings.Join(seen, "|"); got != want {
		t.Errorf("got %s", got)
	}
	sim.ClearFaults()
	if _, err := m.query("ORDER0001"); err != nil {
		t.Errorf("after clearing: %v", err)
	}
}

func TestUnsignedErrors(t *testing.T) {
	for _, unsigned := range []bool{false, true} {
		sim := open(t, func(o *wechatsim.Options) { o.UnsignedErrors = unsigned })
		m := newMerchant(t, sim, wechatsim.ModePublicKey)
		_, result, err := m.jsapi().Prepay(t.Context(), order("BAD"))
		if code(err) != "Bad Request PARAM_ERROR" {
			t.Fatal(err)
		}
		if signed := result.Response.Header.Get("Wechatpay-Signature") != ""; signed == unsigned {
			t.Errorf("UnsignedErrors %v: signed %v", unsigned, signed)
		}
	}
}

func TestSenselessFaultsAreRefused(t *testing.T) {
	sim := open(t)
	for _, f := range []wechatsim.Fault{
		{Op: "nothing"},
		{Kind: "nothing"},
		{Sign: "nothing"},
		{Op: wechatsim.OpQuery, Kind: wechatsim.KindUserPaying},
		{Kind: wechatsim.KindPayFirst},
		{Op: wechatsim.OpClose, Kind: wechatsim.KindPayAfter},
		{Op: wechatsim.OpClose, Kind: wechatsim.KindEndClosed},
		{Op: wechatsim.OpNotifyPayment, Kind: wechatsim.KindHangBefore},
		{Op: wechatsim.OpNotifyPayment, Kind: wechatsim.KindLate, Delay: time.Second},
		{Op: wechatsim.OpPrepay, Kind: wechatsim.KindLate},
		{Op: wechatsim.OpPrepay, Kind: wechatsim.KindDrop},
		{Op: wechatsim.OpPrepay, Copies: 1},
		{Op: wechatsim.OpPrepay, Skip: -1},
		{Op: wechatsim.OpPrepay, Kind: wechatsim.KindStatus, Status: 42},
	} {
		if err := sim.Inject(wechatsim.Fault{Op: wechatsim.OpQuery}, f); err == nil {
			t.Errorf("taken: %+v", f)
		}
	}
	if left := sim.Faults(); len(left) != 0 {
		t.Errorf("rules stayed beside refused ones: %+v", left)
	}
}

func TestOnCallMayPay(t *testing.T) {
	var sim *wechatsim.Sim
	var calls []wechatsim.Call
	sim = open(t, func(o *wechatsim.Options) {
		o.OnCall = func(c wechatsim.Call) {
			calls = append(calls, c)
			if c.Op == wechatsim.OpClose && !c.After {
				if _, err := sim.Pay(context.Background(), c.OutTradeNo); err != nil {
					t.Error(err)
				}
			}
		}
	})
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	m.prepay("ORDER0001")
	if _, err := m.close("ORDER0001"); code(err) != "Bad Request ORDER_PAID" {
		t.Errorf("close: %v", err)
	}
	last := calls[len(calls)-1]
	if want := (wechatsim.Call{Op: wechatsim.OpClose, OutTradeNo: "ORDER0001", After: true, Status: 400}); last != want {
		t.Errorf("last call %+v", last)
	}
}

func TestFaultsOfNotifications(t *testing.T) {
	keys(t)
	bad := func(sign wechatsim.Sign) wechatsim.Fault {
		return wechatsim.Fault{Op: wechatsim.OpNotifyPayment, Sign: sign}
	}
	type seen struct {
		after    time.Duration
		verified bool
	}
	for _, tt := range []struct {
		name  string
		fault wechatsim.Fault
		want  []seen
	}{
		{"none", wechatsim.Fault{Op: wechatsim.OpNotifyRefund, Kind: wechatsim.KindDrop}, []seen{{0, true}}},
		{"first one lost", wechatsim.Fault{Op: wechatsim.OpNotifyPayment, Kind: wechatsim.KindDrop}, []seen{{15 * time.Second, true}}},
		{"all lost", wechatsim.Fault{Op: wechatsim.OpNotifyPayment, Kind: wechatsim.KindDrop, Times: -1}, nil},
		{"late", wechatsim.Fault{Op: wechatsim.OpNotifyPayment, Delay: time.Minute}, []seen{{time.Minute, true}}},
		{"three at once", wechatsim.Fault{Op: wechatsim.OpNotifyPayment, Copies: 2}, []seen{{0, true}, {0, true}, {0, true}}},
		{"probe", bad(wechatsim.SignProbe), []seen{{0, false}, {15 * time.Second, true}}},
		{"tampered", bad(wechatsim.SignTampered), []seen{{0, false}, {15 * time.Second, true}}},
		{"stale", bad(wechatsim.SignStale), []seen{{0, false}, {15 * time.Second, true}}},
		{"unsigned", bad(wechatsim.SignNone), []seen{{0, false}, {15 * time.Second, true}}},
		{"wrong serial", bad(wechatsim.SignWrongSerial), []seen{{0, false}, {15 * time.Second, true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box := newMailbox(t)
				sim := open(t, box.into)
				running(t, sim)
				newMerchant(t, sim, wechatsim.ModePublicKey).prepay("ORDER0001")
				inject(t, sim, tt.fault)
				start := time.Now()
				if _, err := sim.Pay(t.Context(), "ORDER0001"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(25 * time.Hour)
				var got []seen
				for _, d := range box.all() {
					got = append(got, seen{d.at.Sub(start).Round(time.Millisecond), d.verified})
				}
				if len(got) != len(tt.want) {
					t.Fatalf("got %v, want %v", got, tt.want)
				}
				for i := range got {
					if got[i] != tt.want[i] {
						t.Errorf("got %v, want %v", got, tt.want)
					}
				}
				if err := sim.Ledger().Check(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A merchant that answers a badly signed callback with success did not verify: the books say so.
func TestBooksTellOnTheCredulous(t *testing.T) {
	keys(t)
	synctest.Test(t, func(t *testing.T) {
		box := newMailbox(t)
		box.answer = func(int, bool) int { return http.StatusOK }
		sim := open(t, box.into)
		newMerchant(t, sim, wechatsim.ModePublicKey).prepay("ORDER0001")
		inject(t, sim, wechatsim.Fault{Op: wechatsim.OpNotifyPayment, Sign: wechatsim.SignProbe})
		if _, err := sim.Pay(t.Context(), "ORDER0001"); err != nil {
			t.Fatal(err)
		}
		if n := sim.DeliverDue(t.Context()); n != 1 {
			t.Errorf("%d attempts", n)
		}
		if next, ok := sim.NextDue(); !ok || time.Until(next) != 15*time.Second {
			t.Errorf("next attempt in %v, %v", time.Until(next), ok)
		}
		if sim.Ledger().Check() == nil {
			t.Error("the books are content")
		}
		time.Sleep(15 * time.Second)
		if n := sim.DeliverDue(t.Context()); n != 1 || !sim.Ledger().Notices[0].Delivered {
			t.Errorf("%d attempts; %+v", n, sim.Ledger().Notices[0])
		}
		if _, ok := sim.NextDue(); ok {
			t.Error("something is still due")
		}
		if n := sim.Redeliver("ORDER0001"); n != 1 || sim.DeliverDue(t.Context()) != 1 || len(box.all()) != 3 {
			t.Errorf("redelivery: %d queued, %d callbacks", n, len(box.all()))
		}
	})
}

func TestCloseLetsGoOfHangingCalls(t *testing.T) {
	keys(t)
	synctest.Test(t, func(t *testing.T) {
		sim := open(t)
		m := newMerchant(t, sim, wechatsim.ModePublicKey)
		inject(t, sim, wechatsim.Fault{Op: wechatsim.OpQuery, Kind: wechatsim.KindHangBefore})
		failed := make(chan error)
		go func() {
			_, err := m.query("ORDER0001")
			failed <- err
		}()
		synctest.Wait()
		start := time.Now()
		sim.Close()
		sim.Close()
		if err := <-failed; err == nil || errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		sim.Run(t.Context()) // returns at once
	})
}
