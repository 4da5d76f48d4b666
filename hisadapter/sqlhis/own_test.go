package sqlhis_test

import (
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
    - sql: UPDATE shelf SET n = n - 1 WHERE id = :drug_id
      for_each: line
      outcomes: [{rows: 1, then: next}]
    - sql: SELECT n FROM shelf WHERE id = :drug_id
      for_each: line
      capture: {ratio: n}
    - sql: UPDATE shelf SET n = n - :his_quantity WHERE id = :drug_id
      for_each: line
`, hisadapter.Capabilities{BatchSize: 1})
		_, err := d.PlaceOrder(t.Context(), order("RX1", "A"))
		want(t, err, hisadapter.Unknown)
	})
}
