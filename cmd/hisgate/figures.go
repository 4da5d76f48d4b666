package main

import (
	"time"

	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/payflow/wechat"
)

// clocked is a driver that sees the HIS's clock.
type clocked interface {
	// Skew is how far our clock is ahead of the HIS's; known is false while nobody
	// knows.
	Skew() (ahead time.Duration, known bool)
}

// figures are those of the metrics that no room knows by itself. channel is nil
// while payment is disabled.
func figures(p *Program, channel *wechat.Channel) server.Figures {
	var f server.Figures
	if channel != nil {
		f.ClockSkew = channel.Skew()
	}
	if his, ok := p.his.(clocked); ok {
		f.HISSkew, _ = his.Skew()
	}
	if free, err := p.engine.Free(); err == nil {
		f.DiskFree = free
	}
	alertFigures(p.alarm, &f)
	f.SpansSent, f.SpansRefused, f.SpansDropped = p.tracing.figures()
	f.Feeds = p.feeds.figures()
	return f
}
