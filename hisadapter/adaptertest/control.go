package adaptertest

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Op names an operation, as in hisadapter.Error.Op.
type Op string

// The operations that troubles can strike.
const (
	QueryStock  Op = "QueryStock"
	Freeze      Op = "Freeze"
	Unfreeze    Op = "Unfreeze"
	PlaceOrder  Op = "PlaceOrder"
	FindOrder   Op = "FindOrder"
	CancelOrder Op = "CancelOrder"
)

// Trouble is what the HIS does to the next call.
type Trouble string

// The troubles. "Before" and "After" say whether the HIS did its work when the
// trouble came.
const (
	TimeoutBefore   Trouble = "timeout before"    // hangs until the caller gives up
	TimeoutAfter    Trouble = "timeout after"     // does it, then hangs
	LateApply       Trouble = "late apply"        // hangs, does it LateBy after the caller gave up
	ServerError     Trouble = "server error"      // an error of the server, nothing done
	ServerErrorDone Trouble = "server error done" // the same, all done
	Garbage         Trouble = "garbage"           // an answer that is none
	GarbageDone     Trouble = "garbage done"
	TruncatedDone   Trouble = "truncated done" // half an answer
	Reset           Trouble = "reset"          // the connection is cut
	ResetDone       Trouble = "reset done"
	Down            Trouble = "down" // nobody is there; nothing can be sent
	Busy            Trouble = "busy" // the HIS says that it is full
	Misconfigured   Trouble = "misconfigured"
)

// LateBy is how long after the caller gave up a LateApply is done.
const LateBy = time.Minute

// Fixture is what the HIS of a test has.
type Fixture struct {
	PharmacyID string
	Drugs      []string           // at least 3 known ones, sold in any number, none of them with stock yet
	Unknown    string             // an id that the HIS does not know
	Stopped    string             // a drug that is stopped, "" = none
	Boxed      string             // a drug sold in steps of Box, "" = none
	Box        int64              // at least 2
	Amount     bool               // the HIS compares drugs_fen with its own price of Drugs[0]
	Facts      []hisadapter.Facts // that readings of Drugs bring, in their order; nil = not compared
	Troubles   []Trouble          // that Strike can make
}

// Control is the hand on the HIS's side. Its methods fail the test themselves.
type Control interface {
	Fixture() Fixture

	// SetStock makes the shelf hold n units; readings know it after FigureLag.
	SetStock(t testing.TB, key hisadapter.Key, n int64)

	// Sell takes n units at the counter.
	Sell(t testing.TB, key hisadapter.Key, n int64)

	// Lapse lets the freeze of hisNo run out now.
	Lapse(t testing.TB, hisNo string)

	// Strike lets trouble happen to the next call of op. The channel is closed
	// when the HIS has done what it does; a hanging call hangs from then on.
	Strike(t testing.TB, op Op, trouble Trouble) (struck <-chan struct{})

	// Idle waits until the HIS has noticed that nobody waits for it any more,
	// and is at no call.
	Idle(t testing.TB)

	// Pass lets d pass at the HIS.
	Pass(t testing.TB, d time.Duration)

	// Now is the HIS's clock.
	Now() time.Time
}
