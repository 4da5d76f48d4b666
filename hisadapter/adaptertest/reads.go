package adaptertest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

func testCapabilities(t *testing.T, r *rig) {
	c := r.caps
	if c.BatchSize < 1 {
		t.Errorf("batch size %d, must be at least 1", c.BatchSize)
	}
	if c.DeductNeedsFreeze && !c.Freeze {
		t.Error("a deduct needs a freeze that does not exist")
	}
	if c.Freeze && !c.Find {
		t.Log("[C3] native freeze without find cannot be used")
	}
	ctx := t.Context()
	for _, op := range []struct {
		name    string
		offered bool
		call    func() error
	}{
		{"Freeze", c.Freeze, func() error { _, err := r.Freeze(ctx, r.freezing("U1", r.lines(1))); return err }},
		{"Unfreeze", c.Freeze, func() error { return r.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: "U1"}) }},
		{"FindOrder", c.Find, func() error { _, err := r.FindOrder(ctx, "U1"); return err }},
		{"CancelOrder", c.Cancel, func() error { return r.CancelOrder(ctx, "U1", "") }},
		{"ListOrders", c.List, func() error { _, err := r.ListOrders(ctx, r.Now()); return err }},
	} {
		err := op.call()
		if errors.Is(err, hisadapter.ErrUnsupported) == op.offered {
			t.Errorf("%s: declared %v, but answers %v", op.name, op.offered, err)
		}
		if !op.offered {
			wantOutcome(t, err, hisadapter.Misconfigured)
		}
	}
}

// A batch has one reading for each key in the order asked, unknown drugs among
// them, and ids come back byte for byte.
func testReadings(t *testing.T, r *rig) {
	unknown := hisadapter.Key{PharmacyID: r.fix.PharmacyID, DrugID: r.fix.Unknown}
	r.SetStock(t, r.key(1), 7)
	r.SetStock(t, r.key(2), 0)
	r.Pass(t, r.caps.FigureLag)
	all := []hisadapter.Key{r.key(2), unknown, r.key(0), r.key(1), r.key(0)}
	figures := []int64{0, 0, 100, 7, 100}
	for start := 0; start < len(all); start += r.caps.BatchSize {
		end := min(start+r.caps.BatchSize, len(all))
		got, err := r.QueryStock(t.Context(), all[start:end])
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != end-start {
			t.Fatalf("%d readings for %d keys", len(got), end-start)
		}
		for i, reading := range got {
			key := all[start+i]
			if reading.Key != key || reading.Unknown != (key == unknown) || reading.OnHand != figures[start+i] {
				t.Errorf("reading %d is %+v, want key %v with %d", start+i, reading, key, figures[start+i])
			}
			if reading.Unknown && reading.Facts != (hisadapter.Facts{}) {
				t.Errorf("an unknown drug has facts: %+v", reading.Facts)
			}
		}
	}
}

// A full batch is read in one call, and so is one of which the HIS knows
// nothing: "no data" is neither success nor failure.
func testBatches(t *testing.T, r *rig) {
	var all []hisadapter.Key
	for i := range r.fix.Drugs {
		all = append(all, r.key(i))
	}
	for i := range r.caps.BatchSize {
		all = append(all, hisadapter.Key{PharmacyID: r.fix.PharmacyID, DrugID: fmt.Sprintf("%s%03d", r.fix.Unknown, i)})
	}
	known := len(r.fix.Drugs)
	r.Pass(t, r.caps.FigureLag)
	for _, batch := range [][]hisadapter.Key{all[:r.caps.BatchSize], all[known : known+r.caps.BatchSize]} {
		got, err := r.QueryStock(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(batch) {
			t.Fatalf("%d readings for %d keys", len(got), len(batch))
		}
		for i, reading := range got {
			want := hisadapter.Reading{Key: batch[i], Unknown: true}
			if i < known && batch[i] == all[i] {
				want = hisadapter.Reading{Key: batch[i], OnHand: 100, Facts: reading.Facts}
			}
			if reading != want {
				t.Errorf("reading %d is %+v, want %+v", i, reading, want)
			}
		}
	}
}

// What the HIS says about a drug comes through to the last digit of its price.
func testFacts(t *testing.T, r *rig) {
	for i, want := range r.fix.Facts {
		got, err := r.QueryStock(t.Context(), []hisadapter.Key{r.key(i)})
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Facts != want {
			t.Errorf("facts of %s are %+v, want %+v", r.fix.Drugs[i], got[0].Facts, want)
		}
	}
	if r.fix.Stopped == "" {
		return
	}
	key := hisadapter.Key{PharmacyID: r.fix.PharmacyID, DrugID: r.fix.Stopped}
	r.SetStock(t, key, 10)
	got, err := r.QueryStock(t.Context(), []hisadapter.Key{key})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Unknown || !got[0].Facts.Stopped {
		t.Errorf("%s is stopped, and is read as %+v", r.fix.Stopped, got[0])
	}
}

// However the HIS counts a drug that is sold in boxes, its reading is never
// above what lies there, no whole box is missing from it, and an order takes
// what it says in smallest units.
func testBoxes(t *testing.T, r *rig) {
	box := r.fix.Box
	if r.fix.Boxed == "" {
		return
	}
	key := hisadapter.Key{PharmacyID: r.fix.PharmacyID, DrugID: r.fix.Boxed}
	want := func(loose, boxes int64) {
		t.Helper()
		r.Pass(t, r.caps.FigureLag)
		got, err := r.QueryStock(t.Context(), []hisadapter.Key{key})
		if err != nil {
			t.Fatal(err)
		}
		if n := got[0].OnHand; n > boxes*box+loose || n < boxes*box {
			t.Errorf("%d boxes of %d and %d loose are read as %d", boxes, box, loose, n)
		}
		if got[0].Facts.Multiple != box {
			t.Errorf("the drug is sold in steps of %d, not %d", box, got[0].Facts.Multiple)
		}
	}
	r.SetStock(t, key, 3*box+1)
	want(1, 3)
	lines := []hisadapter.Line{{DrugID: r.fix.Boxed, Quantity: 2 * box}}
	if _, err := r.place(t, "RX1", lines); err != nil {
		t.Fatal(err)
	}
	want(1, 1)
	_, err := r.place(t, "RX2", lines)
	wantKind(t, err, hisadapter.Insufficient)
	want(1, 1)
}

func testReadingsFollow(t *testing.T, r *rig) {
	r.wantFigure(t, 0, 100)
	r.Sell(t, r.key(0), 58)
	r.wantFigure(t, 0, 42)
	r.SetStock(t, r.key(0), 1<<53+1)
	r.wantFigure(t, 0, 1<<53+1)
}

// Whatever happens to a read, it never ends in a figure.
func testReadTroubles(t *testing.T, r *rig) {
	for _, trouble := range r.fix.Troubles {
		if trouble == LateApply {
			continue // nothing to apply
		}
		t.Run(string(trouble), func(t *testing.T) {
			want := expectation(trouble)
			readings, err := r.query(t, trouble)
			wantOutcome(t, err, want.outcome)
			if readings != nil {
				t.Errorf("readings beside an error: %+v", readings)
			}
			if r.caps.Find {
				found, err := r.find(t, trouble)
				wantOutcome(t, err, want.outcome)
				if found != (hisadapter.Found{}) {
					t.Errorf("a state beside an error: %+v", found)
				}
			}
			r.wantFigure(t, 0, 100)
		})
	}
}

func testList(t *testing.T, r *rig) {
	if !r.caps.List {
		return
	}
	today := r.Now()
	placed := map[string]string{} // the HIS's number by ours
	for i := range 7 {
		o, err := r.place(t, number(i), r.lines(3))
		if err != nil {
			t.Fatal(err)
		}
		placed[number(i)] = o.OrderNo
	}
	list, err := r.ListOrders(t.Context(), today)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != len(placed) {
		t.Errorf("%d orders were placed, listed are %+v", len(placed), list)
	}
	for _, o := range list {
		if no, ok := placed[o.HisNo]; !ok || o.OrderNo != no || o.Canceled {
			t.Errorf("listed %+v, placed as %q", o, no)
		}
		delete(placed, o.HisNo)
	}
	list, err = r.ListOrders(t.Context(), today.Add(-48*time.Hour))
	if err != nil || len(list) != 0 {
		t.Errorf("the day before yesterday has %+v, %v", list, err)
	}
}
