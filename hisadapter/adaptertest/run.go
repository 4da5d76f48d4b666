package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Open gives a driver to a fresh HIS and the hand on its other side. It cleans
// up after itself.
type Open func(t *testing.T) (hisadapter.Driver, Control)

// Run holds a driver to the port's contract.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, *rig)
	}{
		{"capabilities", testCapabilities},
		{"readings", testReadings},
		{"batches", testBatches},
		{"facts", testFacts},
		{"boxes", testBoxes},
		{"readings follow the shelf", testReadingsFollow},
		{"place and find", testPlace},
		{"refusals", testRefusals},
		{"all or nothing", testAtomic},
		{"repeats", testRepeats},
		{"freeze", testFreeze},
		{"lapse", testLapse},
		{"cancel", testCancel},
		{"list", testList},
		{"troubles of writes", testWriteTroubles},
		{"troubles of reads", testReadTroubles},
		{"late apply", testLateApply},
		{"caller gives up", testGiveUp},
		{"concurrent orders", testConcurrentOrders},
		{"concurrent repeats", testConcurrentRepeats},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newRig(t, open)) })
	}
}

// rig is one HIS with what the tests do again and again.
type rig struct {
	hisadapter.Driver
	Control
	caps hisadapter.Capabilities
	fix  Fixture
	open Open
}

func newRig(t *testing.T, open Open) *rig {
	t.Helper()
	d, c := open(t)
	r := &rig{Driver: d, Control: c, caps: d.Capabilities(), fix: c.Fixture(), open: open}
	if len(r.fix.Drugs) < 3 || r.fix.Unknown == "" || r.fix.PharmacyID == "" {
		t.Fatalf("the fixture lacks a pharmacy, three drugs or an unknown one: %+v", r.fix)
	}
	for i := range r.fix.Drugs {
		r.SetStock(t, r.key(i), 100)
	}
	return r
}

// fresh is the same rig on a HIS of its own.
func (r *rig) fresh(t *testing.T) *rig { return newRig(t, r.open) }

func (r *rig) key(drug int) hisadapter.Key {
	return hisadapter.Key{PharmacyID: r.fix.PharmacyID, DrugID: r.fix.Drugs[drug]}
}

func (r *rig) lines(n int64) []hisadapter.Line {
	return []hisadapter.Line{{DrugID: r.fix.Drugs[0], Quantity: n}}
}

func (r *rig) makes(trouble Trouble) bool { return slices.Contains(r.fix.Troubles, trouble) }

// figure reads one key after the HIS's figures have caught up.
func (r *rig) figure(t *testing.T, drug int) int64 {
	t.Helper()
	if r.caps.FigureLag > 0 {
		r.Pass(t, r.caps.FigureLag)
	}
	got, err := r.QueryStock(t.Context(), []hisadapter.Key{r.key(drug)})
	if err != nil {
		t.Fatal(err)
	}
	return got[0].OnHand
}

func (r *rig) wantFigure(t *testing.T, drug int, want int64) {
	t.Helper()
	if got := r.figure(t, drug); got != want {
		t.Errorf("figure of %s is %d, want %d", r.fix.Drugs[drug], got, want)
	}
}

// request is a PlaceOrder of n units that has, where the HIS demands one, its
// freeze already.
func (r *rig) request(t *testing.T, hisNo string, lines []hisadapter.Line) (hisadapter.PlaceOrderRequest, error) {
	t.Helper()
	req := hisadapter.PlaceOrderRequest{
		HisNo: hisNo, PharmacyID: r.fix.PharmacyID, Lines: lines, TransactionID: "4200" + hisNo, PaidAt: r.Now(),
		Attributes: map[string]string{"patient_id": "P1", "rx_no": "CF1"},
	}
	if !r.caps.DeductNeedsFreeze {
		return req, nil
	}
	f, err := r.Freeze(t.Context(), r.freezing(hisNo, lines))
	req.LockID = f.LockID
	return req, err
}

func (r *rig) freezing(hisNo string, lines []hisadapter.Line) hisadapter.FreezeRequest {
	return hisadapter.FreezeRequest{
		HisNo: hisNo, PharmacyID: r.fix.PharmacyID, Lines: lines, Until: r.Now().Add(24 * time.Hour),
		Attributes: map[string]string{"patient_id": "P1"},
	}
}

// place takes an order through to its deduction.
func (r *rig) place(t *testing.T, hisNo string, lines []hisadapter.Line) (hisadapter.HISOrder, error) {
	t.Helper()
	req, err := r.request(t, hisNo, lines)
	if err != nil {
		return hisadapter.HISOrder{}, err
	}
	return r.PlaceOrder(t.Context(), req)
}

// wantState asks FindOrder, where there is one.
func (r *rig) wantState(t *testing.T, hisNo string, want ...hisadapter.State) hisadapter.Found {
	t.Helper()
	if !r.caps.Find {
		return hisadapter.Found{}
	}
	f, err := r.FindOrder(t.Context(), hisNo)
	if err != nil {
		t.Fatalf("find %s: %v", hisNo, err)
	}
	if !slices.Contains(want, f.State) {
		t.Errorf("%s is %v, want %v", hisNo, f.State, want)
	}
	return f
}

func wantOutcome(t *testing.T, err error, want ...hisadapter.Outcome) *hisadapter.Error {
	t.Helper()
	if got := hisadapter.OutcomeOf(err); !slices.Contains(want, got) {
		t.Fatalf("outcome is %v (%v), want %v", got, err, want)
	}
	e, ok := errors.AsType[*hisadapter.Error](err)
	if err != nil && !ok {
		t.Fatalf("%v (%T) is no *hisadapter.Error", err, err)
	}
	return e
}

func wantKind(t *testing.T, err error, want hisadapter.Kind) *hisadapter.Error {
	t.Helper()
	e := wantOutcome(t, err, hisadapter.Refused)
	if e.Kind != want {
		t.Fatalf("refused as %v (%v), want %v", e.Kind, err, want)
	}
	return e
}

// during runs call until trouble struck it and then lets its caller give up;
// for a trouble that does not hang the call simply ends.
func (r *rig) during(t *testing.T, op Op, trouble Trouble, call func(context.Context) error) error {
	t.Helper()
	struck := r.Strike(t, op, trouble)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- call(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-struck:
	}
	if trouble == TimeoutBefore || trouble == TimeoutAfter || trouble == LateApply {
		cancel()
	}
	return <-ended
}

func number(i int) string { return fmt.Sprintf("RX%06d", i) }
