package simhis_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/adaptertest"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/hisadapter/simhis/simhand"
)

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

// suite opens a HIS of cfg for the suite, which knocks at the given door.
func suite(cfg simhis.Config, door func(*testing.T, *simhis.HIS) hisadapter.Driver, cannot ...adaptertest.Trouble) adaptertest.Open {
	return func(t *testing.T) (hisadapter.Driver, adaptertest.Control) {
		clock := simhand.NewClock()
		cfg.Now = clock.Now
		h := open(t, cfg)
		hand := simhand.Hand{HIS: h, Clock: clock, Has: adaptertest.Fixture{
			PharmacyID: pharmacy, Drugs: []string{drugA, bigID, "00050003"}, Unknown: "10041",
			Stopped: "00070001", Boxed: drugB, Box: 24, Amount: true,
		}}
		for _, id := range hand.Has.Drugs {
			facts, _ := h.Facts(id)
			hand.Has.Facts = append(hand.Has.Facts, facts)
		}
		hand.Has.Troubles = slices.DeleteFunc(hand.Fixture().Troubles, func(x adaptertest.Trouble) bool {
			return slices.Contains(cannot, x)
		})
		return door(t, h), hand
	}
}

func TestDriverInProcess(t *testing.T) {
	inside := func(_ *testing.T, h *simhis.HIS) hisadapter.Driver { return h.Driver() }
	for name, cfg := range kinds() {
		t.Run(name, func(t *testing.T) { adaptertest.Run(t, suite(cfg, inside)) })
	}
}

// A bare Handler cannot refuse connections.
func TestDriverOverHTTP(t *testing.T) {
	outside := func(t *testing.T, h *simhis.HIS) hisadapter.Driver {
		d, _ := serve(t, h)
		return d
	}
	for name, cfg := range kinds() {
		t.Run(name, func(t *testing.T) { adaptertest.Run(t, suite(cfg, outside, adaptertest.Down)) })
	}
}
