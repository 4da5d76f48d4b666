//go:build oracle

package sqlhis

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ora "github.com/sijms/go-ora/v2"
	"github.com/sijms/go-ora/v2/network"

	"github.com/hisgate/hisgate/hisadapter"
)

func TestStatementsForOracle(t *testing.T) {
	s, err := parseStatement("BEGIN 扣库存(:his_no, :his_quantity, :quantity, :code); END;", Oracle)
	if err != nil {
		t.Fatal(err)
	}
	outs := map[string]*string{}
	got, args, err := expand(oracle{}, &step{sql: s, out: map[string]bool{"code": true}}, china, given, outs)
	want := "BEGIN 扣库存(:1, TO_NUMBER(:2, '99999999999999999999999D999999999999999', 'NLS_NUMERIC_CHARACTERS=''.,'''), :3, :4); END;"
	if err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if diff := cmp.Diff([]any{"RX'1", "1.25", int64(30)}, args[:3]); diff != "" {
		t.Error(diff)
	}
	if out, ok := args[3].(ora.Out); !ok || out.Dest != outs["code"] || out.Size == 0 {
		t.Errorf("bound as %#v", args[3])
	}
	if f, ok := (oracle{}).fault(network.NewOracleError(60)); !ok || (oracle{}).class(f) != retryable || f.code() != "60" {
		t.Errorf("ORA-60 is %+v, %v", f, ok)
	}
}

func TestOracleOpensWithoutSpeaking(t *testing.T) {
	m, err := Parse("his.yaml", []byte(`
dialect: oracle
connection: {host: 127.0.0.1, port: 1, database: ORCL, user: hisgate}
query_stock:
  steps: [{sql: "SELECT id, n FROM shelf WHERE id IN (:drug_ids)"}]
  rows: {drug_id: ID, on_hand: N}
place_order:
  tx: driver
  steps: [{sql: "UPDATE shelf SET n = n - :quantity", for_each: line, outcomes: [{rows: 1, then: next}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(m, hisadapter.Capabilities{BatchSize: 1}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = d.QueryStock(t.Context(), []hisadapter.Key{{PharmacyID: "P", DrugID: "A"}})
	if hisadapter.OutcomeOf(err) != hisadapter.NotSent {
		t.Errorf("nobody is there: %v", err)
	}
}
