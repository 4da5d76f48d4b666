package wechat_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

func TestSkewIsMeasuredFromAnswers(t *testing.T) {
	for _, ahead := range []time.Duration{0, 40 * time.Second, -40 * time.Second, 250 * time.Second, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			// WeChat's clock is the true one of this bubble less ahead; the SDK stamps requests by the true one.
			sim := newSim(t, func(o *wechatsim.Options) {
				o.Now = func() time.Time { return time.Now().Add(-ahead) }
			})
			c := open(t, sim.RoundTripper())
			if c.Skew() != 0 {
				t.Errorf("skew before the first answer: %s", c.Skew())
			}
			_ = c.Ping(t.Context()) // past five minutes it is refused, and measured all the same
			if off := c.Skew() - ahead; off > time.Second || off < -time.Second {
				t.Errorf("clock is %s ahead, measured %s", ahead, c.Skew())
			}
			if ill := c.Health() != nil; ill != (ahead.Abs() >= 240*time.Second) {
				t.Errorf("clock is %s ahead, health: %v", ahead, c.Health())
			}
		})
	}
}

// A verified answer is stamped by its signature, also where a proxy drops Date; any other stamp is not believed.
func TestSkewBelievesVerifiedStampsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, func(o *wechatsim.Options) {
			o.Now = func() time.Time { return time.Now().Add(-40 * time.Second) }
		})
		c := open(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := sim.RoundTripper().RoundTrip(r)
			if err == nil {
				resp.Header.Del("Date")
			}
			return resp, err
		}))
		for _, how := range []wechatsim.Sign{wechatsim.SignStale, wechatsim.SignGood, wechatsim.SignStale, wechatsim.SignProbe} {
			before := c.Skew()
			if err := sim.Inject(wechatsim.Fault{Sign: how}); err != nil {
				t.Fatal(err)
			}
			_ = c.Ping(t.Context())
			if after := c.Skew(); how != wechatsim.SignGood && after != before {
				t.Errorf("%s: skew %s became %s", how, before, after)
			} else if how == wechatsim.SignGood && after != 39*time.Second {
				t.Errorf("skew %s", after)
			}
		}
	})
}

// Health tells what is wrong with the channel, and forgets it when an answer verifies. Orders that WeChat refuses, probes
// and passing errors are no illness.
func TestHealthFollowsTheLastCall(t *testing.T) {
	sim := newSim(t)
	c := open(t, sim.RoundTripper())
	for _, x := range []struct {
		fault wechatsim.Fault
		ill   string // "" = well
	}{
		{wechatsim.Fault{}, ""},
		{wechatsim.Fault{Sign: wechatsim.SignWrongSerial}, "no key"},
		{wechatsim.Fault{Sign: wechatsim.SignProbe}, "no key"}, // says nothing new
		{wechatsim.Fault{Kind: wechatsim.KindStatus, Status: 429}, "no key"},
		{wechatsim.Fault{}, ""},
		{wechatsim.Fault{Kind: wechatsim.KindStatus, Status: 403, Code: "NO_AUTH"}, "NOAUTH"},
		{wechatsim.Fault{Kind: wechatsim.KindStatus, Status: 404, Code: "ORDER_NOT_EXIST"}, ""},
		{wechatsim.Fault{Sign: wechatsim.SignProbe}, ""},
		{wechatsim.Fault{Kind: wechatsim.KindStatus, Status: 500}, ""},
		{wechatsim.Fault{Kind: wechatsim.KindResetBefore}, "no answer"},
		{wechatsim.Fault{}, ""},
	} {
		if err := sim.Inject(x.fault); err != nil {
			t.Fatal(err)
		}
		_ = c.Ping(t.Context())
		err := c.Health()
		if x.ill == "" && err != nil || x.ill != "" && (err == nil || !strings.Contains(err.Error(), x.ill)) {
			t.Errorf("after %+v: health %v, want %q", x.fault, err, x.ill)
		}
	}
}
