package sqlhis_test

import (
	"context"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

const shelf = "CREATE TABLE shelf (id varchar(20) PRIMARY KEY, n int NOT NULL); INSERT INTO shelf VALUES ('A', 10), ('B', 10), ('GATE', 0);"

// crossing takes A, waits at the gate, and takes B.
const crossing = `
place_order:
  tx: driver
  steps:
    - sql: UPDATE shelf SET n = n - 1 WHERE id = 'A'
      outcomes: [{rows: 1, then: next}]
    - sql: UPDATE shelf SET n = n WHERE id = 'GATE'
      outcomes: [{rows: 1, then: next}]
    - sql: UPDATE shelf SET n = n - 1 WHERE id = 'B'
      outcomes: [{rows: 1, then: next}]
`

// meet lets the driver and somebody else each hold what the other wants.
func meet(t *testing.T, dialect, settings string) (a, b string, outcome error) {
	d, db, schema := plain(t, dialect, shelf, settings+crossing, hisadapter.Capabilities{BatchSize: 1})
	gate, other := db.session(t, schema), db.session(t, schema)
	gate.run(t, "UPDATE shelf SET n = 1 WHERE id = 'GATE'")
	placed := make(chan error, 1)
	go func() {
		_, err := d.PlaceOrder(context.Background(), order("RX1"))
		placed <- err
	}()
	db.waiting(t, schema, 1) // the driver has A
	// The other one has done more and looks for deadlocks later: the driver is
	// the victim.
	if dialect == sqlhis.Postgres {
		other.run(t, "SET deadlock_timeout = '1min'")
	}
	other.run(t, "INSERT INTO shelf VALUES ('1', 1), ('2', 1), ('3', 1), ('4', 1), ('5', 1), ('6', 1), ('7', 1)")
	other.run(t, "UPDATE shelf SET n = n - 1 WHERE id = 'B'")
	taken := make(chan error, 1)
	go func() { taken <- other.try("UPDATE shelf SET n = n - 1 WHERE id = 'A'") }()
	db.waiting(t, schema, 2)
	gate.run(t, "COMMIT") // now the driver wants B
	if err := <-taken; err != nil {
		t.Fatalf("the other one was the victim: %v", err)
	}
	other.run(t, "COMMIT")
	outcome = <-placed
	return db.one(t, schema, "SELECT n FROM shelf WHERE id = 'A'"), db.one(t, schema, "SELECT n FROM shelf WHERE id = 'B'"), outcome
}

func TestDeadlockIsTriedAgainAndAppliedOnce(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		a, b, err := meet(t, dialect, "")
		want(t, err, hisadapter.Done)
		if a != "8" || b != "8" {
			t.Errorf("A is %s and B is %s, want 8 and 8", a, b)
		}
	})
}

func TestDeadlockWithoutRetriesIsBusyAndDoesNothing(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		a, b, err := meet(t, dialect, "retries: 0\n")
		if e := want(t, err, hisadapter.Busy); e.Code == "" {
			t.Errorf("%v has no code of the database", e)
		}
		if a != "9" || b != "9" {
			t.Errorf("A is %s and B is %s, want 9 and 9", a, b)
		}
	})
}

// A connection that is killed in the middle leaves nothing behind, and the next
// call has one that works.
func TestKilledInMidTransactionIsUnknown(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		d, db, schema := plain(t, dialect, shelf, crossing, hisadapter.Capabilities{BatchSize: 1})
		gate := db.session(t, schema)
		gate.run(t, "UPDATE shelf SET n = 1 WHERE id = 'GATE'")
		placed := make(chan error, 1)
		go func() {
			_, err := d.PlaceOrder(context.Background(), order("RX1"))
			placed <- err
		}()
		db.waiting(t, schema, 1)
		if dialect == sqlhis.Postgres {
			db.run(t, schema, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
		} else {
			db.run(t, schema, "KILL "+db.one(t, schema, "SELECT id FROM information_schema.processlist WHERE db = '"+schema+"' AND info LIKE 'UPDATE shelf SET n = n WHERE%'"))
		}
		want(t, <-placed, hisadapter.Unknown)
		gate.run(t, "COMMIT")
		if a := db.one(t, schema, "SELECT n FROM shelf WHERE id = 'A'"); a != "10" {
			t.Errorf("A is %s", a)
		}
		_, err := d.PlaceOrder(t.Context(), order("RX1"))
		want(t, err, hisadapter.Done)
	})
}

// A line that is refused takes back the lines before it, and every line comes in
// the order of its key.
func TestAllLinesOrNone(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		d, db, schema := plain(t, dialect, shelf+"CREATE TABLE seen (no int, id varchar(20), q int);", `
place_order:
  tx: driver
  steps:
    - sql: INSERT INTO seen (no, id, q) VALUES (:line_no, :drug_id, :quantity)
      for_each: line
      outcomes: [{rows: 1, then: next}]
    - sql: UPDATE shelf SET n = n - :quantity WHERE id = :drug_id AND n >= :quantity
      for_each: line
      outcomes:
        - {rows: 1, then: next}
        - {rows: 0, then: refused, kind: insufficient}
`, hisadapter.Capabilities{BatchSize: 1, AtomicItems: true})
		r := order("RX1", "B", "A")
		r.Lines[0].Quantity = 11
		_, err := d.PlaceOrder(t.Context(), r)
		e := want(t, err, hisadapter.Refused)
		if len(e.Shortages) != 1 || e.Shortages[0] != (hisadapter.Shortage{DrugID: "B", Requested: 11, Available: -1}) {
			t.Errorf("short of %+v", e.Shortages)
		}
		if a := db.one(t, schema, "SELECT n FROM shelf WHERE id = 'A'"); a != "10" {
			t.Errorf("A is %s", a)
		}
		r.Lines[0].Quantity = 10
		if _, err := d.PlaceOrder(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if first := db.one(t, schema, "SELECT id FROM seen WHERE no = 1"); first != "A" {
			t.Errorf("the first line is %s", first)
		}
	})
}

// What nothing but the driver's own unit forbids never reaches the database.
func TestQuantitiesThatThePackForbidsAreNotSent(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		d, db, schema := plain(t, dialect, shelf, `
units: {ratio: "24"}
place_order:
  tx: own
  steps:
    - sql: UPDATE shelf SET n = n - :his_quantity WHERE id = :drug_id
      for_each: line
      outcomes: [{rows: 1, then: next}]
`, hisadapter.Capabilities{BatchSize: 1})
		r := order("RX1", "A")
		r.Lines[0].Quantity = 30
		_, err := d.PlaceOrder(t.Context(), r)
		if e := want(t, err, hisadapter.Refused); e.Kind != hisadapter.NotDivisible || !strings.Contains(e.Error(), "A") {
			t.Errorf("refused as %v", e)
		}
		r.Lines[0].Quantity = 48
		if _, err := d.PlaceOrder(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if a := db.one(t, schema, "SELECT n FROM shelf WHERE id = 'A'"); a != "8" {
			t.Errorf("A is %s", a)
		}
	})
}
