package main

import (
	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/payflow/wechat"
)

// figures are those of the metrics that no room knows by itself. channel is nil
// while payment is disabled.
func figures(p *Program, channel *wechat.Channel) server.Figures {
	var f server.Figures
	if channel != nil {
		f.ClockSkew = channel.Skew()
	}
	if free, err := p.engine.Free(); err == nil {
		f.DiskFree = free
	}
	alertFigures(p.alarm, &f)
	f.Feeds = p.feeds.figures()
	return f
}
