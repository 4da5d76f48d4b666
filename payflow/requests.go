package payflow

import "time"

// CreateRequest begins an order.
type CreateRequest struct {
	Principal  string
	OrderNo    string // out_trade_no: 6–32 of [0-9A-Za-z_-]
	Strategy   Strategy
	PharmacyID string
	Items      []Item            // 1–100 drugs; the same drug twice is summed; LineFen 0 = derive
	Amount     Amount            // all zero = derive from the HIS prices
	Pricing    bool              // the caller may give amounts [E2]; the edge decides
	Payment    *PaymentTerms     // required save for HOLD, where PrepayRequest may bring it
	Attributes map[string]string // ≤ 20; rx_no is the prescription number of [D5]
}

// PrepayRequest asks for the payment of an order.
type PrepayRequest struct {
	Principal string
	OrderNo   string
	Payment   *PaymentTerms // nil = as given before
	Etag      string        // only if the order still has it; "" = in any version
}

// CancelRequest ends an unpaid order.
type CancelRequest struct {
	Principal string // "" = any order (operators)
	OrderNo   string
	Etag      string // only if the order still has it; "" = in any version
}

// RefundRequest is an operator's wish to give money back.
type RefundRequest struct {
	Principal string // "" = any order (operators)
	OrderNo   string
	Fen       int64  // 0 = all that is left
	Reason    string // required, ≤ 80 characters; the patient sees it
	Fulfilled bool   // required true for a FULFILLED order: the drugs are, or may be, handed out
	CancelHIS bool   // a FULFILLED order, whole: have the HIS take its order back before the money goes
	Actor     string // required
	RequestID string // required, 1–64 characters; a repeat changes nothing
	Etag      string // only if the order still has it; "" = in any version
}

// CheckRequest compares items with the stock (支付前二次确认).
type CheckRequest struct {
	Principal  string
	OrderNo    string // optional; an order's own hold does not count against it [A9]
	PharmacyID string // may be empty with an OrderNo
	Items      []Item // may be empty with an OrderNo; LineFen given = compared with the HIS price
	Live       bool   // ask the HIS now
}

// CheckResult is the word on one drug.
type CheckResult string

// The results (design §8).
const (
	CheckOK           CheckResult = "OK"
	CheckInsufficient CheckResult = "INSUFFICIENT"
	CheckPriceChanged CheckResult = "PRICE_CHANGED"
	CheckStopped      CheckResult = "STOPPED"
	CheckUnknownDrug  CheckResult = "UNKNOWN_DRUG"
	CheckNotDivisible CheckResult = "NOT_DIVISIBLE"
	CheckUnchecked    CheckResult = "UNCHECKED" // the HIS could not be asked and no figure is at hand
)

// CheckLine is the answer for one drug.
type CheckLine struct {
	DrugID    string
	Result    CheckResult
	Requested int64
	Available int64
	Multiple  int64
	Price     string // exact decimal yuan for PricePer units, "" = not told
	PricePer  int64
	LineFen   int64 // by the HIS price; 0 when it tells none
	Stale     bool
	AsOf      time.Time
}

// CheckAnswer is the answer of Check. Payable is true when every line is OK.
type CheckAnswer struct {
	Payable bool
	Lines   []CheckLine
	AsOf    time.Time // of the oldest figure
	Stale   bool
}

// ListQuery selects orders, newest first.
type ListQuery struct {
	Principal     string // "" = all
	States        []State
	Strategy      Strategy
	PharmacyID    string
	CreatedAfter  time.Time
	CreatedBefore time.Time
	PageSize      int // 0 = 50, at most 500
	PageToken     string
}

// CaseQuery selects cases: open ones by deadline, then (unless OpenOnly) closed
// ones, the latest closed first.
type CaseQuery struct {
	OpenOnly  bool
	OrderNo   string
	Reason    CaseReason
	Owner     string
	PageSize  int // 0 = 50, at most 500
	PageToken string
}

// VerbRequest carries what every verb needs. Blocking until durable.
type VerbRequest struct {
	CaseID    string
	Etag      string // of the case as the person saw it; required
	RequestID string // required, 1–64 characters; a repeat answers the same and does nothing
	Actor     string // who; goes into the audit trail
	Note      string // ≤ 1000 characters
}

// HandOverRequest gives a case to someone else.
type HandOverRequest struct {
	VerbRequest
	To string
}

// MarkFulfilledRequest says that the drugs were given out by another way.
type MarkFulfilledRequest struct {
	VerbRequest
	HisOrderNo string // required
}

// MarkRefundedRequest says that the money went back by another way.
type MarkRefundedRequest struct {
	VerbRequest
	Evidence string // required: refund number, receipt, ≤ 1000 characters
}

// RefundCaseRequest decides a case by giving the money back.
type RefundCaseRequest struct {
	VerbRequest
	Reason string // ≤ 80 characters; the patient sees it; empty = a standard text
}

// ResumeRequest opens the hourly limit of automatic refunds again [D6].
type ResumeRequest struct {
	Etag      string // of the brake (Stats.Brake.Etag); required
	RequestID string
	Actor     string
	Note      string
}

// ResumeAnswer says what was resumed.
type ResumeAnswer struct {
	Resumed   int // cases that went on to REFUNDING
	Remaining int // cases that the new hour's limit holds back again
	Next      Words
	Brake     Brake
}

// CaseAnswer is the case after a verb, and what happens next, in words.
type CaseAnswer struct {
	Case Case
	Next Words
}

// Brake is the hourly limit of automatic refunds.
type Brake struct {
	Limit int
	Used  int // in the last hour
	Shut  bool
	Etag  string
}

// StoryLine is one line of Explain.
type StoryLine struct {
	At    time.Time
	Topic string // order, payment, refund, case
	Words Words
}

// Story is an order's life in order of time.
type Story struct {
	Order Order // openid and client address masked
	Lines []StoryLine
	Cases []Case // open and closed ones, as they were opened
	Now   Words  // where it stands and what comes next
}

// Unproven is an order that breaks the proof obligation of §7.7.
type Unproven struct {
	OrderNo string
	State   State
	PaidAt  time.Time
	Why     string
}

// ProofReport is the proof obligation, checked now over all orders with money.
type ProofReport struct {
	At           time.Time
	Checked      int        // orders with verified money or disputed money among the active ones
	Unproven     []Unproven // must be empty
	OpenCases    int
	OverdueCases int // a person let the deadline pass
}

// ReconcileStats tells how reconciliation goes.
type ReconcileStats struct {
	Runs, Failures int64     // since opening
	Day            string    // the latest day that is DONE, "" = none yet
	DoneAt         time.Time // when it was
	Differences    int       // of that day that stand
	Late           bool      // a day could have been compared six hours ago, and no day since it was
}

// Stats is a snapshot for metrics.
type Stats struct {
	Reconcile     ReconcileStats
	Orders        map[State]int // active ones
	OpenCases     map[CaseReason]int
	OverdueCases  int
	Inbox         int
	OldestInbox   time.Time
	Unproven      int
	Brake         Brake
	Watchers      int
	HISQueue      int
	PayQueue      int
	RefundBacklog int // refunds stored or sent and not done
	OldestUnknown time.Time
	OldestDue     time.Time            // since when the step that waited longest could have been taken up
	OwedFen       int64                // paid and not yet refunded, of orders that are neither fulfilled nor refunded
	Late          int                  // paid orders not fulfilled lateAfter the payment was learned of
	Transitions   map[Transition]int64 // since opening
	Callbacks     map[string]int64     // since opening, by result
	Panics        int64
}

// Transition is a change of state, for counters.
type Transition struct{ From, To State }
