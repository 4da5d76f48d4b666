package sqlhis_test

import (
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// A procedure that commits by itself and then, for RX2, fails. It speaks by a
// code: the OUT values of MySQL, a result set of PostgreSQL.
func ownProcedure(dialect string) (ddl, operation string) {
	outcomes := `
      outcomes:
        - {value: code, is: ["0", "0000"], then: done}
        - {value: code, is: ["-1"], then: refused, kind: insufficient, code: code, words: words}
        - {value: code, is: ["-2"], then: find}
        - {sqlstate: ["4200"], then: misconfigured}
        - {error: ["45001", "1644"], message: 没有权限, then: misconfigured}
  result: {order_no: number}
`
	if dialect == sqlhis.Postgres {
		return shelf + `
CREATE PROCEDURE deduct(no text, INOUT code text, INOUT words text, INOUT number text) LANGUAGE plpgsql AS $body$
BEGIN
	UPDATE shelf SET n = n - 1 WHERE id = 'A';
	COMMIT;
	IF no = 'RX2' THEN RAISE EXCEPTION 'out of order' USING ERRCODE = '45000'; END IF;
	IF no = 'RX3' THEN RAISE EXCEPTION '没有权限' USING ERRCODE = '45001'; END IF;
	code := CASE no WHEN 'RX4' THEN '-1' WHEN 'RX5' THEN '77' WHEN 'RX6' THEN '-2' ELSE '0000' END;
	words := '库存不足: ' || no;
	number := 'D1';
END $body$;`, `
place_order:
  tx: own
  steps:
    - sql: CALL deduct(:his_no, NULL, NULL, NULL)
      capture: {code: code, words: words, number: number}` + outcomes
	}
	return shelf + `
CREATE PROCEDURE deduct(IN no varchar(20), OUT code varchar(9), OUT words varchar(40), OUT number varchar(9))
BEGIN
	UPDATE shelf SET n = n - 1 WHERE id = 'A';
	COMMIT;
	IF no = 'RX2' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'out of order'; END IF;
	IF no = 'RX3' THEN SIGNAL SQLSTATE '45001' SET MESSAGE_TEXT = '没有权限'; END IF;
	SET code = CASE no WHEN 'RX4' THEN '-1' WHEN 'RX5' THEN '77' WHEN 'RX6' THEN '-2' ELSE '0000' END;
	SET words = CONCAT('库存不足: ', no);
	SET number = 'D1';
END;`, `
place_order:
  tx: own
  steps:
    - sql: CALL deduct(:his_no, @code, @words, @number)
      outcomes:
        - {error: ["1644"], message: 没有权限, then: misconfigured}
        - {rows: 0+, then: next}
    - sql: SELECT @code AS code, @words AS words, @number AS number
      capture: {code: code, words: words, number: number}` + outcomes
}

func TestOwnTransactionThatFailsAfterItWasSentIsUnknown(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		ddl, operation := ownProcedure(dialect)
		d, db, schema := plain(t, dialect, ddl, operation, hisadapter.Capabilities{BatchSize: 1})
		o, err := d.PlaceOrder(t.Context(), order("RX1", "A"))
		if err != nil || o.OrderNo != "D1" {
			t.Fatalf("placed %+v, %v", o, err)
		}
		_, err = d.PlaceOrder(t.Context(), order("RX2", "A"))
		if e := want(t, err, hisadapter.Unknown); e.Message == "" {
			t.Errorf("the database's words are lost: %v", e)
		}
		// What the team says of an error counts.
		_, err = d.PlaceOrder(t.Context(), order("RX3", "A"))
		want(t, err, hisadapter.Misconfigured)
		_, err = d.PlaceOrder(t.Context(), order("RX4", "A"))
		if e := want(t, err, hisadapter.Refused); e.Kind != hisadapter.Insufficient || e.Code != "-1" || e.Message != "库存不足: RX4" {
			t.Errorf("refused as %+v", e)
		}
		// A code that no rule knows is never taken for success.
		_, err = d.PlaceOrder(t.Context(), order("RX5", "A"))
		want(t, err, hisadapter.Unknown)
		_, err = d.PlaceOrder(t.Context(), order("RX6", "A"))
		want(t, err, hisadapter.Find)
		if a := db.one(t, schema, "SELECT n FROM shelf WHERE id = 'A'"); a != "4" {
			t.Errorf("A is %s: each call was to be sent once", a)
		}
	})
}

// A ratio that is read on the way forbids a quantity before the procedure is
// called.
func TestRatioReadOnTheWay(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		d, db, schema := plain(t, dialect, shelf, `
place_order:
  tx: own
  steps:
    - sql: SELECT n FROM shelf WHERE id = :drug_id
      for_each: line
      capture: {ratio: n}
    - sql: UPDATE shelf SET n = n - :his_quantity WHERE id = :drug_id
      for_each: line
      outcomes: [{rows: 1, then: next}]
`, hisadapter.Capabilities{BatchSize: 1})
		r := order("RX1", "A")
		r.Lines[0].Quantity = 15 // packs of 10
		_, err := d.PlaceOrder(t.Context(), r)
		if e := want(t, err, hisadapter.Refused); e.Kind != hisadapter.NotDivisible {
			t.Errorf("refused as %v", e)
		}
		r.Lines[0].Quantity = 20
		if _, err := d.PlaceOrder(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if a := db.one(t, schema, "SELECT n FROM shelf WHERE id = 'A'"); a != "8" {
			t.Errorf("A is %s", a)
		}
	})
}

func TestRatioReadTooLateIsUnknown(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		d, _, _ := plain(t, dialect, shelf, `
place_order:
  tx: own
  steps:
    - sql: SELECT id FROM shelf WHERE id = :drug_id # which may call what writes
      for_each: line
      outcomes: [{rows: 1, then: next}]
    - sql: SELECT n FROM shelf WHERE id = :drug_id
      for_each: line
      capture: {ratio: n}
    - sql: UPDATE shelf SET n = n - :his_quantity WHERE id = :drug_id
      for_each: line
      outcomes: [{rows: 1, then: next}]
`, hisadapter.Capabilities{BatchSize: 1})
		_, err := d.PlaceOrder(t.Context(), order("RX1", "A"))
		want(t, err, hisadapter.Unknown)
	})
}

// A procedure that commits by itself, mapped as if it did not: its refusal cannot be
// rolled back, so nobody may take it for one.
func TestAProcedureThatCommitsInOurTransaction(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		ddl, operation := ownProcedure(dialect)
		d, db, schema := plain(t, dialect, ddl, strings.Replace(operation, "tx: own", "tx: driver", 1), hisadapter.Capabilities{BatchSize: 1})
		_, err := d.PlaceOrder(t.Context(), order("RX4", "A"))
		e := want(t, err, hisadapter.Unknown)
		left := "9"
		if dialect == sqlhis.Postgres { // which lets nothing commit there
			left = "10"
		} else if !strings.Contains(e.Error(), "write tx: own") {
			t.Errorf("it does not say what to write: %v", e)
		}
		if a := db.one(t, schema, "SELECT n FROM shelf WHERE id = 'A'"); a != left {
			t.Errorf("A is %s, want %s", a, left)
		}
	})
}

// Of two ratios neither is the drug's: nothing is deducted by the first that comes.
func TestTwoRatiosAreNone(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		d, db, schema := plain(t, dialect, shelf+"CREATE TABLE packs (id varchar(20), bz int); INSERT INTO packs VALUES ('A', 24), ('A', 12);", `
place_order:
  tx: driver
  steps:
    - sql: SELECT bz FROM packs WHERE id = :drug_id
      for_each: line
      capture: {ratio: bz}
    - sql: UPDATE shelf SET n = n - :his_quantity WHERE id = :drug_id
      for_each: line
      outcomes: [{rows: 1, then: next}]
`, hisadapter.Capabilities{BatchSize: 1})
		r := order("RX1", "A")
		r.Lines[0].Quantity = 24
		_, err := d.PlaceOrder(t.Context(), r)
		if e := want(t, err, hisadapter.Unknown); !strings.Contains(e.Error(), "different things as ratio") {
			t.Errorf("it says %v", e)
		}
		if a := db.one(t, schema, "SELECT n FROM shelf WHERE id = 'A'"); a != "10" {
			t.Errorf("A is %s", a)
		}
	})
}

// An answer has bounds: of rows, of a cell, and of all cells together.
func TestAnswersAreBounded(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		words := map[string]string{
			sqlhis.Postgres: "SELECT 'A' AS id, repeat('7', SIZE) AS n FROM generate_series(1, ROWS) WHERE 'A' IN (:drug_ids)",
			sqlhis.MySQL:    "SELECT 'A' AS id, repeat('7', SIZE) AS n FROM seq_1_to_ROWS WHERE 'A' IN (:drug_ids)",
		}[dialect]
		for _, c := range []struct{ size, rows, said string }{
			{"1", "20000", "more than 10000 rows"}, {"70000", "1", "a cell of more than 65536 bytes"}, {"60000", "9000", "an answer of more than 33554432 bytes"},
		} {
			d, _, _ := plain(t, dialect, shelf, `
query_stock:
  steps: [{sql: "`+strings.NewReplacer("SIZE", c.size, "ROWS", c.rows).Replace(words)+`"}]
  rows: {drug_id: id, on_hand: n}
  lots: true
place_order:
  tx: driver
  steps: [{sql: SELECT 1, outcomes: [{rows: 1, then: done}]}]
`, hisadapter.Capabilities{BatchSize: 1})
			_, err := d.QueryStock(t.Context(), []hisadapter.Key{{DrugID: "A"}})
			if e := want(t, err, hisadapter.Unknown); !strings.Contains(e.Error(), c.said) {
				t.Errorf("%s rows of %s bytes: %v", c.rows, c.size, e)
			}
		}
	})
}

// A number of the HIS that did not come, and rows that contradict each other,
// are no success; and nothing of a transaction of ours stays.
func TestAnswersThatLeaveAnythingOpenAreUnknown(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		ddl := shelf + "CREATE TABLE orders (no varchar(20), number varchar(20), state varchar(9)); INSERT INTO orders VALUES ('TWO', 'F1', '1'), ('TWO', 'F2', '9'), ('SAME', 'F3', '1'), ('SAME', 'F3', '1'), ('BARE', NULL, '1');"
		d, db, schema := plain(t, dialect, ddl, `
place_order:
  tx: driver
  steps:
    - sql: UPDATE shelf SET n = n - 1 WHERE id = 'A'
      outcomes: [{rows: 1, then: next}]
    - sql: SELECT number FROM orders WHERE no = :his_no
      capture: {number: number}
  result: {order_no: number}
find_order:
  steps:
    - sql: SELECT number, state FROM orders WHERE no = :his_no
      capture: {number: number, state: state}
      outcomes:
        - {rows: 0, then: done, state: none}
        - {value: state, is: ["1"], then: done, state: deducted}
        - {value: state, is: ["9"], then: done, state: released}
  result: {order_no: number}
`, hisadapter.Capabilities{BatchSize: 1, Find: true})
		for _, no := range []string{"NONE", "TWO", "BARE"} {
			_, err := d.PlaceOrder(t.Context(), order(no))
			want(t, err, hisadapter.Unknown)
		}
		if a := db.one(t, schema, "SELECT n FROM shelf WHERE id = 'A'"); a != "10" {
			t.Errorf("A is %s", a)
		}
		if o, err := d.PlaceOrder(t.Context(), order("SAME")); err != nil || o.OrderNo != "F3" {
			t.Errorf("placed %+v, %v", o, err)
		}
		for _, no := range []string{"TWO", "BARE"} {
			_, err := d.FindOrder(t.Context(), no)
			want(t, err, hisadapter.Unknown)
		}
		if f, err := d.FindOrder(t.Context(), "NONE"); err != nil || f.State != hisadapter.None {
			t.Errorf("found %+v, %v", f, err)
		}
	})
}

// A freeze or an order of which only the HIS's own number will do is looked for.
func TestNumbersThatWereNeverLearntAreLookedFor(t *testing.T) {
	each(t, func(t *testing.T, dialect string) {
		ddl := shelf + "CREATE TABLE holds (id varchar(20), no varchar(20), state varchar(9)); INSERT INTO holds VALUES ('L1', 'RX1', '1'), ('L2', 'RX2', '5'), ('L3', 'RX3', '2');"
		d, db, schema := plain(t, dialect, ddl, `
place_order:
  tx: driver
  steps: [{sql: "UPDATE holds SET state = '2' WHERE no = :his_no", outcomes: [{rows: 1, then: next}]}]
freeze:
  tx: driver
  steps: [{sql: "UPDATE holds SET state = '1' WHERE no = :his_no", outcomes: [{rows: 1, then: next}]}]
unfreeze:
  tx: driver
  steps: [{sql: "UPDATE holds SET state = '3' WHERE id = :lock_id", outcomes: [{rows: 1, then: next}]}]
cancel_order:
  tx: driver
  steps: [{sql: "UPDATE holds SET state = '4' WHERE id = :his_order_no", outcomes: [{rows: 1, then: next}]}]
find_order:
  steps:
    - sql: SELECT id, state FROM holds WHERE no = :his_no
      capture: {number: id, state: state}
      outcomes:
        - {rows: 0, then: done, state: none}
        - {value: state, is: ["1"], then: done, state: frozen}
        - {value: state, is: ["2"], then: done, state: deducted}
        - {value: state, is: ["5"], then: done, state: lapsed}
  result: {lock_id: number, order_no: number}
`, hisadapter.Capabilities{BatchSize: 1, Find: true, Freeze: true, Cancel: true})
		give := func(no string) error { return d.Unfreeze(t.Context(), hisadapter.UnfreezeRequest{HisNo: no}) }
		want(t, give("RX1"), hisadapter.Done)
		if e := want(t, give("RX2"), hisadapter.Refused); e.Kind != hisadapter.FreezeLapsed {
			t.Errorf("refused as %v", e)
		}
		want(t, give("RX3"), hisadapter.Find)
		want(t, give("RX4"), hisadapter.Find)
		want(t, d.CancelOrder(t.Context(), "RX3", ""), hisadapter.Done)
		want(t, d.CancelOrder(t.Context(), "RX2", ""), hisadapter.Find)
		if s := db.one(t, schema, "SELECT MAX(state) FROM holds WHERE id IN ('L1', 'L3')"); s != "4" {
			t.Errorf("the states are %s", s)
		}
	})
}
