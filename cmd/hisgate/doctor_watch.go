package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/internal/alarm"
)

// webhooks asks the host of each webhook whether it is there. Nobody is told
// anything, so that the doctor may come as often as one likes.
func (d *doctor) webhooks(ctx context.Context, c Config) {
	alarm.Look(ctx, c.alarmSettings(), func(i int, _ alarm.Webhook, host string, status int, err error) {
		check := fmt.Sprintf("alerts.webhooks[%d]", i)
		if err != nil {
			d.add(red, check, host+": "+err.Error(), d.say("查出网、代理（HTTPS_PROXY）与 url_file；告警无人收到", "look at the way out, the proxy (HTTPS_PROXY) and url_file; nobody hears of alerts"))
			return
		}
		d.ok(check, d.say("%s 有应答（HTTP %d）；未发消息，hisgate alert test 会发一条", "%s answers (HTTP %d); no message was sent, hisgate alert test sends one"), host, status)
	})
}

// collector sends the collector of traces a message without spans.
func (d *doctor) collector(ctx context.Context, c Tracing) {
	if c.Endpoint == "" {
		return
	}
	begun := time.Now()
	if err := c.tryCollector(ctx); err != nil {
		d.add(warned, "tracing", c.Endpoint+": "+err.Error(), d.say("查 tracing.endpoint、ca_file、headers_file 与防火墙；调用不受影响，只是没有链路追踪", "look at tracing.endpoint, ca_file, headers_file and the firewall; calls do not suffer, their traces are lost"))
		return
	}
	d.ok("tracing", d.say("%s 接收（发了一条空消息），%s", "%s takes spans (a message without any was sent), %s"), c.Endpoint, time.Since(begun).Round(time.Millisecond))
}
