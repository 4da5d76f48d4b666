package hisadapter

import (
	"context"
	"time"
)

// Driver is one HIS. Its methods block until the HIS answered or ctx ended, are
// safe for concurrent use, and return nil (Done) or an error that OutcomeOf can
// read. A driver never repeats a write by itself.
//
// An operation that Capabilities does not declare returns ErrUnsupported.
type Driver interface {
	Capabilities() Capabilities

	// QueryStock reads up to Capabilities.BatchSize keys. The answer has one
	// reading for each key, in the order asked; a drug that the HIS does not
	// know comes back with Unknown set, one of which the HIS says what cannot be
	// read with Err [C6]. An error fails the whole batch; it is returned where no
	// drug of it could be read.
	QueryStock(ctx context.Context, keys []Key) ([]Reading, error)

	// Freeze holds all items of one attempt at the HIS, all or nothing.
	Freeze(ctx context.Context, r FreezeRequest) (Freeze, error)

	// Unfreeze gives a freeze back. Refused(lapsed) means that it was gone.
	Unfreeze(ctx context.Context, r UnfreezeRequest) error

	// PlaceOrder deducts the stock and creates the HIS order.
	PlaceOrder(ctx context.Context, r PlaceOrderRequest) (HISOrder, error)

	// FindOrder says what became of his_no. Needs Capabilities.Find.
	FindOrder(ctx context.Context, hisNo string) (Found, error)

	// CancelOrder takes a placed order back. Needs Capabilities.Cancel.
	CancelOrder(ctx context.Context, hisNo, hisOrderNo string) error

	// ListOrders returns the orders that were placed through us on a day of the
	// HIS's calendar (Asia/Shanghai). Needs Capabilities.List.
	ListOrders(ctx context.Context, day time.Time) ([]HISOrder, error)
}

// Capabilities says what a HIS can do. The ledger's availability rule and the
// resolver depend on each; a wrong one gives stock out twice, so a probe proves
// them before they are switched on.
type Capabilities struct {
	Freeze            bool          // Freeze and Unfreeze exist
	FreezeTTL         time.Duration // a freeze lapses by itself at the latest so long after the call; 0 = at the end that the HIS names, or never
	NetFigure         bool          // on-hand figures have freezes subtracted already
	DeductNeedsFreeze bool          // PlaceOrder demands a freeze of the same his_no
	Find              bool          // FindOrder exists
	Cancel            bool          // CancelOrder exists
	List              bool          // ListOrders exists
	IdempotentByHisNo bool          // a second write with the same his_no is refused or answered the same, never applied twice
	AtomicItems       bool          // all items of one order or none; without it a lock has one item [C7]
	BatchSize         int           // keys in one QueryStock, at least 1
	HisNoMax          int           // the longest his_no in bytes, 0 = no bound
	FigureLag         time.Duration // how long after a deduct a reading may still show the old figure
}

// Key names one stock: a drug in a pharmacy. Both are opaque strings; leading
// zeros stay.
type Key struct {
	PharmacyID string
	DrugID     string
}

// Reading is what the HIS said of one key.
type Reading struct {
	Key     Key
	Unknown bool  // the HIS does not know the drug; nothing else is set then
	Err     error // what the HIS says of the drug cannot be read; nothing else is set then
	OnHand  int64 // smallest dispensing units, rounded down, may be negative where a HIS overdraws
	Facts   Facts
}

// Readable returns an answer to QueryStock of which at least one drug could be
// read as it is, and else the error of the first.
func Readable(readings []Reading) ([]Reading, error) {
	for _, r := range readings {
		if r.Err == nil {
			return readings, nil
		}
	}
	if len(readings) == 0 {
		return readings, nil
	}
	return nil, readings[0].Err
}

// Facts are what the HIS says about a drug beside its stock.
type Facts struct {
	Name     string
	Unit     string // the smallest dispensing unit: 片, 支, g
	Multiple int64  // the step in which it is sold, in smallest units; 0 and 1 mean any
	Price    string // exact decimal yuan for PricePer units; "" = not told
	PricePer int64  // smallest units that Price buys; 0 means 1
	Stopped  bool   // not to be sold now
}

// Line is one drug of an order.
type Line struct {
	DrugID   string
	Quantity int64 // smallest dispensing units, at least 1
	LineFen  int64 // what the patient pays for this line; 0 = not told
}

// FreezeRequest asks the HIS to hold stock for one attempt.
type FreezeRequest struct {
	HisNo      string
	PharmacyID string
	Lines      []Line
	Until      time.Time         // how long the hold is wanted, zero = the HIS's own time
	Attributes map[string]string // patient and prescription references of the caller
}

// Freeze is the HIS's acknowledgement of a freeze.
type Freeze struct {
	LockID  string    // the HIS's own number of the freeze
	Expires time.Time // by the HIS's clock; zero = it names no end, and FreezeTTL alone holds
}

// UnfreezeRequest gives a freeze back.
type UnfreezeRequest struct {
	HisNo      string
	LockID     string // as the HIS gave it, "" if it was never learnt
	PharmacyID string
	Lines      []Line
}

// PlaceOrderRequest deducts and creates the HIS order. Its content is durable
// before it is first sent, and the same in every repeat.
type PlaceOrderRequest struct {
	HisNo         string
	LockID        string // of the freeze, "" without one
	PharmacyID    string
	Lines         []Line
	DrugsFen      int64 // what the HIS sees as the price of the drugs
	TransactionID string
	PaidAt        time.Time
	Attributes    map[string]string
}

// HISOrder is an order as the HIS knows it.
type HISOrder struct {
	HisNo    string
	OrderNo  string // the HIS's own order number
	DrugsFen int64
	Lines    []Line
	Canceled bool
}

// State is what became of a his_no at the HIS.
type State uint8

// The states that FindOrder can tell.
const (
	None     State = iota + 1 // the HIS has never heard of it
	Frozen                    // held by a freeze
	Deducted                  // an order was placed
	Released                  // unfrozen or cancelled
	Lapsed                    // the freeze ran out by itself
)

// String returns the state's name in lower case.
func (s State) String() string {
	switch s {
	case None:
		return "none"
	case Frozen:
		return "frozen"
	case Deducted:
		return "deducted"
	case Released:
		return "released"
	case Lapsed:
		return "lapsed"
	default:
		return "invalid"
	}
}

// Found is FindOrder's verified word.
type Found struct {
	State   State
	Freeze  Freeze // set when Frozen
	OrderNo string // the HIS's order number, set when Deducted
}
