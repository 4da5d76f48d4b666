package payflow

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// ReconciliationStatus is where the reconciliation of a day stands.
type ReconciliationStatus string

// The statuses.
const (
	ReconciliationRunning    ReconciliationStatus = "RUNNING"    // on answers only
	ReconciliationWaiting    ReconciliationStatus = "WAITING"    // the bill is not there yet, or was not to be believed; nothing was concluded from it
	ReconciliationIncomplete ReconciliationStatus = "INCOMPLETE" // the bill was compared, the HIS could not be asked; tried again
	ReconciliationDone       ReconciliationStatus = "DONE"
)

// DifferenceKind says what does not agree.
type DifferenceKind string

// The kinds.
const (
	DiffUnknownPayment DifferenceKind = "UNKNOWN_PAYMENT" // in the bill, no such order here
	DiffUnknownRefund  DifferenceKind = "UNKNOWN_REFUND"  // in the bill, of no order here
	DiffUnnoticed      DifferenceKind = "UNNOTICED"       // paid or refunded, and hisgate learned it only now; applied
	DiffElsewhere      DifferenceKind = "REFUNDED_ELSEWHERE"
	DiffAmount         DifferenceKind = "AMOUNT" // bill and hisgate name different sums
	DiffState          DifferenceKind = "STATE"  // bill and hisgate contradict each other, and WeChat's answer does not settle it
	DiffNoPayment      DifferenceKind = "PAYMENT_MISSING"
	DiffNoRefund       DifferenceKind = "REFUND_MISSING"
	DiffHISUnmatched   DifferenceKind = "HIS_UNMATCHED" // the HIS has an order that is not fulfilled here
	DiffHISMissing     DifferenceKind = "HIS_MISSING"   // fulfilled here, the HIS has no order
	DiffHISCancelled   DifferenceKind = "HIS_CANCELLED"
	DiffHISAmount      DifferenceKind = "HIS_AMOUNT"
)

// Difference is one thing that does not agree. Amounts are in fen.
type Difference struct {
	Kind          DifferenceKind `json:"kind"`
	OrderNo       string         `json:"order_no,omitempty"`
	TransactionID string         `json:"transaction_id,omitempty"`
	OutRefundNo   string         `json:"out_refund_no,omitempty"`
	HisNo         string         `json:"his_no,omitempty"`
	HisOrderNo    string         `json:"his_order_no,omitempty"`
	TheirsFen     int64          `json:"theirs_fen,omitempty"` // WeChat's, or the HIS's
	OursFen       int64          `json:"ours_fen,omitempty"`
	Detail        string         `json:"detail,omitempty"`
	CaseID        string         `json:"case_id,omitempty"` // "" = settled by itself, or see Detail
	Gone          bool           `json:"gone,omitempty"`    // an earlier run found it; it is gone since
}

// key is equal for differences that are the same.
func (d *Difference) key() string {
	return fmt.Sprintf("%s|%s|%s|%s|%s|%s", d.Kind, d.OrderNo, d.TransactionID, d.OutRefundNo, d.HisNo, d.HisOrderNo)
}

// Sum counts things and what they are worth, in fen.
type Sum struct {
	Count int64 `json:"count"`
	Fen   int64 `json:"fen"`
}

func (s *Sum) add(fen int64) { s.Count, s.Fen = s.Count+1, s.Fen+fen }

// NotCompared says what was left out, and why.
type NotCompared struct {
	What  string `json:"what"` // a constant in upper case
	Count int64  `json:"count,omitempty"`
	Why   Words  `json:"why"`
}

// Reconciliation is the report of one Beijing day: WeChat's trade bill beside the
// orders here beside those of the HIS. Values handed out are copies.
type Reconciliation struct {
	Format     int                  `json:"v"`
	Day        string               `json:"day"` // 2026-11-21
	Status     ReconciliationStatus `json:"status"`
	Runs       int                  `json:"runs"`
	StartedAt  time.Time            `json:"started_at"` // of the last run
	FinishedAt time.Time            `json:"finished_at"`
	By         string               `json:"by"`                // who asked for the last run; "hisgate" for the morning's
	Failure    string               `json:"failure,omitempty"` // why the last run did not end DONE
	NextAt     time.Time            `json:"next_at,omitzero"`  // when it is tried again; zero = never by itself
	Alerted    bool                 `json:"alerted,omitempty"` // a person was told that it is late

	BillSHA1     string `json:"bill_sha1,omitempty"`
	BillEmpty    bool   `json:"bill_empty,omitempty"`    // WeChat says that there was no trade
	BillRows     int64  `json:"bill_rows"`               // all of the merchant's
	BillOthers   int64  `json:"bill_others,omitempty"`   // of other systems of the merchant, left out
	BillPayments Sum    `json:"bill_payments"`           // of ours, and of nobody known
	BillRefunds  Sum    `json:"bill_refunds"`            //
	Payments     Sum    `json:"payments"`                // here, of that day
	Refunds      Sum    `json:"refunds"`                 // here, taken by WeChat on that day
	Matched      int64  `json:"matched"`                 // rows of the bill that agree with us in everything
	Fulfilled    Sum    `json:"fulfilled"`               // here, of that day; fen of the drugs
	HISListed    bool   `json:"his_listed,omitempty"`    // the HIS was asked and answered
	HISOrders    Sum    `json:"his_orders"`              // at the HIS, standing, of orders and of nobody known
	HISCancelled int64  `json:"his_cancelled,omitempty"` // at the HIS
	HISOthers    int64  `json:"his_others,omitempty"`    // of locks that callers hold by themselves, left out
	HISMatched   int64  `json:"his_matched"`
	FreezesFound int    `json:"freezes_found,omitempty"` // given-up calls of that day of which the HIS knew something after all

	Differences []Difference  `json:"differences"`
	More        int           `json:"more,omitempty"` // differences beyond those listed
	NotCompared []NotCompared `json:"not_compared,omitempty"`

	// SeenEarly are refunds, by out_refund_no, and payments, "p." and the transaction,
	// that the bill has and that may as well be in the next day's, so that the next
	// day does not miss them.
	SeenEarly []string `json:"seen_early,omitempty"`
	// SeenLate are payments and refunds of earlier days that only this bill has, so
	// that no further run over such a day misses them: "p." and the transaction, or
	// "r." and the out_refund_no.
	SeenLate []string `json:"seen_late,omitempty"`
}

// Open counts the differences that still stand.
func (r *Reconciliation) Open() int {
	n := r.More
	for i := range r.Differences {
		if !r.Differences[i].Gone {
			n++
		}
	}
	return n
}

func (r *Reconciliation) clone() Reconciliation {
	c := *r
	c.Differences, c.NotCompared = slices.Clone(r.Differences), slices.Clone(r.NotCompared)
	c.SeenEarly, c.SeenLate = slices.Clone(r.SeenEarly), slices.Clone(r.SeenLate)
	return c
}

// differencesMax keeps a report within one record of the store.
const differencesMax = 600

// find adds a difference, or counts it when the report is full.
func (r *Reconciliation) find(d Difference) {
	d.Detail = cut(d.Detail, 200)
	if len(r.Differences) >= differencesMax {
		r.More++
		return
	}
	r.Differences = append(r.Differences, d)
}

// keys are those of the differences so far.
func (r *Reconciliation) keys() map[string]bool {
	keys := make(map[string]bool, len(r.Differences))
	for i := range r.Differences {
		keys[r.Differences[i].key()] = true
	}
	return keys
}

// leave notes what was not compared.
func (r *Reconciliation) leave(what string, count int64, zh, en string) {
	r.NotCompared = append(r.NotCompared, NotCompared{What: what, Count: count, Why: Words{ZH: zh, EN: en}})
}

// keepGone carries what an earlier run found and this one did not over, so that a
// report only ever tells more. Gone is what it found settled.
func (r *Reconciliation) keepGone(before *Reconciliation) {
	if before == nil {
		return
	}
	now := r.keys()
	for _, d := range before.Differences {
		if !now[d.key()] {
			d.Gone = true
			r.find(d)
		}
	}
}

// The days of reconciliation are Beijing's.

func dayOf(t time.Time) string { return t.In(beijing()).Format(time.DateOnly) }

// startOf is the first moment of a day. Errors: *InvalidError.
func startOf(day string) (time.Time, error) {
	t, err := time.ParseInLocation(time.DateOnly, day, beijing())
	if err != nil {
		return t, &InvalidError{Field: "date", Reason: "must be a day as 2026-11-21"}
	}
	return t, nil
}

const (
	prefixDay    = "o/y/" // day, "/", order_no → nothing: what an order did on that day
	prefixReport = "o/q/" // inverted day → report
	keySince     = "o/s"  // the day of the first opening: nothing before is compared by itself
)

func keyDay(day, no string) []byte { return []byte(prefixDay + day + "/" + no) }

// keyReport sorts later days first.
func keyReport(day time.Time) []byte { return keyTime(prefixReport, day, "") }

// lateSlack is how far WeChat's clock and ours may be apart, so that what happened
// near midnight is not missed on the wrong side of it.
const lateSlack = 5 * time.Minute

// due is the last day in whose bill a refund must be: WeChat took it somewhen
// between the sending and our learning of it.
func (r *RefundRecord) due() string { return dayOf(r.AcceptedAt.Add(lateSlack)) }

// daysOf are the days on which something of the order is to be found at WeChat or
// at the HIS.
func daysOf(o *Order) []string {
	var days []string
	add := func(day string) {
		if !slices.Contains(days, day) {
			days = append(days, day)
		}
	}
	if o.Payment != nil {
		add(dayOf(o.Payment.PaidAt))
	}
	for i := range o.Refunds {
		if r := &o.Refunds[i]; !r.AcceptedAt.IsZero() {
			add(r.due())
		}
	}
	if !o.FulfilledAt.IsZero() {
		add(dayOf(o.FulfilledAt))
	}
	return days
}

func decodeReport(key, data []byte) (*Reconciliation, error) {
	r := &Reconciliation{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, &FormatError{Key: string(key), Err: err}
	}
	if r.Format > recordFormat {
		return nil, &FormatError{Key: string(key), Err: fmt.Errorf("format %d is newer than %d", r.Format, recordFormat)}
	}
	return r, nil
}
