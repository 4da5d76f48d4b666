package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/internal/alarm"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechat"
)

// settings are a Config in the words of the rooms.
type settings struct {
	caps    hisadapter.Capabilities
	guard   guard.Settings
	gateway gateway.Settings
	safety  lockstore.SafetyPolicy
	orders  payflow.Settings
	alarm   alarm.Options
}

func (c *Config) settings() settings {
	return settings{
		caps: c.HIS.capabilities(), guard: c.HIS.Guard.settings(),
		gateway: c.gatewaySettings(), safety: c.Safety.policy(), orders: c.orderSettings(),
		alarm: c.alarmSettings(),
	}
}

func (h HIS) capabilities() hisadapter.Capabilities {
	c := h.Capabilities
	return hisadapter.Capabilities{
		Freeze: c.Freeze, FreezeTTL: c.FreezeTTL, NetFigure: c.NetFigure, DeductNeedsFreeze: c.DeductNeedsFreeze,
		Find: c.Find, Cancel: c.Cancel, List: c.List, IdempotentByHisNo: c.IdempotentByHisNo, AtomicItems: c.AtomicItems,
		BatchSize: c.BatchSize, HisNoMax: c.HisNoMax,
	}
}

func (c GuardConfig) settings() guard.Settings {
	return guard.Settings{
		MaxConcurrent: c.Concurrency, QueueLength: c.Queue, Rate: c.Rate, Burst: c.Burst, Shares: guard.Shares(c.Shares),
		Timeouts: guard.Timeouts{
			QueryStock: c.QueryTimeout, FindOrder: c.QueryTimeout, ListOrders: c.WriteTimeout,
			Freeze: c.WriteTimeout, Unfreeze: c.WriteTimeout, PlaceOrder: c.WriteTimeout, CancelOrder: c.WriteTimeout,
		},
		BusyAfterTimeout: c.BusyAfterTimeout,
		Retry: guard.Retry{
			Attempts: c.Attempts, Backoff: c.RetryBackoff, BackoffMax: c.RetryBackoffMax, Budget: c.RetryBudget,
		},
		Breaker: guard.Breaker{
			Window: c.BreakerWindow, MinCalls: c.BreakerMinCalls, FailureRatio: c.BreakerRatio,
			SlowCall: c.SlowCall, SlowRatio: c.BreakerSlowRatio, OpenFor: c.BreakerOpen, Probes: c.BreakerProbes,
		},
		MisconfiguredPause: c.MisconfiguredPause, MisconfiguredAfter: c.MisconfiguredAfter,
	}
}

func (c *Config) gatewaySettings() gateway.Settings {
	s := gateway.DefaultSettings()
	s.FigureLag = c.HIS.FigureLag
	s.Cache.MaxAge, s.Cache.Jitter = c.Cache.MaxAge, c.Cache.Jitter
	s.Cache.RefreshAfter = c.Cache.RefreshAfter
	s.Cache.Degraded, s.Cache.MaxStale = degraded(c.Cache.Degraded), c.Cache.MaxStale
	s.Cache.UnknownDrug, s.Cache.MaxWait = c.Cache.UnknownDrug, c.Cache.MaxWait
	s.Cache.MaxKeys, s.Cache.MaxUnknown = c.Cache.MaxKeys, c.Cache.MaxUnknown
	s.Cache.MaxWaiting, s.Cache.Loaders = c.Cache.MaxWaiting, c.Cache.Loaders
	s.Check.Degraded = degraded(c.Check.Degraded)
	if c.Lock.Reading == "cached" {
		s.Lock.Freshness = gateway.Cached
	}
	s.Lock.Degraded = degraded(c.Lock.Degraded)
	s.Lock.MaxStale, s.Lock.DefaultTTL, s.Lock.MaxTTL = c.Lock.MaxStale, c.Lock.DefaultTTL, c.Lock.MaxTTL
	s.Calls.Attempt = c.HIS.Guard.WriteTimeout
	s.Calls.Read = 4 * c.HIS.Guard.QueryTimeout
	s.Calls.Write = 4 * c.HIS.Guard.WriteTimeout
	// A write may be repeated within the guard after a refusal to take it, so the
	// last of them counts; twice the HIS timeout is the least [C1].
	s.Resolver.Grace = max(s.Resolver.Grace, 3*c.HIS.Guard.WriteTimeout)
	return s
}

// stepSlack is what an order's step may need beside its calls: a slot of the guard, the
// disk, WeChat's keys.
const stepSlack = 5 * time.Second

func degraded(word string) gateway.Degraded {
	if word == "accept" {
		return gateway.Accept
	}
	return gateway.Reject
}

func (c Safety) policy() lockstore.SafetyPolicy {
	p := lockstore.SafetyPolicy{
		Default: lockstore.SafetyRule{Units: c.Units, Percent: c.Percent},
		PerKey:  map[lockstore.Key]lockstore.SafetyRule{},
	}
	for _, d := range c.Drugs {
		p.PerKey[lockstore.Key{PharmacyID: string(d.PharmacyID), DrugID: string(d.DrugID)}] = lockstore.SafetyRule{Units: d.Units, Percent: d.Percent}
	}
	return p
}

func (c *Config) orderSettings() payflow.Settings {
	s := payflow.Default()
	s.MchID, s.AppIDs = string(c.WeChat.MchID), c.WeChat.AppIDs
	s.ReserveWindow, s.VerifyWindow, s.RefundWindow = c.Payment.Window, c.Payment.Window, c.Payment.Window
	s.HoldWindow = c.Payment.HoldWindow
	s.OnGone = payflow.Policy(c.Payment.OnRefused)
	s.AutoRefundsPerHour = c.Payment.RefundsPerHour
	s.ProofGrace = c.Payment.ProofGrace
	s.Reconcile, s.ReconcilePrefix = c.Payment.Reconcile, c.Payment.ReconcilePrefix
	if !c.HIS.Capabilities.AtomicItems {
		s.MaxDrugs = 1 // an order of more could be paid, and never be locked [C7]
	}
	s.HISWorkers, s.PayWorkers = c.Payment.Workers, c.Payment.Workers
	// A step that is given up before its call may be answered never gets an answer.
	s.HISTimeout = max(s.HISTimeout, c.HIS.Guard.WriteTimeout+c.HIS.Guard.QueryTimeout+stepSlack) // a look, then the call
	s.PayTimeout = max(s.PayTimeout, c.WeChat.Timeout+stepSlack)
	s.Retention, s.DiskReserve = c.Storage.Retention, uint64(c.Storage.DiskReserve)
	return s
}

// options reads the key files. notifyBase is where WeChat Pay reaches the
// callbacks: scheme and host.
func (w WeChat) options(notifyBase string) (wechat.Options, error) {
	o := wechat.Options{
		MchID: string(w.MchID), AppIDs: w.AppIDs, MerchantSerial: string(w.MerchantSerial),
		Mode: wechat.Mode(w.Keys), PublicKeyID: w.PublicKeyID,
		NotifyURL: notifyBase + paymentPath, RefundNotifyURL: notifyBase + refundPath,
		BaseURL: w.APIBaseURL, Timeout: w.Timeout,
	}
	var err error
	if o.Proxy, err = w.proxy(); err != nil {
		return o, err
	}
	if o.MerchantKeyPEM, err = os.ReadFile(w.MerchantKeyFile); err != nil {
		return o, fmt.Errorf("wechat.merchant_key_file: %w", err)
	}
	key, err := os.ReadFile(w.APIv3KeyFile)
	if err != nil {
		return o, fmt.Errorf("wechat.api_v3_key_file: %w", err)
	}
	o.APIv3Key = string(bytes.TrimSpace(key))
	if w.Keys != string(wechat.ModeCertificate) {
		if o.PublicKeyPEM, err = os.ReadFile(w.PublicKeyFile); err != nil {
			return o, fmt.Errorf("wechat.public_key_file: %w", err)
		}
	}
	return o, nil
}

// inSettings says what wechat.New objects to in the words of the configuration.
func inSettings(err error) error {
	var errs []error
	for _, e := range parts(err) {
		o, ok := errors.AsType[*wechat.OptionError](e)
		if !ok {
			errs = append(errs, fmt.Errorf("wechat: %w", e))
			continue
		}
		name, ok := map[string]string{
			"MchID": "mch_id", "AppIDs": "app_ids", "MerchantSerial": "merchant_serial", "MerchantKey": "merchant_key_file",
			"APIv3Key": "api_v3_key_file", "Mode": "keys", "PublicKeyID": "public_key_id", "PublicKey": "public_key_file",
			"NotifyURL": "notify_url", "RefundNotifyURL": "notify_url", "BaseURL": "api_base_url", "Timeout": "timeout",
		}[o.Option]
		if !ok {
			name = o.Option
		}
		errs = append(errs, fmt.Errorf("wechat.%s: %s", name, o.Reason))
	}
	return errors.Join(errs...)
}

// parts takes a joined error apart.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// The paths of the callbacks.
const (
	paymentPath = "/wechat/v1/payment"
	refundPath  = "/wechat/v1/refund"
)
