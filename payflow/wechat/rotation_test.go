package wechat_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechat"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// WeChat changes its certificate. One that is not known makes for a download, but whoever can reach the callback address
// can name certificates: at most one a minute.
func TestUnknownCertificateIsFetchedAtMostOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := must(others())(t)
		sim := newSim(t, simMode(wechatsim.ModeCertificate))
		var changed atomic.Bool
		var downloads atomic.Int32
		c := open(t, serves(sim, func() []byte {
			downloads.Add(1)
			if changed.Load() {
				return certList(t, keys(t).PlatformSerial, keys(t).PlatformCertificate)
			}
			return certList(t, old.PlatformSerial, old.PlatformCertificate)
		}), mode(wechat.ModeCertificate))
		synctest.Wait()
		if n := downloads.Load(); n != 1 {
			t.Fatalf("%d downloads at first", n)
		}
		paid := payment(t, "RX20261122001")
		for range 600 { // ten minutes of it
			_, err := c.ParsePayment(t.Context(), seal(t, paid, wechatsim.ModeCertificate))
			callbackError(t, err, "KEYS_UNAVAILABLE")
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if n := downloads.Load(); n < 5 || n > 11 {
			t.Fatalf("%d downloads in ten minutes", n)
		}
		changed.Store(true)
		_, err := c.ParsePayment(t.Context(), seal(t, paid, wechatsim.ModeCertificate))
		callbackError(t, err, "KEYS_UNAVAILABLE")
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, err := c.ParsePayment(t.Context(), seal(t, paid, wechatsim.ModeCertificate)); err != nil {
			t.Fatalf("after the change: %v", err)
		}
	})
}

func TestCertificatesAreRefreshedAndOverdueOnesReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, simMode(wechatsim.ModeCertificate))
		way := &gate{next: sim.RoundTripper()}
		c := open(t, way, mode(wechat.ModeCertificate))
		time.Sleep(20*time.Hour + time.Minute)
		if n := sim.Calls(wechatsim.OpCertificates); n != 3 {
			t.Errorf("%d downloads in 20 hours, want one every 10", n)
		}
		way.shut.Store(true)
		time.Sleep(20 * time.Hour)
		if err := c.Health(); err != nil {
			t.Errorf("health after 20 hours without: %v", err)
		}
		time.Sleep(5 * time.Hour)
		if err := c.Health(); err == nil || !strings.Contains(err.Error(), "not refreshed since") {
			t.Errorf("health after 25 hours without: %v", err)
		}
		if _, err := c.ParsePayment(t.Context(), seal(t, payment(t, "RX20261122001"), wechatsim.ModeCertificate)); err != nil {
			t.Errorf("the certificates held are good: %v", err)
		}
		way.shut.Store(false)
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if err := c.Health(); err != nil {
			t.Errorf("health when back: %v", err)
		}
	})
}

// WeChat moves a merchant from certificates to the public key on its own schedule (design §7): with both keys everything
// goes on in any order of the moves.
func TestChangeOverFromCertificatesToPublicKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, simMode(wechatsim.ModeBoth))
		paid := payment(t, "RX20261122001")
		for _, x := range []struct {
			mode         wechat.Mode
			cert, public string // reason, "" = taken
		}{
			{wechat.ModeCertificate, "", "KEYS_UNAVAILABLE"},
			{wechat.ModeBoth, "", ""},
			{wechat.ModePublicKey, "KEYS_UNAVAILABLE", ""},
		} {
			sent := &record{next: sim.RoundTripper()}
			c := open(t, sent, mode(x.mode))
			if err := c.Ping(t.Context()); err != nil {
				t.Errorf("%s: %v", x.mode, err)
			}
			synctest.Wait()
			want := keys(t).PublicKeyID
			if x.mode == wechat.ModeCertificate {
				want = keys(t).PlatformSerial
			}
			for _, r := range sent.all() {
				if got := r.header.Get("Wechatpay-Serial"); !strings.HasSuffix(r.url, "/certificates") && got != want {
					t.Errorf("%s: asks for answers under %q", x.mode, got)
				}
			}
			for signed, reason := range map[wechatsim.Mode]string{wechatsim.ModeCertificate: x.cert, wechatsim.ModePublicKey: x.public} {
				got, err := c.ParsePayment(t.Context(), seal(t, paid, signed))
				switch {
				case reason != "":
					callbackError(t, err, reason)
				case err != nil || got.OrderNo != "RX20261122001":
					t.Errorf("%s, signed with %s: %+v, %v", x.mode, signed, got, err)
				}
				if err := c.Health(); err != nil {
					t.Errorf("%s: a callback makes the channel ill: %v", x.mode, err)
				}
			}
		}
	})
}

// An answer under the other key verifies just as well while both are held.
func TestAnswerUnderEitherKeyVerifies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, simMode(wechatsim.ModeBoth))
		c := open(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.Header.Del("Wechatpay-Serial") // WeChat signs as it pleases: with the certificate
			return sim.RoundTripper().RoundTrip(r)
		}), mode(wechat.ModeBoth))
		synctest.Wait()
		p := prepay(t, c, "RX20261122001")
		if p == (payflow.Prepay{}) {
			t.Fatal("no prepay")
		}
	})
}
