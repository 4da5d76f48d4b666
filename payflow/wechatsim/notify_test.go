package wechatsim_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// running starts Run in the bubble and ends it with the test.
func running(t *testing.T, sim *wechatsim.Sim) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		sim.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func TestNotificationsParseInEveryKeyMode(t *testing.T) {
	keys(t)
	for _, m := range []wechatsim.Mode{wechatsim.ModePublicKey, wechatsim.ModeCertificate, wechatsim.ModeBoth} {
		t.Run(string(m), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box := newMailbox(t)
				sim := open(t, mode(m), box.into)
				running(t, sim)
				sdk := newMerchant(t, sim, m)
				sdk.prepay("ORDER0001")
				if _, err := sim.PayWith(t.Context(), "ORDER0001", wechatsim.Payment{CouponFen: 100}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if _, err := sdk.refund("ORDER0001", "ORDER0001-1", 1600); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second)
				synctest.Wait()

				got := box.all()
				if len(got) != 2 {
					t.Fatalf("%d callbacks, want 2: %+v", len(got), got)
				}
				paid, refunded := got[0], got[1]
				amount := paid.content["amount"].(map[string]any)
				if !paid.verified || paid.event != "TRANSACTION.SUCCESS" || paid.url != "https://merchant.example/wechat/v1/payment" ||
					paid.content["trade_state"] != "SUCCESS" || paid.content["out_trade_no"] != "ORDER0001" ||
					amount["total"] != 1600.0 || amount["payer_total"] != 1500.0 {
					t.Errorf("payment: %+v", paid)
				}
				amount = refunded.content["amount"].(map[string]any)
				_, hasStatus := refunded.content["status"]
				if !refunded.verified || refunded.event != "REFUND.SUCCESS" || refunded.url != "https://merchant.example/wechat/v1/refund" ||
					refunded.content["refund_status"] != "SUCCESS" || hasStatus || refunded.content["out_refund_no"] != "ORDER0001-1" ||
					amount["refund"] != 1600.0 || amount["payer_refund"] != 1500.0 {
					t.Errorf("refund: %+v", refunded)
				}
				if both := m == wechatsim.ModeBoth; both != (paid.serial != refunded.serial) {
					t.Errorf("signed by %s and %s", paid.serial, refunded.serial)
				}
				if err := sim.Ledger().Check(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// 15 repeats over 24 h 4 min, each at its time, then no more.
func TestRepeatScheduleOfWeChat(t *testing.T) {
	keys(t)
	synctest.Test(t, func(t *testing.T) {
		box := newMailbox(t)
		box.answer = func(int, bool) int { return http.StatusInternalServerError }
		sim := open(t, box.into)
		running(t, sim)
		newMerchant(t, sim, wechatsim.ModePublicKey).prepay("ORDER0001")
		start := time.Now()
		if _, err := sim.Pay(t.Context(), "ORDER0001"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(48 * time.Hour)
		synctest.Wait()

		want := []time.Duration{0}
		for _, wait := range []string{
			"15s", "15s", "30s", "3m", "10m", "20m", "30m", "30m", "30m", "60m", "3h", "3h", "3h", "6h", "6h",
		} {
			d, err := time.ParseDuration(wait)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, want[len(want)-1]+d)
		}
		got := box.all()
		if len(got) != len(want) {
			t.Fatalf("%d attempts, want %d", len(got), len(want))
		}
		for i := range got {
			if at := got[i].at.Sub(start); at.Round(time.Microsecond) != want[i] || got[i].id != got[0].id {
				t.Errorf("attempt %d at %v, want %v", i, at, want[i])
			}
		}
		if total := want[len(want)-1]; total != 24*time.Hour+4*time.Minute {
			t.Errorf("the schedule lasts %v", total)
		}
		if n := sim.Ledger().Notices[0]; !n.GivenUp || n.Delivered {
			t.Errorf("notice: %+v", n)
		}
	})
}

func TestRepeatsEndWithTheAnswer(t *testing.T) {
	keys(t)
	for _, tt := range []struct {
		name     string
		statuses []int // of the attempts in turn; 0: connection refused
		scale    float64
		want     []time.Duration
	}{
		{"200", []int{200}, 1, []time.Duration{0}},
		{"204", []int{204}, 1, []time.Duration{0}},
		{"202 is no answer", []int{202, 200}, 1, []time.Duration{0, 15 * time.Second}},
		{"302 is no answer", []int{302, 200}, 1, []time.Duration{0, 15 * time.Second}},
		{"refused twice", []int{0, 500, 200}, 1, []time.Duration{0, 15 * time.Second, 30 * time.Second}},
		{"scaled", []int{500, 500, 500, 200}, 0.01, []time.Duration{0, 150 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box := newMailbox(t)
				box.answer = func(n int, _ bool) int { return tt.statuses[n] }
				sim := open(t, box.into, func(o *wechatsim.Options) { o.NotifyScale = tt.scale })
				running(t, sim)
				newMerchant(t, sim, wechatsim.ModePublicKey).prepay("ORDER0001")
				start := time.Now()
				if _, err := sim.Pay(t.Context(), "ORDER0001"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(25 * time.Hour)
				got := box.all()
				if len(got) != len(tt.want) {
					t.Fatalf("%d attempts, want %d", len(got), len(tt.want))
				}
				for i := range got {
					if at := got[i].at.Sub(start).Round(time.Millisecond); at != tt.want[i] {
						t.Errorf("attempt %d at %v, want %v", i, at, tt.want[i])
					}
				}
				if !sim.Ledger().Notices[0].Delivered {
					t.Error("not delivered")
				}
			})
		})
	}
}

// A redelivery asked for while an attempt is under way is not lost.
func TestRedeliverDuringAnAttempt(t *testing.T) {
	keys(t)
	synctest.Test(t, func(t *testing.T) {
		box := newMailbox(t)
		sim := open(t, box.into)
		box.answer = func(n int, _ bool) int {
			if n == 0 && sim.Redeliver("ORDER0001") != 1 {
				t.Error("nothing was queued")
			}
			return http.StatusOK
		}
		newMerchant(t, sim, wechatsim.ModePublicKey).prepay("ORDER0001")
		if _, err := sim.Pay(t.Context(), "ORDER0001"); err != nil {
			t.Fatal(err)
		}
		if n := sim.DeliverDue(t.Context()); n != 2 || len(box.all()) != 2 || !sim.Ledger().Notices[0].Delivered {
			t.Errorf("%d attempts, %d callbacks", n, len(box.all()))
		}
	})
}

// During a change-over the merchant cannot choose which key a callback is signed with.
func TestNotifyWith(t *testing.T) {
	keys(t)
	synctest.Test(t, func(t *testing.T) {
		box := newMailbox(t)
		sim := open(t, box.into, mode(wechatsim.ModeBoth), func(o *wechatsim.Options) { o.NotifyWith = wechatsim.ModeCertificate })
		m := newMerchant(t, sim, wechatsim.ModePublicKey)
		for i, want := range []string{keys(t).PlatformSerial, keys(t).PlatformSerial, keys(t).PublicKeyID} {
			if i == 2 {
				sim.SetNotifyWith(wechatsim.ModePublicKey)
			}
			no := "ORDER000" + string(rune('0'+i))
			m.prepay(no)
			if _, err := sim.Pay(t.Context(), no); err != nil {
				t.Fatal(err)
			}
			sim.DeliverDue(t.Context())
			if got := box.all()[i]; got.serial != want || !got.verified {
				t.Errorf("callback %d signed by %s, want %s", i, got.serial, want)
			}
		}
	})
}
