//go:build chaos

package main

import (
	"context"
	"time"

	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// hisTroubles lets the HIS be away, hang, be slow, answer with errors or nonsense,
// or do late what nobody waits for any more, each for a while.
func (c *chaos) hisTroubles(ctx context.Context) {
	for c.rest(ctx, 1, 4) {
		applied := c.chance(0.5)
		kinds := []struct {
			name  string
			fault simhis.Fault
		}{
			{"HIS away", simhis.Fault{}},
			{"HIS hangs", simhis.Fault{What: simhis.TimeoutBefore}},
			{"HIS hangs, having done it", simhis.Fault{What: simhis.TimeoutAfter}},
			{"HIS does it late", simhis.Fault{What: simhis.LateApply, After: c.between(0, c.lag), Chance: 0.5}},
			{"HIS slow", simhis.Fault{What: simhis.Slow, After: c.between(0, c.lag)}},
			{"HIS 5xx", simhis.Fault{What: simhis.HTTP500, Apply: applied, Chance: 0.7}},
			{"HIS cuts the line", simhis.Fault{What: simhis.Reset, Apply: applied, Chance: 0.7}},
			{"HIS cuts its answers", simhis.Fault{What: simhis.Truncated, Apply: applied, Chance: 0.7}},
			{"HIS answers nonsense", simhis.Fault{What: simhis.Garbage, Apply: applied, Chance: 0.7}},
			{"HIS busy", simhis.Fault{What: simhis.BusyNow, Chance: 0.7}},
			{"HIS takes no signature", simhis.Fault{What: simhis.Misconfigured, Chance: 0.7}},
		}
		k := kinds[c.dice(len(kinds))]
		c.add(k.name)
		if k.fault.What == "" {
			c.sims.HIS.SetDown(true)
			c.rest(ctx, 0.5, 4)
			c.sims.HIS.SetDown(false)
			continue
		}
		id, err := c.sims.HIS.Inject(k.fault)
		if err != nil {
			c.t.Error(err)
			return
		}
		c.rest(ctx, 0.5, 4)
		c.sims.HIS.Disarm(id)
	}
}

// wechatTroubles does the same at WeChat Pay.
func (c *chaos) wechatTroubles(ctx context.Context) {
	for c.rest(ctx, 1, 4) {
		kinds := []struct {
			name  string
			fault wechatsim.Fault
		}{
			{"WeChat hangs", wechatsim.Fault{Kind: wechatsim.KindHangBefore}},
			{"WeChat hangs, having done it", wechatsim.Fault{Kind: wechatsim.KindHangAfter}},
			{"WeChat cuts the line", wechatsim.Fault{Kind: wechatsim.KindResetBefore}},
			{"WeChat cuts the line, having done it", wechatsim.Fault{Kind: wechatsim.KindResetAfter}},
			{"WeChat does it late", wechatsim.Fault{Kind: wechatsim.KindLate, Delay: c.between(time.Millisecond, c.lag)}},
			{"WeChat 5xx", wechatsim.Fault{Kind: wechatsim.KindStatus}},
			{"WeChat 5xx, having done it", wechatsim.Fault{Kind: wechatsim.KindStatusAfter}},
			{"WeChat 429", wechatsim.Fault{Kind: wechatsim.KindStatus, Status: 429}},
			{"WeChat slow", wechatsim.Fault{Delay: c.between(time.Millisecond, c.lag)}},
			{"WeChat signs wrongly", wechatsim.Fault{Sign: wechatsim.SignTampered}},
			{"WeChat probes", wechatsim.Fault{Sign: wechatsim.SignProbe}},
			{"WeChat has not enough", wechatsim.Fault{Op: wechatsim.OpRefund, Kind: wechatsim.KindNotEnough}},
			{"patients pay while WeChat closes", wechatsim.Fault{Op: wechatsim.OpClose, Kind: wechatsim.KindPayFirst}},
			{"patients are paying", wechatsim.Fault{Op: wechatsim.OpClose, Kind: wechatsim.KindUserPaying}},
		}
		k := kinds[c.dice(len(kinds))]
		c.add(k.name)
		k.fault.Times = -1
		ops := []wechatsim.Op{k.fault.Op}
		if k.fault.Op == "" && !c.prepays {
			ops = []wechatsim.Op{wechatsim.OpQuery, wechatsim.OpClose, wechatsim.OpRefund, wechatsim.OpRefundQuery}
		}
		for _, k.fault.Op = range ops {
			c.wechatFault(k.fault)
		}
		c.rest(ctx, 0.5, 3)
		// What is wrong with callbacks stays so.
		var callbacks []wechatsim.Fault
		for _, f := range c.sims.WeChat.Faults() {
			if f.Op == wechatsim.OpNotifyPayment || f.Op == wechatsim.OpNotifyRefund {
				callbacks = append(callbacks, f)
			}
		}
		c.sims.WeChat.ClearFaults()
		if err := c.sims.WeChat.Inject(callbacks...); err != nil {
			c.t.Error(err)
		}
	}
}

// badCallbacks lets something happen to the callbacks of an order.
func (c *chaos) badCallbacks(no string) {
	for _, op := range []wechatsim.Op{wechatsim.OpNotifyPayment, wechatsim.OpNotifyRefund} {
		switch f := (wechatsim.Fault{Op: op, OutTradeNo: no, Times: -1}); c.dice(8) {
		case 0:
			f.Kind = wechatsim.KindDrop
			c.wechatFault(f)
			c.add("callbacks lost for ever")
		case 1:
			f.Kind, f.Times = wechatsim.KindDrop, 1+c.dice(3)
			c.wechatFault(f)
			c.add("callbacks lost and sent again")
		case 2:
			f.Copies = 1 + c.dice(5)
			c.wechatFault(f)
			c.add("callbacks doubled")
		case 3:
			f.Sign, f.Times = wechatsim.SignTampered, 1
			c.wechatFault(f)
			c.add("callbacks forged")
		}
	}
}
