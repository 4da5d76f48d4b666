package sqlhis_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// byProcedure is a HIS whose procedure deducts and answers with a code.
const byProcedure = `
dialect: DIALECT
connection: {host: h, password_env: NOT_SET_ANYWHERE}
retries: 2
query_stock:
  steps:
    - sql: SELECT id, n, bz FROM shelf WHERE id IN (:drug_ids)
  rows: {drug_id: id, on_hand: n, ratio: bz}
place_order:
  tx: TX
  steps:
    - sql: SELECT code, words, number FROM deduct(:his_no)
      capture: {code: code, words: words, number: number}
      outcomes:
        - {value: code, is: ["0"], then: next}
        - {value: code, is: ["-1"], then: refused, kind: insufficient, code: code, words: words}
        - {sqlstate: ["23505"], then: find}
    - sql: INSERT INTO sold VALUES (:his_no, :drug_id, :quantity)
      for_each: line
      outcomes: [{rows: 1, then: next}]
  result: {order_no: number}
`

// told makes a driver that is answered by these attempts, one after the other.
func told(t testing.TB, dialect, tx string, attempts ...sqlhis.Exchange) *sqlhis.Driver {
	t.Helper()
	m, err := sqlhis.Parse("his.yaml", []byte(strings.NewReplacer("DIALECT", dialect, "TX", tx).Replace(byProcedure)))
	if err != nil {
		t.Fatal(err)
	}
	d, err := sqlhis.Offline(m, hisadapter.Capabilities{BatchSize: 9}, time.Now, func(string) (sqlhis.Exchange, error) {
		if len(attempts) == 0 {
			return sqlhis.Exchange{}, errors.New("nothing is left")
		}
		next := attempts[0]
		attempts = attempts[1:]
		return next, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// code is the answer of the procedure, and one row inserted.
func code(cells ...sqlhis.Cell) sqlhis.Exchange {
	return sqlhis.Exchange{Statements: []sqlhis.Statement{
		{Columns: []string{"code", "words", "number"}, Rows: [][]sqlhis.Cell{cells}}, {Count: 1},
	}}
}

func cell(s string) sqlhis.Cell { return sqlhis.Cell{Text: s} }

// What was recorded is read as what a database says.
func TestWhatWasRecordedIsReadAsIfItWereSaid(t *testing.T) {
	broken := func(at int, f sqlhis.Failure) sqlhis.Exchange {
		x := code(cell("0"), cell("ok"), cell("N1"))
		x.Statements = append(x.Statements[:at:at], sqlhis.Statement{Failure: &f})
		return x
	}
	ended := func(put func(*sqlhis.Exchange)) sqlhis.Exchange {
		x := code(cell("0"), cell("ok"), cell("N1"))
		put(&x)
		return x
	}
	deadlock := sqlhis.Failure{State: "40P01", Number: "40P01", Message: "deadlock detected"}
	for name, c := range map[string]struct {
		attempts []sqlhis.Exchange
		driver   hisadapter.Outcome // in a transaction of ours
		own      hisadapter.Outcome
		said     string
	}{
		"done":             {[]sqlhis.Exchange{code(cell("0"), cell("ok"), cell("N1"))}, hisadapter.Done, hisadapter.Done, ""},
		"refused":          {[]sqlhis.Exchange{code(cell("-1"), cell("库存不足"), cell(""))}, hisadapter.Refused, hisadapter.Refused, "[-1] 库存不足"},
		"no such code":     {[]sqlhis.Exchange{code(cell("7"), cell(""), cell(""))}, hisadapter.Unknown, hisadapter.Unknown, "(mapping line 12)"},
		"no number":        {[]sqlhis.Exchange{code(cell("0"), cell("ok"), sqlhis.Cell{Null: true})}, hisadapter.Unknown, hisadapter.Unknown, "order_no"},
		"no row":           {[]sqlhis.Exchange{{Statements: []sqlhis.Statement{{Columns: []string{"code", "words", "number"}}}}}, hisadapter.Unknown, hisadapter.Unknown, "0 rows"},
		"a missing column": {[]sqlhis.Exchange{{Statements: []sqlhis.Statement{{Columns: []string{"words"}, Rows: [][]sqlhis.Cell{{cell("x")}}}}}}, hisadapter.Misconfigured, hisadapter.Unknown, `no column "`},
		"cells too few":    {[]sqlhis.Exchange{code(cell("0"))}, hisadapter.Unknown, hisadapter.Unknown, "1 cells, there are 3 columns"},
		"cut short":        {[]sqlhis.Exchange{{}}, hisadapter.Unknown, hisadapter.Unknown, "nothing more was recorded"},
		"another question": {[]sqlhis.Exchange{{Statements: []sqlhis.Statement{{SQL: "SELECT 2"}}}}, hisadapter.Unknown, hisadapter.Unknown, "another statement: SELECT 2"},
		"nothing recorded": {nil, hisadapter.NotSent, hisadapter.NotSent, "nothing is left"},
		"no connection": {
			[]sqlhis.Exchange{{Connect: &sqlhis.Failure{State: "28P01", Number: "28P01", Message: "password"}}}, hisadapter.Misconfigured, hisadapter.Misconfigured, "password",
		},
		"lost":          {[]sqlhis.Exchange{broken(0, sqlhis.Failure{Message: "timeout"})}, hisadapter.Unknown, hisadapter.Unknown, "timeout"},
		"a duplicate":   {[]sqlhis.Exchange{broken(0, sqlhis.Failure{State: "23505", Number: "23505", Message: "twice"})}, hisadapter.Find, hisadapter.Find, "twice"},
		"no such table": {[]sqlhis.Exchange{broken(1, sqlhis.Failure{State: "42P01", Number: "42P01", Message: "no sold"})}, hisadapter.Misconfigured, hisadapter.Unknown, "(mapping line 18)"},
		"COMMIT lost": {
			[]sqlhis.Exchange{ended(func(x *sqlhis.Exchange) { x.Commit = &deadlock })}, hisadapter.Unknown, hisadapter.Done, "deadlock",
		},
		"a deadlock":              {[]sqlhis.Exchange{broken(1, deadlock), code(cell("0"), cell("ok"), cell("N2"))}, hisadapter.Done, hisadapter.Unknown, "deadlock"},
		"a deadlock, and no more": {[]sqlhis.Exchange{broken(1, deadlock)}, hisadapter.Busy, hisadapter.Unknown, "deadlock"},
	} {
		for tx, outcome := range map[string]hisadapter.Outcome{"driver": c.driver, "own": c.own} {
			t.Run(name+"/"+tx, func(t *testing.T) {
				o, err := told(t, sqlhis.Postgres, tx, c.attempts...).PlaceOrder(t.Context(), order("RX1", "A"))
				e := want(t, err, outcome)
				if err != nil && !strings.Contains(e.Error(), c.said) {
					t.Errorf("%q is missing in %v", c.said, e)
				}
				if (err == nil) != (o.OrderNo != "") {
					t.Errorf("%+v beside %v", o, err)
				}
			})
		}
	}
}

// The statement that was recorded may be written in other lines.
func TestRecordedStatementsAreFoundByTheirWords(t *testing.T) {
	x := code(cell("0"), cell("ok"), cell("N1"))
	x.Statements[0].SQL = "SELECT code,words, number FROM deduct($1)"
	if _, err := told(t, sqlhis.Postgres, "driver", x).PlaceOrder(t.Context(), order("RX1", "A")); err == nil || !strings.Contains(err.Error(), "another statement") {
		t.Errorf("two blanks are one, but none is none: %v", err)
	}
	x.Statements[0].SQL = "SELECT code, words,   number\nFROM deduct($1)\n"
	if _, err := told(t, sqlhis.Postgres, "driver", x).PlaceOrder(t.Context(), order("RX1", "A")); err != nil {
		t.Error(err)
	}
}

// FuzzAnswers lets a database say whatever it likes. Nothing may panic; done is
// what the stated code and one inserted row say, and nothing else.
func FuzzAnswers(f *testing.F) {
	f.Add("0", "ok", "N1", int64(1), "", uint8(0))
	f.Add("-1", "short", "", int64(0), "40001", uint8(1))
	f.Add("0 ", "", "N1", int64(2), "", uint8(2))
	f.Add("00", "\x00", "1e400", int64(-1), "", uint8(3))
	f.Fuzz(func(t *testing.T, status, words, number string, count int64, state string, shape uint8) {
		x := code(cell(status), cell(words), cell(number))
		x.Statements[1].Count = count
		if shape&1 != 0 {
			x.Statements[shape>>1&1].Failure = &sqlhis.Failure{State: state, Number: state, Message: words}
		}
		if shape&4 != 0 {
			x.Statements[0].Rows = append(x.Statements[0].Rows, []sqlhis.Cell{cell(words), cell(status), cell(number)})
		}
		if shape&8 != 0 {
			x.Commit = &sqlhis.Failure{State: state, Message: words}
		}
		if shape&16 != 0 {
			x.Statements[0].Rows[0][0].Null = true
		}
		if shape&32 != 0 {
			x.Statements[0].Rows[0][2].Time = true
		}
		tx := map[bool]string{true: "driver", false: "own"}[shape&64 == 0]
		_, err := told(t, sqlhis.Postgres, tx, x).PlaceOrder(t.Context(), order("RX1", "A"))
		said := strings.TrimRight(status, " ") == "0" && number != "" && count == 1 && shape&1 == 0 && shape&16 == 0 && (shape&8 == 0 || tx == "own")
		if err == nil && !said {
			t.Errorf("done by code %q, number %q, %d rows, shape %b", status, number, count, shape)
		}

		rows := sqlhis.Exchange{Statements: []sqlhis.Statement{{
			Columns: []string{"id", "n", "bz"}, Rows: [][]sqlhis.Cell{{cell("A"), cell(number), cell(status)}, {cell(words), cell(number), {Null: true}}},
		}}}
		rs, err := told(t, sqlhis.Postgres, tx, rows).QueryStock(t.Context(), []hisadapter.Key{{DrugID: "A"}})
		if err == nil && len(rs) != 1 {
			t.Errorf("%+v", rs)
		}
	})
}
