package httphis_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// noon is the time of the tests: 12:00 in China.
var noon = time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)

// able is a HIS that can do everything.
var able = hisadapter.Capabilities{
	Freeze: true, Find: true, Cancel: true, List: true, IdempotentByHisNo: true, AtomicItems: true, BatchSize: 20,
}

// basic is a mapping with the two operations that every one has. ORDER is the
// request of place_order, ANSWER what its answer says beside unwrap; TOP comes
// before the operations.
const basic = `
connection: {url: http://his.example/api, charset: CHARSET}
TOP
operations:
  query_stock:
    request:
      body: {json: '{"ids": [{{ each keys "," }}{{ key.drug_id }}{{ end }}]}'}
    answer:
      unwrap: [json]
      code: /code
      message: /msg
      outcome: [{code: "0", then: done}, {code: "5", then: busy}]
      rows: /rows/item
      fields: {drug_id: dm, on_hand: sl, name: mc, ratio: bz}
  place_order:
    request:
ORDER
    answer:
ANSWER
`

// aboutOrder is basic with this request and this answer of place_order, and the
// pieces of replace in their places.
func aboutOrder(request, answer string, replace ...string) string {
	if answer == "" {
		answer = `{unwrap: [json], code: /code, outcome: [{code: "0", then: done}]}`
	}
	replace = append(replace, "ORDER", indented(request), "ANSWER", indented(answer), "TOP", "", "CHARSET", "utf-8")
	return strings.NewReplacer(replace...).Replace(basic)
}

func indented(s string) string {
	return "      " + strings.ReplaceAll(strings.Trim(s, "\n"), "\n", "\n      ")
}

// open loads a mapping and makes its driver, with a clock that stands.
func open(t testing.TB, mapping string, o httphis.Options) *httphis.Driver {
	t.Helper()
	m, err := load(t, mapping, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	var caps hisadapter.Capabilities
	caps.BatchSize = able.BatchSize
	for _, op := range m.Operations() {
		switch op {
		case httphis.OpFreeze:
			caps.Freeze = true
		case httphis.OpFindOrder:
			caps.Find = true
		case httphis.OpCancelOrder:
			caps.Cancel = true
		case httphis.OpListOrders:
			caps.List = true
		}
	}
	d, err := httphis.New(m, caps, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// order is what the tests order.
func order(change func(*httphis.Input)) httphis.Input {
	in := httphis.Input{
		PharmacyID: "HLWYF", HisNo: "RX1", DrugsFen: 1230, TransactionID: "4200", PaidAt: noon,
		Lines: []hisadapter.Line{{DrugID: "00010041", Quantity: 30, LineFen: 100}, {DrugID: "00010042", Quantity: 24}},
	}
	if change != nil {
		change(&in)
	}
	return in
}

func wantOutcome(t testing.TB, err error, want hisadapter.Outcome) *hisadapter.Error {
	t.Helper()
	if got := hisadapter.OutcomeOf(err); got != want {
		t.Fatalf("outcome is %v (%v), want %v", got, err, want)
	}
	e, ok := errors.AsType[*hisadapter.Error](err)
	if err != nil && !ok {
		t.Fatalf("%T is no *hisadapter.Error", err)
	}
	return e
}

// nothing is a network on which nothing may be sent.
type nothing struct{ t testing.TB }

func (n nothing) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("%s %s was sent", r.Method, r.URL)
	return nil, errors.New("nothing may be sent")
}

// roundTrip is a network of one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
