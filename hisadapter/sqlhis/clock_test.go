package sqlhis_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// takeOne takes one of A for an order.
const takeOne = `
place_order:
  tx: driver
  steps:
    - sql: UPDATE shelf SET n = n - 1 WHERE id = 'A'
      outcomes: [{rows: 1, then: next}]
`

// A reading brings along how far our clock is ahead of the server's, whatever zone
// the server and its sessions live in; a write never asks.
func TestSkewOfTheServersClock(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		db := start(t, dialect)
		schema := db.schema(t)
		db.run(t, schema, shelf)
		for _, off := range []time.Duration{0, 10 * time.Minute, -10 * time.Minute} {
			now := func() time.Time { return time.Now().Add(off) }
			d, err := sqlhis.Open(db.load(t, db.address(), schema, plainQuery+takeOne), hisadapter.Capabilities{BatchSize: 1}, now)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if _, err := d.PlaceOrder(t.Context(), order("RX1", "A")); err != nil {
				t.Fatal(err)
			}
			if ahead, known := d.Skew(); known {
				t.Errorf("a write has asked: %s", ahead)
			}
			if _, err := d.QueryStock(t.Context(), []hisadapter.Key{{PharmacyID: pharmacy, DrugID: "A"}}); err != nil {
				t.Fatal(err)
			}
			// The least distance that explains both: a slow machine makes it smaller.
			ahead, known := d.Skew()
			if near := (ahead - off).Abs(); !known || off != 0 && near > time.Minute || off == 0 && ahead != 0 {
				t.Errorf("ahead by %s (%t), want %s", ahead, known, off)
			}
		}
	})
}

// Where the server cannot say its time there is no figure, and the reading is none
// the worse.
func TestSkewThatTheServerDoesNotTell(t *testing.T) {
	db := start(t, sqlhis.Postgres)
	schema := db.schema(t)
	db.run(t, schema, shelf+"CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'not for you'; END $$;")
	d, err := sqlhis.Open(db.load(t, db.address(), `"`+schema+`, pg_catalog"`, plainQuery+takeOne), hisadapter.Capabilities{BatchSize: 1}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got, err := d.QueryStock(t.Context(), []hisadapter.Key{{PharmacyID: pharmacy, DrugID: "A"}})
	if err != nil || got[0].OnHand != 10 {
		t.Errorf("%+v, %v", got, err)
	}
	if ahead, known := d.Skew(); known {
		t.Errorf("ahead by %s, says a server that says nothing", ahead)
	}
	if err := d.Reach(t.Context()); err != nil {
		t.Error(err)
	}
}
