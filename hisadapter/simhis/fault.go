package simhis

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Op names an operation of the port.
type Op string

// The operations, as they stand in hisadapter.Error.Op.
const (
	OpQueryStock  Op = "QueryStock"
	OpFreeze      Op = "Freeze"
	OpUnfreeze    Op = "Unfreeze"
	OpPlaceOrder  Op = "PlaceOrder"
	OpFindOrder   Op = "FindOrder"
	OpCancelOrder Op = "CancelOrder"
	OpListOrders  Op = "ListOrders"
)

// Ops lists all operations.
func Ops() []Op {
	return []Op{OpQueryStock, OpFreeze, OpUnfreeze, OpPlaceOrder, OpFindOrder, OpCancelOrder, OpListOrders}
}

// Trouble is what goes wrong with a call.
type Trouble string

// The troubles. Those that can strike before or after the HIS did its work
// look at Fault.Apply.
const (
	TimeoutBefore Trouble = "timeout_before" // hangs, and nothing was done
	TimeoutAfter  Trouble = "timeout_after"  // is done at once, then hangs
	LateApply     Trouble = "late_apply"     // hangs; done Fault.After after the caller gave up
	Refuse        Trouble = "refuse"         // refused with Fault.Kind, nothing done
	BusyNow       Trouble = "busy"           // says that it is full, nothing done
	Misconfigured Trouble = "misconfigured"  // says that the signature is wrong, nothing done
	HTTP500       Trouble = "http_500"       // status 500; Apply
	Garbage       Trouble = "garbage"        // a login page instead of an answer; Apply
	Truncated     Trouble = "truncated"      // half an answer, then the end; Apply
	Reset         Trouble = "reset"          // the connection is cut; Apply
	LapseFirst    Trouble = "lapse"          // the freeze of this his_no lapses just before
	Down          Trouble = "down"           // refused as by SetDown
	Slow          Trouble = "slow"           // takes Fault.After longer
)

// Troubles lists all troubles.
func Troubles() []Trouble {
	return []Trouble{
		TimeoutBefore, TimeoutAfter, LateApply, Refuse, BusyNow, Misconfigured, HTTP500, Garbage, Truncated, Reset,
		LapseFirst, Down, Slow,
	}
}

// Fault is a trouble and the calls that it strikes.
type Fault struct {
	Op     Op      // "" = any operation
	What   Trouble // what happens
	Times  int     // this many calls, then it is over; 0 = until cleared
	Chance float64 // of a call that fits, in (0, 1]; 0 = always
	HisNo  string  // only calls of this his_no
	DrugID string  // only calls that name this drug

	Kind    hisadapter.Kind // of a refusal
	Message string          // the HIS's words, "" = its usual ones
	Apply   bool            // the HIS did its work all the same
	After   time.Duration   // of LateApply and Slow

	// Struck, where set, is called once for each call that the fault struck,
	// when the HIS did what it does and the call begins to hang or ends. Only
	// in process.
	Struck func()
}

func (f Fault) struck() {
	if f.Struck != nil {
		f.Struck()
	}
}

// Validate returns all faults of a fault.
func (f Fault) Validate() error {
	var errs []error
	if f.Op != "" && !slices.Contains(Ops(), f.Op) {
		errs = append(errs, fmt.Errorf("op: %q is not an operation", f.Op))
	}
	if !slices.Contains(Troubles(), f.What) {
		errs = append(errs, fmt.Errorf("what: %q is not a trouble that simhis can make", f.What))
	}
	if f.Times < 0 {
		errs = append(errs, errors.New("times: must not be negative"))
	}
	if f.Chance < 0 || f.Chance > 1 || f.Chance != f.Chance {
		errs = append(errs, errors.New("chance: must lie between 0 and 1"))
	}
	if f.After < 0 {
		errs = append(errs, errors.New("after: must not be negative"))
	}
	if f.Kind > hisadapter.NotDivisible {
		errs = append(errs, errors.New("kind: not a kind of refusal"))
	}
	return errors.Join(errs...)
}

type armed struct {
	Fault
	id   int
	left int // calls still to strike, -1 = no bound
}

// Inject arms a fault and returns its number for Disarm. Faults are tried in
// the order in which they were armed; the first that strikes is the one.
func (h *HIS) Inject(f Fault) (int, error) {
	if err := f.Validate(); err != nil {
		return 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.catchUp()
	h.faultSeq++
	left := f.Times
	if left == 0 {
		left = -1
	}
	h.faults = append(h.faults, &armed{Fault: f, id: h.faultSeq, left: left})
	return h.faultSeq, nil
}

// Disarm takes a fault back. One that is over is no error.
func (h *HIS) Disarm(id int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = slices.DeleteFunc(h.faults, func(a *armed) bool { return a.id == id })
}

// ClearFaults disarms every fault. It does not undo SetDown.
func (h *HIS) ClearFaults() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = nil
}

// strike picks the fault of a call.
func (h *HIS) strike(c *call) (Fault, bool) {
	for i, a := range h.faults {
		if !a.fits(c) || (a.Chance > 0 && h.rng.Float64() >= a.Chance) {
			continue
		}
		if a.left > 0 {
			if a.left--; a.left == 0 {
				h.faults = slices.Delete(h.faults, i, i+1)
			}
		}
		return a.Fault, true
	}
	return Fault{}, false
}

func (a *armed) fits(c *call) bool {
	return (a.Op == "" || a.Op == c.op) &&
		(a.HisNo == "" || a.HisNo == c.hisNo) &&
		(a.DrugID == "" || slices.Contains(c.drugs, a.DrugID))
}
