package payflow

import (
	"errors"
	"fmt"
	"time"
)

// Policy says what happens to a paid order whose stock is gone.
type Policy string

// The policies.
const (
	PolicyRefund Policy = "refund" // the money goes back by itself
	PolicyCase   Policy = "case"   // a person decides
)

// Settings bound and time the order service. Default gives the safe ones.
type Settings struct {
	MchID  string   // the merchant that payments must be for; "" = not compared here
	AppIDs []string // the appids that may be used; empty = any

	ReserveWindow, HoldWindow, VerifyWindow, RefundWindow time.Duration // creation → pay deadline, ≤ 110 min (§7.11)

	// LeastToPay is how far time_expire is ahead at the least, when a prepay is
	// sent [D10]. WeChat asks for a minute.
	LeastToPay time.Duration

	OnGone             Policy        // RESERVE and HOLD; VERIFY and REFUND always refund
	AutoRefundsPerHour int           // [D6]
	ProofGrace         time.Duration // [D9]
	RefundGrace        time.Duration // accepted → done, before a case
	MaxTotalFen        int64         // of one order
	MaxDrugs           int           // of one order, at most 100; 1 where the HIS cannot hold several all or nothing [C7]

	CanCancel bool // the HIS can take its orders back
	CanFind   bool // the HIS can be asked what became of an order

	CaseOwner string // the duty role that owns a case until someone claims it
	// How long persons have, by severity.
	P0Deadline, P1Deadline, P2Deadline time.Duration

	Reconcile       bool   // each morning the day before is compared by itself
	ReconcilePrefix string // rows of a bill whose order is not known here are ours only when its number begins so; "" = any

	HISWorkers, PayWorkers int           // separate bounded pools [D8]
	HISTimeout, PayTimeout time.Duration // of one step
	AnswerWithin           time.Duration // how long an API call waits for the worker

	MaxActive, MaxInbox, MaxWatchers int
	DiskReserve                      uint64        // bytes; with less left no order is begun [B10]
	Retention                        time.Duration // of ended orders and closed cases
}

const (
	maxWindow     = 110 * time.Minute // a prepay_id lives 2 h
	freezeSlack   = 5 * time.Minute   // between time_expire and the lapse of a HIS freeze [A7]
	neverArrived  = 5 * time.Minute   // after time_expire, ORDER_NOT_EXIST is final [D2]
	refundReach   = 365 * 24 * time.Hour
	refundsAtMost = 50          // WeChat's limit of parts
	refundsApart  = time.Minute // WeChat's least time between two refunds of one order
)

// Default returns the settings of design §7.
func Default() Settings {
	return Settings{
		ReserveWindow: 30 * time.Minute, HoldWindow: 15 * time.Minute,
		VerifyWindow: 30 * time.Minute, RefundWindow: 30 * time.Minute,
		LeastToPay: time.Minute,
		OnGone:     PolicyRefund, AutoRefundsPerHour: 10,
		ProofGrace: 10 * time.Minute, RefundGrace: 72 * time.Hour,
		MaxTotalFen: 10_000_000, MaxDrugs: itemsMax,
		CaseOwner:  "duty-pharmacist",
		P0Deadline: 30 * time.Minute, P1Deadline: 2 * time.Hour, P2Deadline: 24 * time.Hour,
		Reconcile:  true,
		HISWorkers: 8, PayWorkers: 8,
		HISTimeout: 30 * time.Second, PayTimeout: 10 * time.Second,
		AnswerWithin: 8 * time.Second,
		MaxActive:    200_000, MaxInbox: 20_000, MaxWatchers: 2_000,
		DiskReserve: 256 << 20,
		Retention:   400 * 24 * time.Hour,
	}
}

// Validate returns all that is wrong, joined.
func (s Settings) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for name, w := range map[string]time.Duration{
		"reserve window": s.ReserveWindow, "hold window": s.HoldWindow,
		"verify window": s.VerifyWindow, "refund window": s.RefundWindow,
	} {
		if w < 2*s.LeastToPay || w > maxWindow {
			bad("%s %v is not between %v and 110m", name, w, 2*s.LeastToPay)
		}
	}
	if s.OnGone != PolicyRefund && s.OnGone != PolicyCase {
		bad("policy %q is neither refund nor case", s.OnGone)
	}
	for name, d := range map[string]time.Duration{
		"least time to pay": s.LeastToPay, "proof grace": s.ProofGrace, "refund grace": s.RefundGrace, "P0 deadline": s.P0Deadline,
		"P1 deadline": s.P1Deadline, "P2 deadline": s.P2Deadline, "HIS timeout": s.HISTimeout,
		"pay timeout": s.PayTimeout, "answer time": s.AnswerWithin, "retention": s.Retention,
	} {
		if d <= 0 {
			bad("%s %v is not positive", name, d)
		}
	}
	for name, n := range map[string]int{
		"HIS workers": s.HISWorkers, "pay workers": s.PayWorkers, "active orders": s.MaxActive,
		"inbox": s.MaxInbox, "watchers": s.MaxWatchers,
	} {
		if n < 1 {
			bad("%s: %d is less than 1", name, n)
		}
	}
	if s.AutoRefundsPerHour < 0 {
		bad("automatic refunds per hour: %d is negative", s.AutoRefundsPerHour)
	}
	if s.MaxTotalFen < 1 || s.MaxTotalFen > 1_000_000_000_000 {
		bad("largest total %d fen is not between 1 and 10^12", s.MaxTotalFen)
	}
	if s.MaxDrugs < 1 || s.MaxDrugs > itemsMax {
		bad("most drugs of one order %d is not between 1 and %d", s.MaxDrugs, itemsMax)
	}
	if s.CaseOwner == "" {
		bad("cases need an owner")
	}
	return errors.Join(errs...)
}

func (s Settings) window(g Strategy) time.Duration {
	switch g {
	case Hold:
		return s.HoldWindow
	case Verify:
		return s.VerifyWindow
	case Refund:
		return s.RefundWindow
	default:
		return s.ReserveWindow
	}
}

func (s Settings) caseDeadline(v Severity) time.Duration {
	switch v {
	case P0:
		return s.P0Deadline
	case P1:
		return s.P1Deadline
	default:
		return s.P2Deadline
	}
}
