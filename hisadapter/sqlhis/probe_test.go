package sqlhis_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/probe"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// sleepNot is for a database whose figures never lag.
func sleepNot(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// A probe of the recipe finds exactly what it can, over a real database, and
// leaves nothing behind; each statement is told with its rule.
func TestProbeOfTheRecipe(t *testing.T) {
	for _, dialect := range []string{sqlhis.Postgres, sqlhis.MySQL} {
		t.Run(dialect, func(t *testing.T) {
			h := newHospital(t, dialect)
			d := h.driver(t, h.db.address())
			a, b := hisadapter.Key{PharmacyID: pharmacy, DrugID: drugA}, hisadapter.Key{PharmacyID: pharmacy, DrugID: bigID}
			h.SetStock(t, a, 100)
			h.SetStock(t, b, 2)
			var mu sync.Mutex
			var seen []sqlhis.Statement
			d.Watch(func(s sqlhis.Statement) {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, s)
			})
			r, err := probe.Run(t.Context(), probe.Options{
				Driver: d, Declared: able(), PharmacyID: pharmacy, DrugIDs: []string{drugA, bigID}, Attributes: map[string]string{"patient_id": "P1"},
				Write: true, Place: true, MaxQty: 10, Timeout: 20 * time.Second, Settle: time.Second, Seed: "TEST",
				Reach: d.Reach, Now: time.Now, Wait: sleepNot,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range r.Steps {
				for _, row := range s.Rows(false) {
					t.Log(row)
				}
			}
			got, want := r.Capabilities(), able()
			if got != want || r.Failed() {
				t.Errorf("found %+v\nit is  %+v; left %v", got, want, r.Left)
			}
			for k, n := range map[hisadapter.Key]int64{a: 100, b: 2} {
				if rs, err := d.QueryStock(t.Context(), []hisadapter.Key{k}); err != nil || rs[0].OnHand != n {
					t.Errorf("%v, it was %d; %v", rs, n, err)
				}
			}
			if n := h.db.one(t, h.schema, "SELECT COUNT(*) FROM hisgate_reservation WHERE status = 'FROZEN'"); n != "0" {
				t.Errorf("%s are still frozen", n)
			}
			ruled := 0
			for _, s := range seen {
				if s.Line == 0 || s.SQL == "" {
					t.Errorf("a statement from nowhere: %+v", s)
				}
				if s.Rule > s.Line {
					ruled++
				}
			}
			if ruled == 0 {
				t.Error("no statement names its rule")
			}
		})
	}
}
