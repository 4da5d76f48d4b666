package wechatsim_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

func TestTimeExpireEndsPayingNotTheOrder(t *testing.T) {
	keys(t)
	synctest.Test(t, func(t *testing.T) {
		sim := open(t)
		m := newMerchant(t, sim, wechatsim.ModePublicKey)
		r := order("ORDER0001")
		r.TimeExpire = core.Time(time.Now().Add(30 * time.Minute))
		if _, _, err := m.jsapi().Prepay(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		soon := order("ORDER0002") // WeChat moves it to a minute from now
		soon.TimeExpire = core.Time(time.Now().Add(time.Second))
		if _, _, err := m.jsapi().Prepay(t.Context(), soon); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		if _, err := sim.Pay(t.Context(), "ORDER0002"); err != nil {
			t.Errorf("within the first minute: %v", err)
		}
		time.Sleep(29*time.Minute + time.Second)
		if _, err := sim.Pay(t.Context(), "ORDER0001"); !errors.Is(err, wechatsim.ErrExpired) {
			t.Errorf("at time_expire: %v", err)
		}
		if got := m.state("ORDER0001"); got != "NOTPAY" {
			t.Errorf("state %s, want NOTPAY until closed", got)
		}
	})
}

func TestPrepayIDLivesTwoHours(t *testing.T) {
	keys(t)
	synctest.Test(t, func(t *testing.T) {
		sim := open(t)
		m := newMerchant(t, sim, wechatsim.ModePublicKey)
		id := m.prepay("ORDER0001")
		time.Sleep(2 * time.Hour)
		if _, err := sim.Pay(t.Context(), "ORDER0001"); !errors.Is(err, wechatsim.ErrPrepayExpired) {
			t.Errorf("after two hours: %v", err)
		}
		if again := m.prepay("ORDER0001"); again == id {
			t.Error("the same prepay_id after its end")
		}
		if _, err := sim.Pay(t.Context(), "ORDER0001"); err != nil {
			t.Errorf("after a fresh prepay: %v", err)
		}
	})
}

func TestPatientCannotPay(t *testing.T) {
	sim := open(t)
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	if _, err := sim.Pay(t.Context(), "ORDER0001"); !errors.Is(err, wechatsim.ErrNoTrade) {
		t.Errorf("before prepay: %v", err)
	}
	m.prepay("ORDER0001")
	if _, err := sim.Pay(t.Context(), "ORDER0001"); err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Pay(t.Context(), "ORDER0001"); !errors.Is(err, wechatsim.ErrAlreadyPaid) {
		t.Errorf("twice: %v", err)
	}
	m.prepay("ORDER0002")
	if _, err := m.close("ORDER0002"); err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Pay(t.Context(), "ORDER0002"); !errors.Is(err, wechatsim.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// The six parameters of wx.requestPayment are checked as WeChat's client checks them.
func TestPayInvoke(t *testing.T) {
	sim := open(t)
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	resp, _, err := m.jsapi().PrepayWithRequestPayment(t.Context(), order("ORDER0001"))
	if err != nil {
		t.Fatal(err)
	}
	invoke := map[string]string{
		"appId": *resp.Appid, "timeStamp": *resp.TimeStamp, "nonceStr": *resp.NonceStr, "package": *resp.Package,
		"signType": *resp.SignType, "paySign": *resp.PaySign,
	}
	for key := range invoke {
		broken := map[string]string{}
		for k, v := range invoke {
			broken[k] = v
		}
		broken[key] += "0"
		if _, err := sim.PayInvoke(t.Context(), broken); !errors.Is(err, wechatsim.ErrBadInvoke) {
			t.Errorf("with another %s: %v", key, err)
		}
	}
	if _, err := sim.PayInvoke(t.Context(), invoke); err != nil {
		t.Error(err)
	}
}
