package wechat_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow/wechat"
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

func TestOptionsAreCheckedAllAtOnce(t *testing.T) {
	k := keys(t)
	for option, change := range map[string]func(*wechat.Options){
		"MchID":           func(o *wechat.Options) { o.MchID = `19"00` },
		"AppIDs":          func(o *wechat.Options) { o.AppIDs = nil },
		"MerchantSerial":  func(o *wechat.Options) { o.MerchantSerial = `"` },
		"MerchantKey":     func(o *wechat.Options) { o.MerchantKeyPEM = []byte(k.MerchantCertificate) },
		"APIv3Key":        func(o *wechat.Options) { o.APIv3Key = o.APIv3Key[1:] },
		"Mode":            func(o *wechat.Options) { o.Mode = "certificates" },
		"PublicKeyID":     func(o *wechat.Options) { o.Mode, o.PublicKeyID = wechat.ModePublicKey, k.PlatformSerial },
		"PublicKey":       func(o *wechat.Options) { o.PublicKeyPEM = []byte(k.PlatformCertificate) },
		"NotifyURL":       func(o *wechat.Options) { o.NotifyURL = "https://hospital.example/?a=b" },
		"RefundNotifyURL": func(o *wechat.Options) { o.RefundNotifyURL = "/wechat" },
		"BaseURL":         func(o *wechat.Options) { o.BaseURL = "localhost:8080" },
		"Timeout":         func(o *wechat.Options) { o.Timeout = -1 },
	} {
		o := options(t, nil)
		change(&o)
		_, err := wechat.New(t.Context(), o)
		var e *wechat.OptionError
		if !errors.As(err, &e) || e.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
	_, err := wechat.New(t.Context(), wechat.Options{Mode: wechat.ModeBoth})
	for _, option := range []string{"MchID", "AppIDs", "MerchantSerial", "MerchantKey", "APIv3Key", "PublicKeyID", "PublicKey", "NotifyURL"} {
		if err == nil || !strings.Contains(err.Error(), "wechat: "+option+": ") {
			t.Errorf("%s is not named: %v", option, err)
		}
	}
}

func TestOptionsTakeNotifyAddressesThatWeChatTakes(t *testing.T) {
	host := "https://hospital.example/"
	for url, fine := range map[string]bool{
		host + strings.Repeat("a", 255-len(host)): true,
		host + strings.Repeat("a", 256-len(host)): false,
		"http://10.0.0.1/wechat":                  true, // a private line
		host + "?":                                false,
		host + "#a":                               false,
		"https://user@hospital.example/":          false,
		"ftp://hospital.example/":                 false,
		"":                                        false,
	} {
		o := options(t, nil)
		o.NotifyURL = url
		if _, err := wechat.New(t.Context(), o); (err == nil) != fine {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestOptionsPrintNoKeys(t *testing.T) {
	var book logBook
	o := options(t, nil)
	book.logger().Info("opened", "options", o)
	for _, text := range []string{o.String(), o.GoString(), book.String()} {
		if strings.Contains(text, o.APIv3Key) || strings.Contains(text, "PRIVATE") || !strings.Contains(text, mchID) {
			t.Error(text)
		}
	}
}

// Public-key mode needs nothing of WeChat to open.
func TestOpeningCallsNobodyInPublicKeyMode(t *testing.T) {
	c := open(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		t.Errorf("called %s", r.URL)
		return nil, errors.New("no")
	}))
	if err := c.Health(); err != nil {
		t.Error(err)
	}
}
