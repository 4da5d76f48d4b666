package lockstore

import "time"

// Status is where a lock stands. It changes only in transition.go.
type Status uint8

// The statuses of a lock. See the package documentation for the picture.
const (
	Pending    Status = iota + 1 // recorded; the HIS freeze is not acknowledged
	Locked                       // held
	Confirming                   // the HIS is asked to deduct; never released by the clock [B3]
	Confirmed                    // the HIS deducted and created its order
	Releasing                    // the HIS is asked to unfreeze
	Released                     // over
)

// String returns the status as it stands in the API.
func (s Status) String() string {
	switch s {
	case Pending:
		return "PENDING"
	case Locked:
		return "LOCKED"
	case Confirming:
		return "CONFIRMING"
	case Confirmed:
		return "CONFIRMED"
	case Releasing:
		return "RELEASING"
	case Released:
		return "RELEASED"
	default:
		return "INVALID"
	}
}

// Cause says why a lock is being released or was.
type Cause uint8

// The causes of a release.
const (
	NoCause       Cause = iota
	ByCaller            // Release was called
	ByClock             // expire_time came
	ByOwner             // the owner of the expiry said so
	ForShortage         // refused for stock: leaves no end, the order_no may be tried again
	ByHIS               // the HIS refused for good
	ByPerson            // a case was settled so
	ByCancelation       // the HIS order was cancelled
	AsTombstone         // released before it was ever locked
)

// String returns the cause as it stands in the API.
func (c Cause) String() string {
	switch c {
	case NoCause:
		return "NONE"
	case ByCaller:
		return "CALLER"
	case ByClock:
		return "EXPIRED"
	case ByOwner:
		return "OWNER"
	case ForShortage:
		return "SHORTAGE"
	case ByHIS:
		return "HIS_REFUSED"
	case ByPerson:
		return "PERSON"
	case ByCancelation:
		return "HIS_CANCELLED"
	case AsTombstone:
		return "TOMBSTONE"
	default:
		return "INVALID"
	}
}

// Key names one stock: a drug in a pharmacy. Opaque strings.
type Key struct {
	PharmacyID string
	DrugID     string
}

// Item is one drug of a lock.
type Item struct {
	DrugID   string
	Quantity int64 // smallest dispensing units, at least 1
	LineFen  int64 // what the patient pays for the line, 0 = not told; not part of the fingerprint
}

// ID names one attempt of an order. Attempts count from 1; one whose number at
// the HIS is another order's is left out [B5].
type ID struct {
	OrderNo string
	Attempt int
}

// Reference is what the HIS is told when an order is placed. It is durable
// before the first sending and never changes within an attempt [B5].
type Reference struct {
	TransactionID string
	PaidAt        time.Time
	DrugsFen      int64
	Attributes    map[string]string
}

// HISWord is the last verified word of the HIS about an attempt.
type HISWord uint8

// The verified words. WordNone also stands for "was never asked anything".
const (
	WordNone HISWord = iota
	WordFrozen
	WordDeducted
	WordReleased
	WordLapsed
	WordCancelled
)

// CaseKind says what a case asks, and so what ends it beside a person's word.
// Every case but that of a stray order also ends with the status that it is
// about.
type CaseKind uint8

// The kinds of cases.
const (
	// CaseBusiness: the HIS, or an owner, left the lock where only a person can
	// tell how to go on. Also the kind of a lock without a case.
	CaseBusiness CaseKind = iota
	// CaseUnknown: the outcome of a call is unknown. It ends when it is known.
	CaseUnknown
	// CaseDoubt: the HIS refused an order for good, after an earlier call that
	// may still arrive there. It ends when the HIS shows the order after all.
	CaseDoubt
)

// Step is one line of a lock's history. Repeats are folded into Count.
type Step struct {
	Time     time.Time
	Last     time.Time // of a folded repeat
	Count    int
	From, To Status
	Event    EventKind
	Code     string // the HIS's code and words, if it spoke
	Message  string
	Actor    string // principal or person, if one acted
}

// Lock is one attempt of an order: all of its holds, all or nothing.
type Lock struct {
	OrderNo    string
	Attempt    int
	HISNo      string // the HIS's idempotency key, fixed within the attempt
	Principal  string
	PharmacyID string
	Items      []Item // merged and sorted by drug
	Attributes map[string]string
	Status     Status
	Cause      Cause // why it is RELEASING or RELEASED, or about to be (release_wanted)
	Version    uint64

	Freeze        bool // this attempt freezes at the HIS when it is locked
	HISLockID     string
	FreezeFrom    time.Time // the earliest moment at which the HIS can have begun the freeze; zero = CreatedAt
	FreezeExpires time.Time // when it has ended at the latest; zero = it does not lapse
	HISOrderNo    string
	Reference     Reference // set from CONFIRMING on
	Word          HISWord

	Owner         bool // expiry asks the owner (payflow) instead of releasing
	ExpireTime    time.Time
	Degraded      bool // judged on an old reading; checked live before any prepay [A10]
	ReleaseWanted bool // Release came while PENDING
	CreatedAt     time.Time
	MadeFrom      time.Duration // the same by the ledger's running time; 0 = not noted
	UpdatedAt     time.Time
	CancelledAt   time.Time // the HIS order was cancelled after CONFIRMED

	// Unknown: a call may be applied at the HIS, or was under way when the
	// process stopped. UnknownSince starts the grace time of a "none"; UnknownFrom is
	// the same by the ledger's running time, which counts; 0 = not noted.
	Unknown      bool
	UnknownSince time.Time
	UnknownFrom  time.Duration
	// OrderSent, FreezeDoubt: a PlaceOrder, a Freeze was sent whose outcome was
	// unknown, and no word of the HIS has shown it since: "none" does not say that
	// it cannot arrive any more [C1]. A known refusal sets neither.
	OrderSent   bool
	FreezeDoubt bool
	// AskFirst: the ledger was restored from a backup, and the HIS may know more of
	// this number than we do. Nothing is asked of it, and neither clock nor caller
	// moves the lock, before it has said so [B9]. RecalledFor is the restore after
	// which it has.
	AskFirst    bool
	RecalledFor time.Time
	Watch       int       // RELEASED with such a call in doubt: looks that are still to come
	WatchAt     time.Time // of the next
	CaseReason  string    // a person must settle it; "" = no case
	CaseKind    CaseKind  // what it takes to end that
	Shortages   []Shortage
	History     []Step
}

// ID returns the attempt's identity.
func (l *Lock) ID() ID { return ID{l.OrderNo, l.Attempt} }

// Settled reports whether the HIS cannot apply anything of this attempt any
// more: no call is unknown and its last verified word is none, released,
// lapsed or cancelled. Only then may money go back [D1] or a next attempt begin.
func (l *Lock) Settled() bool {
	switch {
	case l.Unknown:
		return false
	case l.Status == Released:
		return l.Word != WordFrozen && l.Word != WordDeducted
	case l.Status == Confirmed:
		return !l.CancelledAt.IsZero()
	default:
		return false
	}
}

// UnfreezeRefused reports whether the HIS did not give a freeze back, so that a
// person must see to it there.
func (l *Lock) UnfreezeRefused() bool {
	return l.Status == Releasing && l.Word == WordFrozen && l.CaseReason != ""
}

// Shortage is one line that cannot be served.
type Shortage struct {
	DrugID    string
	Requested int64
	Available int64 // smallest dispensing units, floored to the multiple
}
