package sqlhis_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/probe"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
	"github.com/hisgate/hisgate/hisadapter/sqlhis/recipes"
	"github.com/hisgate/hisgate/hisadapter/tape"
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
			begun := time.Now()
			dir := filepath.Join(t.TempDir(), "tape")
			patient := map[string]string{"patient_id": "张三丰"}
			keeper, err := tape.Record(dir, tape.Head{Begun: begun, SQL: true, Attributes: patient})
			if err != nil {
				t.Fatal(err)
			}
			d.Record(keeper.SQL)
			var mu sync.Mutex
			var seen []sqlhis.Statement
			d.Watch(func(s sqlhis.Statement) {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, s)
			})
			options := probe.Options{
				Driver: d, Declared: able(), PharmacyID: pharmacy, DrugIDs: []string{drugA, bigID}, Attributes: patient,
				Write: true, Place: true, MaxQty: 10, Timeout: 20 * time.Second, Settle: time.Second, Seed: "TEST",
				Reach: d.Reach, Now: time.Now, Wait: sleepNot,
			}
			r, err := probe.Run(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			if err := keeper.Close(); err != nil {
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
			h.played(t, dir, options, r.Capabilities())
			d.Record(func(sqlhis.Exchange) {}) // the tape is whole
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

// played holds what a probe finds on the tape to what it found at the database. No
// patient is on it.
func (h *hospital) played(t *testing.T, dir string, o probe.Options, live hisadapter.Capabilities) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files on the tape: %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "张三丰") {
			t.Errorf("%s tells the patient:\n%s", f, text)
		}
	}
	player, err := tape.Play(dir)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := recipes.Mapping("reservation", h.db.Dialect)
	if err != nil {
		t.Fatal(err)
	}
	m, err := sqlhis.Parse("his.yaml", []byte(doc)) // no password, no such server
	if err != nil {
		t.Fatal(err)
	}
	d, err := sqlhis.Offline(m, able(), player.Now, player.SQL)
	if err != nil {
		t.Fatal(err)
	}
	o.Driver, o.Reach, o.Now, o.Attributes = d, nil, player.Now, player.Head.Attributes
	r, err := probe.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Capabilities(); got != live || r.Failed() {
		t.Errorf("on tape %+v\nlive    %+v", got, live)
		for _, s := range r.Steps {
			t.Log(strings.Join(s.Rows(false), "\n"))
		}
	}
	if n := player.Left(); n != 0 {
		t.Errorf("%d answers were not asked for", n)
	}
}
