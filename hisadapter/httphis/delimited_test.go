package httphis_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// said is a network on which the HIS always says the same.
type said string

func (s said) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(string(s)))}, nil
}

// Lines of columns have no end but that of their last line: half an order
// number looks like an order number.
func TestAnswerOfLinesWithoutItsEndIsCut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "his.yaml")
	mapping := `
connection: {url: http://his.example}
operations:
  query_stock:
    request: {method: GET, path: /stock, query: {id: "{{ drug_id }}"}}
    answer:
      unwrap: [delimited: {ended: true}]
      code: /rows/row[1]/c1
      outcome: [{code: OK, then: done}]
      rows: /rows/row[position()>1]
      fields: {drug_id: c1, on_hand: c2}
  place_order:
    request: {path: /order, body: {text: "{{ his_no }}{{ each lines }} {{ line.drug_id }} {{ line.quantity }}{{ end }}"}}
    answer:
      unwrap: [delimited: {ended: true}]
      code: /rows/row[1]/c1
      outcome: [{code: OK, then: done}]
      fields: {his_order_no: '/rows/row[2]/c1'}
`
	if err := os.WriteFile(file, []byte(mapping), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := httphis.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for answer, want := range map[string]hisadapter.Outcome{
		"OK\nCF123\n": hisadapter.Done, "OK\r\nCF123\r\n": hisadapter.Done, "OK\nCF123": hisadapter.Unknown, "OK\nCF": hisadapter.Unknown, "OK": hisadapter.Unknown,
	} {
		d, err := httphis.New(m, hisadapter.Capabilities{BatchSize: 1}, httphis.Options{Transport: said(answer)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.PlaceOrder(t.Context(), hisadapter.PlaceOrderRequest{HisNo: "RX1", PharmacyID: "1", Lines: []hisadapter.Line{{DrugID: "1", Quantity: 1}}})
		if got := hisadapter.OutcomeOf(err); got != want {
			t.Errorf("%q ended %v (%v), want %v", answer, got, err, want)
		}
	}
}
