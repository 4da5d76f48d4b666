package alarm

import (
	"context"
	"time"
)

// Try sends one test message to each webhook, one after the other, and calls
// report with what each answered, or why it did not take the message.
func Try(ctx context.Context, o Options, report func(i int, w Webhook, answer string, err error)) {
	if o.Now == nil {
		o.Now = time.Now
	}
	p := newPoster(o.HTTP, o.Language, o.Host, o.Now)
	m := Message{
		Name: "HisgateTest", Severity: P2, Kind: Trial, Since: o.Now(),
		Title: Words{"hisgate 告警测试", "hisgate alert test"},
		What:  Words{"这是一条测试消息，说明此群能收到 hisgate 的告警。", "A test: alerts of hisgate arrive here."},
		Do:    Words{"无需处理。", "Nothing."},
	}
	for i, w := range o.Webhooks {
		answer, err := p.post(ctx, w, []Message{m})
		report(i, w, answer, err)
	}
}

// Look asks for the host of each webhook, one after the other and at most ten
// seconds each, and calls report with the host and the status of its answer, or why
// there was none. It sends neither a message nor a key: that the robot itself takes
// messages is for Try to find out.
func Look(ctx context.Context, o Options, report func(i int, w Webhook, host string, status int, err error)) {
	p := newPoster(o.HTTP, o.Language, o.Host, o.Now)
	for i, w := range o.Webhooks {
		host, status, err := p.look(ctx, w)
		report(i, w, host, status, err)
	}
}
