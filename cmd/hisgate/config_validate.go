package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hisgate/hisgate/gateway"
)

// checker collects what is wrong with a Config.
type checker struct {
	where map[string]string
	errs  []error
}

func (k *checker) want(ok bool, path, format string, args ...any) {
	if ok {
		return
	}
	msg := fmt.Sprintf("%s: %s", path, fmt.Sprintf(format, args...))
	if w := k.where[path]; w != "" {
		msg = w + ": " + msg
	}
	k.errs = append(k.errs, errors.New(msg))
}

func (k *checker) oneOf(v, path string, allowed ...string) {
	k.want(slices.Contains(allowed, v), path, "%q is not one of %s", v, strings.Join(allowed, ", "))
}

func (k *checker) between(v time.Duration, path string, low, high time.Duration) {
	k.want(v >= low && v <= high, path, "%s is not between %s and %s", v, low, high)
}

func (k *checker) atLeast(v, low int, path string) {
	k.want(v >= low, path, "%d is less than %d", v, low)
}

// readable checks that a file that a setting names can be opened.
func (k *checker) readable(file, path string) {
	if file == "" {
		k.want(false, path, "must be set")
		return
	}
	f, err := os.Open(file)
	if err != nil {
		k.want(false, path, "%v", err)
		return
	}
	f.Close()
}

// Validate reports every bad value with its setting, and where it was set.
func (c *Config) Validate(where map[string]string) error {
	k := &checker{where: where}
	c.validateListen(k)
	c.validateSecure(k)
	c.Tracing.validate(k)
	k.want(c.DataDir != "", "data_dir", "must be set")
	if c.Storage.EncryptionKeyFile != "" {
		k.readable(c.Storage.EncryptionKeyFile, "storage.encryption_key_file")
	}
	k.want(c.Storage.DiskReserve >= 0, "storage.disk_reserve", "must not be negative (0 = none)")
	k.between(c.Storage.Retention, "storage.retention", 365*24*time.Hour, 10*365*24*time.Hour)
	k.oneOf(c.Log.Level, "log.level", "debug", "info", "warn", "error")
	k.oneOf(c.Log.Format, "log.format", "json", "text")
	k.between(c.ShutdownTimeout, "shutdown_timeout", time.Second, 10*time.Minute)
	c.validateLimits(k)
	c.validateHIS(k)
	c.validateStock(k)
	c.validateAlerts(k)
	c.validateFeeds(k)
	if c.Payment.Enabled {
		c.validatePayment(k)
		c.validateWeChat(k)
	}
	return errors.Join(k.errs...)
}

func (c *Config) validateLimits(k *checker) {
	l := c.Limits
	pace := func(rate float64, burst int, name string) {
		k.want(rate >= 0 && rate <= 1e6, "limits."+name+"rate", "%v is not between 0 and 1000000 calls a second", rate)
		k.want(rate == 0 || burst >= 1, "limits."+name+"burst", "%d lets nothing through; at least 1", burst)
	}
	pace(l.ClientRate, l.ClientBurst, "client_")
	pace(l.Rate, l.Burst, "")
	k.atLeast(l.ClientInFlight, 0, "limits.client_in_flight")
	k.atLeast(l.InFlight, 0, "limits.in_flight")
	k.atLeast(l.ClientStreams, 0, "limits.client_streams")
	k.atLeast(l.Streams, 0, "limits.streams")
	k.atLeast(l.Connections, 0, "limits.connections")
	k.atLeast(l.ClientConnections, 0, "limits.client_connections")
	k.between(l.MessageTime, "limits.message_time", time.Second, 10*time.Minute)
	k.want(l.Clients >= 1 && l.Clients <= 1e6, "limits.clients", "%d is not between 1 and 1000000", l.Clients)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (c *Config) validateHIS(k *checker) {
	c.HIS.validateDriver(k)
	k.between(c.HIS.FigureLag, "his.figure_lag", 0, time.Hour)
	h := c.HIS.Capabilities
	k.between(h.FreezeTTL, "his.capabilities.freeze_ttl", 0, 30*24*time.Hour)
	k.atLeast(h.BatchSize, 1, "his.capabilities.batch_size")
	k.atLeast(h.HisNoMax, 0, "his.capabilities.his_no_max")
	k.want(h.Freeze || !h.NetFigure && !h.DeductNeedsFreeze, "his.capabilities.freeze", "net_figure and deduct_needs_freeze need it")
	// Without a way to find out what became of a freeze, an unknown one could
	// neither be given back nor taken again [C3].
	k.want(h.Find || !h.Freeze, "his.capabilities.find", "a HIS that freezes must be able to say what became of a number")
	if h.Freeze && h.FreezeTTL > 0 {
		// What is held must still be frozen when it is paid [A7].
		margin := gateway.DefaultSettings().PayMargin
		within := func(d time.Duration, path string) {
			k.want(d <= h.FreezeTTL-margin, path, "%s must end %s before the HIS lets its freeze lapse (his.capabilities.freeze_ttl: %s)", d, margin, h.FreezeTTL)
		}
		within(c.Lock.DefaultTTL, "lock.default_ttl")
		if c.Payment.Enabled {
			within(c.Payment.Window, "payment.window")
			within(c.Payment.HoldWindow, "payment.hold_window")
		}
	}
	g := c.HIS.Guard
	k.between(g.QueryTimeout, "his.guard.query_timeout", 10*time.Millisecond, time.Minute)
	k.between(g.WriteTimeout, "his.guard.write_timeout", 10*time.Millisecond, 2*time.Minute)
	k.want(g.Concurrency >= 1 && g.Concurrency <= 10_000, "his.guard.concurrency", "%d is not between 1 and 10000", g.Concurrency)
	k.want(g.Rate > 0 && g.Rate <= 1e6, "his.guard.rate", "%v is not above 0 and up to 1000000", g.Rate)
	k.atLeast(g.Burst, 1, "his.guard.burst")
	k.atLeast(g.Queue, 1, "his.guard.queue")
	sum := 0.0
	for name, part := range map[string]float64{
		"client_release": g.Shares.ClientRelease, "freeze": g.Shares.Freeze, "query": g.Shares.Query,
		"expiry_release": g.Shares.ExpiryRelease, "refresh": g.Shares.Refresh,
	} {
		k.want(part >= 0 && part < 1, "his.guard.shares."+name, "%v is not at least 0 and below 1", part)
		sum += part
	}
	k.want(sum < 0.9+1e-9, "his.guard.shares", "they add up to %.2f; at most 0.9, so that Confirm has a tenth", sum)
	k.want(g.Attempts >= 1 && g.Attempts <= 10, "his.guard.attempts", "%d is not between 1 and 10", g.Attempts)
	k.want(g.RetryBudget >= 0 && g.RetryBudget <= 1, "his.guard.retry_budget", "%v is not between 0 and 1", g.RetryBudget)
	k.between(g.RetryBackoff, "his.guard.retry_backoff", time.Millisecond, time.Minute)
	k.between(g.RetryBackoffMax, "his.guard.retry_backoff_max", g.RetryBackoff, 10*time.Minute)
	k.between(g.BusyAfterTimeout, "his.guard.busy_after_timeout", 0, 10*time.Minute)
	k.want(g.BreakerRatio > 0 && g.BreakerRatio <= 1, "his.guard.breaker_ratio", "%v is not above 0 and up to 1", g.BreakerRatio)
	k.want(g.BreakerSlowRatio > 0 && g.BreakerSlowRatio <= 1, "his.guard.breaker_slow_ratio", "%v is not above 0 and up to 1", g.BreakerSlowRatio)
	k.want(g.BreakerProbes >= 1 && g.BreakerProbes <= 100, "his.guard.breaker_probes", "%d is not between 1 and 100", g.BreakerProbes)
	k.atLeast(g.BreakerMinCalls, 1, "his.guard.breaker_min_calls")
	k.between(g.BreakerWindow, "his.guard.breaker_window", time.Second, time.Hour)
	k.between(g.BreakerOpen, "his.guard.breaker_open", 100*time.Millisecond, time.Hour)
	k.between(g.SlowCall, "his.guard.slow_call", time.Millisecond, 2*time.Minute)
	k.atLeast(g.MisconfiguredAfter, 1, "his.guard.misconfigured_after")
	k.between(g.MisconfiguredPause, "his.guard.misconfigured_pause", 0, time.Hour)
}

func (k *checker) url(s, path string) {
	if s == "" {
		k.want(false, path, "must be set")
		return
	}
	u, err := url.Parse(s)
	k.want(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", path, "%q is not an http:// or https:// address", s)
}

func (c *Config) validateStock(k *checker) {
	k.between(c.Cache.MaxAge, "cache.max_age", 100*time.Millisecond, 10*time.Second)
	k.between(c.Cache.Jitter, "cache.jitter", 0, c.Cache.MaxAge/2)
	k.between(c.Cache.MaxStale, "cache.max_stale", c.Cache.MaxAge, time.Hour)
	k.between(c.Cache.MaxWait, "cache.max_wait", 0, time.Minute)
	k.between(c.Cache.UnknownDrug, "cache.unknown_drug", time.Millisecond, c.Cache.MaxAge)
	k.want(c.Cache.RefreshAfter == 0 || c.Cache.RefreshAfter >= c.Cache.MaxAge/2 && c.Cache.RefreshAfter < c.Cache.MaxAge-c.Cache.Jitter,
		"cache.refresh_after", "%s is not 0, nor between half of cache.max_age and cache.max_age less cache.jitter", c.Cache.RefreshAfter)
	k.oneOf(c.Cache.Degraded, "cache.degraded", "accept", "reject")
	k.oneOf(c.Check.Degraded, "check.degraded", "accept", "reject")
	k.atLeast(c.Cache.MaxKeys, 1, "cache.max_keys")
	k.atLeast(c.Cache.MaxUnknown, 1, "cache.max_unknown")
	k.atLeast(c.Cache.MaxWaiting, 1, "cache.max_waiting")
	k.atLeast(c.Cache.Loaders, 1, "cache.loaders")
	k.oneOf(c.Lock.Reading, "lock.reading", "live", "cached")
	k.oneOf(c.Lock.Degraded, "lock.degraded", "reject", "accept")
	k.between(c.Lock.MaxStale, "lock.max_stale", time.Millisecond, 5*time.Minute)
	k.between(c.Lock.MaxTTL, "lock.max_ttl", time.Second, 24*time.Hour)
	k.between(c.Lock.DefaultTTL, "lock.default_ttl", time.Second, c.Lock.MaxTTL)
	k.want(c.Safety.Units >= 0, "safety.units", "must not be negative")
	k.want(c.Safety.Percent >= 0 && c.Safety.Percent <= 100, "safety.percent", "%d is not between 0 and 100", c.Safety.Percent)
	seen := map[SafetyDrug]bool{}
	for i, d := range c.Safety.Drugs {
		p := fmt.Sprintf("safety.drugs[%d]", i)
		k.want(d.PharmacyID != "" && d.DrugID != "", p, "needs pharmacy_id and drug_id")
		k.want(d.Units >= 0, p+".units", "must not be negative")
		k.want(d.Percent >= 0 && d.Percent <= 100, p+".percent", "%d is not between 0 and 100", d.Percent)
		id := SafetyDrug{PharmacyID: d.PharmacyID, DrugID: d.DrugID}
		k.want(!seen[id], p, "drug %s of pharmacy %s stands twice", d.DrugID, d.PharmacyID)
		seen[id] = true
	}
}

// maxWindow keeps a prepay_id, which lives two hours, alive until the deadline.
const maxWindow = 110 * time.Minute

func (c *Config) validatePayment(k *checker) {
	p := c.Payment
	k.oneOf(p.Strategy, "payment.strategy", "VERIFY", "RESERVE", "HOLD", "REFUND")
	k.between(p.Window, "payment.window", 2*time.Minute, maxWindow)
	k.between(p.HoldWindow, "payment.hold_window", 2*time.Minute, maxWindow)
	k.oneOf(p.OnRefused, "payment.on_refused", "refund", "case")
	k.atLeast(p.RefundsPerHour, 0, "payment.refunds_per_hour")
	// The lock of an order lives until a minute after its pay deadline; that of a
	// paid one half an hour.
	k.between(c.Lock.MaxTTL, "lock.max_ttl", max(p.Window, p.HoldWindow, 30*time.Minute)+time.Minute, 24*time.Hour)
	k.between(p.ProofGrace, "payment.proof_grace", time.Minute, time.Hour)
	k.atLeast(p.Workers, 1, "payment.workers")
}

func (c *Config) validateWeChat(k *checker) {
	w := c.WeChat
	if w.APIBaseURL != "" {
		k.url(w.APIBaseURL, "wechat.api_base_url")
	}
	k.want(w.MchID != "", "wechat.mch_id", "must be set (or payment.enabled: false)")
	k.want(len(w.AppIDs) > 0 && !slices.Contains(w.AppIDs, ""), "wechat.app_ids", "at least one appid must be set")
	k.want(w.MerchantSerial != "", "wechat.merchant_serial", "must be set")
	k.readable(w.MerchantKeyFile, "wechat.merchant_key_file")
	k.readable(w.APIv3KeyFile, "wechat.api_v3_key_file")
	k.oneOf(w.Keys, "wechat.keys", "public_key", "certificate", "both")
	if w.Keys != "certificate" {
		k.want(strings.HasPrefix(w.PublicKeyID, "PUB_KEY_ID_"), "wechat.public_key_id", "%q does not begin with PUB_KEY_ID_", w.PublicKeyID)
		k.readable(w.PublicKeyFile, "wechat.public_key_file")
	}
	w.validateProxy(k)
	k.between(w.Timeout, "wechat.timeout", 100*time.Millisecond, time.Minute)
	if w.NotifyURL != "" {
		u, err := url.Parse(w.NotifyURL)
		ok := err == nil && u.Host != "" && u.RawQuery == "" && (u.Path == "" || u.Path == "/")
		k.want(ok && (u.Scheme == "https" || isLoopback(u.Hostname())), "wechat.notify_url", "%q is not an https:// address without path and query", w.NotifyURL)
		return
	}
	base, err := url.Parse(w.APIBaseURL)
	k.want(err == nil && isLoopback(base.Hostname()), "wechat.notify_url", "must be set: WeChat Pay cannot reach a loopback address")
}
