package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
	"github.com/hisgate/hisgate/internal/skew"
)

// his asks the HIS what hisgate itself asks it after a start, and nothing else.
func (d *doctor) his(ctx context.Context, c Config) {
	seen := &sighting{}
	driver, err := seen.open(c.HIS, c.settings().caps)
	if err != nil {
		d.add(red, "his", err.Error(), d.say("改正对接文件", "mend the mapping file"))
		return
	}
	if closer, ok := driver.(io.Closer); ok {
		defer closer.Close()
	}
	for _, w := range seen.warnings {
		d.add(warned, "his tls", w, d.say("尽量去掉该设置", "do without the setting where you can"))
	}
	ctx, cancel := context.WithTimeout(ctx, max(c.HIS.Guard.QueryTimeout, 5*time.Second))
	defer cancel()
	begun := time.Now()
	switch db, sql := driver.(*sqlhis.Driver); {
	case driver.Capabilities().Find:
		_, err = driver.FindOrder(ctx, reachNo)
	case sql:
		err = db.Reach(ctx)
	default:
		d.add(warned, "his", d.say("未询问：没有无害的问题可问（his.capabilities.find 为 false）", "not asked: without his.capabilities.find there is no harmless question"),
			d.say("用 hisgate adapter call 查一次库存", "read stock once with hisgate adapter call"))
		return
	}
	took := time.Since(begun)
	if host, ahead, ok := seen.last(); host != "" {
		d.resolve(ctx, "his dns", host)
		if ok {
			d.clock("clock and his", ahead)
		}
	} else if c, ok := driver.(clocked); ok {
		if ahead, known := c.Skew(); known {
			d.clock("clock and his", ahead)
		}
	}
	switch outcome := hisadapter.OutcomeOf(err); {
	case outcome == hisadapter.Misconfigured:
		d.add(red, "his", err.Error(), d.say("HIS 不接受我们的调用：核对签名、账号、权限、参数", "the HIS refuses our calls as such: look at signature, account, permissions, parameters"))
	case outcome != hisadapter.Done && outcome != hisadapter.Refused && outcome != hisadapter.Find:
		d.add(red, "his", err.Error(), d.say("查网络、防火墙与 HIS 接口；hisgate adapter call 可逐步查看", "look at network, firewall and the HIS's service; hisgate adapter call shows each step"))
	case took > c.HIS.Guard.SlowCall:
		d.add(warned, "his", fmt.Sprintf(d.say("已应答，但用了 %s（his.guard.slow_call: %s）", "it answers, but took %s (his.guard.slow_call: %s)"), took.Round(time.Millisecond), c.HIS.Guard.SlowCall),
			d.say("请 HIS 方查慢的原因", "ask the HIS team why it is slow"))
	default:
		d.ok("his", d.say("已应答，%s", "it answers, %s"), took.Round(time.Millisecond))
	}
}

// sighting is what was seen of the HIS's last answer beside what it said.
type sighting struct {
	warnings []string

	mu    sync.Mutex
	host  string
	ahead time.Duration
	dated bool
}

// open opens the driver so that its exchanges are seen.
func (s *sighting) open(c HIS, caps hisadapter.Capabilities) (hisadapter.Driver, error) {
	switch c.Driver {
	case driverHTTP:
		m, err := httphis.Load(c.MappingFile)
		if err != nil {
			return nil, err
		}
		s.warnings = m.Warnings()
		d, err := httphis.New(m, caps, httphis.Options{Record: func(x httphis.Exchange) {
			s.see(x.Request.URL, x.Header, x.At, x.At.Add(x.Duration))
		}})
		if err != nil {
			return nil, err
		}
		return d, nil
	case driverSimHIS:
		client := &http.Client{
			Transport:     s,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		return simhis.Dial(c.SimHIS.URL, client, caps), nil
	default:
		return openDriver(c, caps, nil, slog.New(slog.DiscardHandler))
	}
}

// RoundTrip implements http.RoundTripper.
func (s *sighting) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.see(r.URL.String(), nil, sent, time.Now())
		return nil, err
	}
	s.see(r.URL.String(), resp.Header, sent, time.Now())
	return resp, nil
}

func (s *sighting) see(address string, h http.Header, sent, received time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u, err := url.Parse(address); err == nil {
		s.host = u.Hostname()
	}
	s.ahead, s.dated = skew.OfDate(h, sent, received)
}

func (s *sighting) last() (host string, ahead time.Duration, dated bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.host, s.ahead, s.dated
}
