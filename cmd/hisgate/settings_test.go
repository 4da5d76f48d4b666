package main

import (
	"testing"
	"time"
)

// Whatever time the settings give a call to the HIS or to WeChat Pay, the order's step
// that makes it waits for longer.
func TestAnOrdersStepOutlastsItsCalls(t *testing.T) {
	for _, tt := range []struct{ write, query, wechat, his, pay time.Duration }{
		{5 * time.Second, 2 * time.Second, 5 * time.Second, 30 * time.Second, 10 * time.Second},
		{2 * time.Minute, time.Minute, time.Minute, 3*time.Minute + stepSlack, time.Minute + stepSlack}, // the most that is allowed
		{time.Second, time.Minute, 9 * time.Second, time.Minute + time.Second + stepSlack, 9*time.Second + stepSlack},
	} {
		c := Default()
		c.HIS.Guard.WriteTimeout, c.HIS.Guard.QueryTimeout, c.WeChat.Timeout = tt.write, tt.query, tt.wechat
		if s := c.settings().orders; s.HISTimeout != tt.his || s.PayTimeout != tt.pay {
			t.Errorf("write %v, query %v, WeChat %v: steps of the HIS have %v, of WeChat %v", tt.write, tt.query, tt.wechat, s.HISTimeout, s.PayTimeout)
		}
	}
}
