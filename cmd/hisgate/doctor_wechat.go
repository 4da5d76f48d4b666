package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/hisgate/hisgate/internal/skew"
	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechat"
)

// wechatAPI is where WeChat Pay is, unless wechat.api_base_url says otherwise.
const wechatAPI = "https://api.mch.weixin.qq.com"

// wechat looks at the way to WeChat Pay and asks it for an order that nobody has
// made. Nothing that could be a payment is sent.
func (d *doctor) wechat(ctx context.Context, c Config) {
	base := c.WeChat.APIBaseURL
	if base == "" {
		base = wechatAPI
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base, nil)
	if err != nil {
		d.add(red, "wechat", d.say("wechat.api_base_url 不是网址", "wechat.api_base_url is no address"), d.say("改正 wechat.api_base_url", "mend wechat.api_base_url"))
		return
	}
	way, err := c.WeChat.proxy()
	if err != nil {
		d.add(red, "proxy", err.Error(), d.say("改正 wechat.proxy_*", "mend wechat.proxy_*"))
		return
	}
	proxy, err := way(r)
	switch {
	case err != nil: // which would print the address, with its password
		d.add(red, "proxy", d.say("环境变量 HTTPS_PROXY 或 HTTP_PROXY 不是网址", "HTTPS_PROXY or HTTP_PROXY of the environment is no address"), d.say("改正或去掉它", "mend it or take it away"))
		return
	case proxy != nil:
		d.ok("proxy", d.say("经代理 %s", "by way of %s"), proxy.Redacted())
		d.resolve(ctx, "wechat dns", proxy.Hostname())
	default:
		d.resolve(ctx, "wechat dns", r.URL.Hostname())
	}
	ahead, dated := d.peek(r, proxy, c.WeChat.Timeout)
	o, err := c.WeChat.options("https://doctor.invalid")
	if err != nil {
		d.add(red, "wechat keys", err.Error(), d.say("检查密钥文件", "look at the key files"))
		return
	}
	o.Logger = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	channel, err := wechat.New(ctx, o)
	if err != nil {
		for _, e := range parts(inSettings(err)) {
			d.add(red, "wechat keys", e.Error(), d.say("检查密钥文件与商户平台", "look at the key file and the merchant console"))
		}
		return
	}
	err = pingUntil(ctx, channel, max(10*time.Second, 2*c.WeChat.Timeout))
	if signed := channel.Skew(); signed.Abs() > ahead.Abs() {
		ahead, dated = signed, true
	}
	if dated {
		d.clock("clock and wechat", ahead)
	}
	e, _ := errors.AsType[*payflow.ChannelError](err)
	switch {
	case err == nil:
		d.ok("wechat", "%s", d.say("已应答，签名互相通过", "it answers, and both signatures are good"))
	case e != nil && e.Outcome == payflow.ChannelMisconfigured:
		d.add(red, "wechat", err.Error(), d.say("核对商户号、证书序列号、商户私钥、时钟", "look at merchant number, certificate serial, private key, clock"))
	default:
		d.add(red, "wechat", err.Error(), d.say("查出网、代理与 wechat.keys；hisgate 可以启动，订单会等", "look at the way out, the proxy and wechat.keys; hisgate starts without it, orders wait"))
	}
}

// pingUntil asks until the answer is one; a channel that fetches certificates
// first needs a moment.
func pingUntil(ctx context.Context, channel *wechat.Channel, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for tries := 0; ; tries++ {
		err := channel.Ping(ctx)
		e, ok := errors.AsType[*payflow.ChannelError](err)
		if !ok || e.Outcome != payflow.ChannelNotSent || tries == 5 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-again.C:
		}
	}
}

// peek looks at the other end of the connection: its certificate and its clock.
func (d *doctor) peek(r *http.Request, proxy *url.URL, timeout time.Duration) (ahead time.Duration, dated bool) {
	t := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	defer t.CloseIdleConnections()
	client := &http.Client{
		Transport: t, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	sent := time.Now()
	resp, err := client.Do(r)
	if err != nil {
		d.add(red, "wechat tls", err.Error(), d.say("查防火墙、代理、系统根证书（ca-certificates）", "look at firewall, proxy, the system's authorities (ca-certificates)"))
		return 0, false
	}
	resp.Body.Close()
	switch {
	case resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0:
		leaf := resp.TLS.PeerCertificates[0]
		d.ok("wechat tls", d.say("%s，由 %s 签发，至 %s", "%s, by %s, until %s"), leaf.Subject.CommonName, leaf.Issuer.CommonName, leaf.NotAfter.Format(time.DateOnly))
	case isLoopback(r.URL.Hostname()):
		d.ok("wechat tls", "%s", d.say("本机模拟器，不加密", "a simulator on this machine, not encrypted"))
	default:
		d.add(warned, "wechat tls", fmt.Sprintf(d.say("到 %s 不加密", "not encrypted towards %s"), r.URL.Host), d.say("wechat.api_base_url 用 https", "use https in wechat.api_base_url"))
	}
	return skew.OfDate(resp.Header, sent, time.Now())
}
