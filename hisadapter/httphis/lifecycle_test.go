package httphis_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// whole is a mapping with all operations; find_order asks two services.
const whole = `
connection: {url: http://his.example}
defaults:
  answer:
    unwrap: [json]
    code: /code
    message: /msg
    outcome: [{code: "0", then: done}, {code: "2", then: find}, {code: "5", then: busy}]
operations:
  query_stock:
    request: {path: /stock, body: {json: '{"id": {{ drug_id }}}'}}
    answer: {rows: /rows/item, fields: {drug_id: dm, on_hand: sl}}
  freeze:
    request: {path: /freeze, body: {json: '{"no": {{ his_no }}, "until": {{ until | time "yyyyMMddHHmmss" | default "" }}, "items": [{{ each lines "," }}{{ line.quantity }}{{ end }}]}'}}
    answer: {fields: {lock_id: /lock, expires: {at: /end, format: yyyy/M/d H:m:s, default: ""}}}
  unfreeze:
    request: {path: /unfreeze, body: {json: '{"lock": {{ lock_id }}}'}}
  place_order:
    request: {path: /order, query: {no: '{{ his_no }}'}, body: {json: '[{{ each lines "," }}{{ line.quantity }}{{ end }}]'}}
  find_order:
    - request: {path: /find/freeze, body: {json: '{"no": {{ his_no }}}'}}
      answer:
        outcome:
          - {code: "0", at: /state, is: held, then: frozen}
          - {code: "0", at: /state, is: over, then: lapsed}
          - {code: "0", at: /state, is: [used, none], then: next}
        fields: {lock_id: /lock, expires: {at: /end, format: yyyy/M/d H:m:s, default: ""}}
    - request: {path: /find/order, body: {json: '{"no": {{ his_no }}}'}}
      answer:
        outcome:
          - {code: "0", at: /order, empty: false, then: deducted}
          - {code: "0", at: /order, empty: true, then: none}
        fields: {his_order_no: /order}
  cancel_order:
    request: {path: /cancel, body: {json: '{"order": {{ his_order_no }}}'}}
  list_orders:
    request: {path: /list, body: {json: '{"day": "{{ day | time "yyyyMMdd" }}"}'}}
    answer:
      outcome: [{code: "1", then: none}]
      rows: /rows/item
      where: [{at: from, is: hlw}]
      fields: {his_no: no, his_order_no: order, amount: {at: fen, in: fen}, canceled: {at: off, true: ["1"], false: ["0"]}}
      lines: {rows: items/item, drug_id: dm, quantity: sl, amount: {at: je, in: yuan}}
`

func openWhole(t *testing.T, give map[string]string) (*httphis.Driver, *answers) {
	t.Helper()
	m, err := load(t, whole, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := &answers{t: t, byPath: give}
	caps := able
	caps.BatchSize = 1
	d, err := httphis.New(m, caps, httphis.Options{Transport: n, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	return d, n
}

func TestFreezeKeepsTheNumberAndTheEndThatTheHISNames(t *testing.T) {
	d, n := openWhole(t, map[string]string{"/freeze": `{"code":0,"lock":"DJ9007199254740993","end":"2026/1/5 9:03:00"}`})
	f, err := d.Freeze(t.Context(), hisadapter.FreezeRequest{HisNo: "RX1", Lines: order(nil).Lines, Until: noon})
	want := time.Date(2026, 1, 5, 1, 3, 0, 0, time.UTC)
	if err != nil || f.LockID != "DJ9007199254740993" || !f.Expires.Equal(want) {
		t.Errorf("%+v, %v", f, err)
	}
	if want := `/freeze {"no": "RX1", "until": "20261122120000", "items": [30,24]}`; n.sent[0] != want {
		t.Errorf("sent %s, want %s", n.sent[0], want)
	}
	n.byPath["/freeze"] = `{"code":0,"lock":"DJ1"}`
	if f, err := d.Freeze(t.Context(), hisadapter.FreezeRequest{HisNo: "RX1", Lines: order(nil).Lines}); err != nil || !f.Expires.IsZero() {
		t.Errorf("%+v, %v", f, err)
	}
	for _, bad := range []string{`{"code":0}`, `{"code":0,"lock":"DJ1","end":"soon"}`, `{"code":0,"lock":"DJ1","end":"2026/2/30 0:0:0"}`} {
		n.byPath["/freeze"] = bad
		f, err := d.Freeze(t.Context(), hisadapter.FreezeRequest{HisNo: "RX1", Lines: order(nil).Lines})
		if wantOutcome(t, err, hisadapter.Unknown); f != (hisadapter.Freeze{}) {
			t.Errorf("a freeze beside an error: %+v", f)
		}
	}
}

// A freeze whose number was never learnt is given back under the one that
// find_order tells.
func TestUnfreezeLooksForTheNumber(t *testing.T) {
	for _, tc := range []struct {
		name, freeze, order string
		want                hisadapter.Outcome
		sent                []string
	}{
		{"frozen", `{"code":0,"state":"held","lock":"DJ7"}`, ``, hisadapter.Done, []string{`/find/freeze {"no": "RX1"}`, `/unfreeze {"lock": "DJ7"}`}},
		{"lapsed", `{"code":0,"state":"over"}`, ``, hisadapter.Refused, []string{`/find/freeze {"no": "RX1"}`}},
		{"never", `{"code":0,"state":"none"}`, `{"code":0}`, hisadapter.Find, []string{`/find/freeze {"no": "RX1"}`, `/find/order {"no": "RX1"}`}},
		{"deducted", `{"code":0,"state":"used"}`, `{"code":0,"order":"F1"}`, hisadapter.Find, []string{`/find/freeze {"no": "RX1"}`, `/find/order {"no": "RX1"}`}},
		{"nobody knows", `<html>`, ``, hisadapter.NotSent, []string{`/find/freeze {"no": "RX1"}`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, n := openWhole(t, map[string]string{"/find/freeze": tc.freeze, "/find/order": tc.order, "/unfreeze": `{"code":0}`})
			wantOutcome(t, d.Unfreeze(t.Context(), hisadapter.UnfreezeRequest{HisNo: "RX1"}), tc.want)
			if !slices.Equal(n.sent, tc.sent) {
				t.Errorf("sent %q, want %q", n.sent, tc.sent)
			}
		})
	}
	d, n := openWhole(t, map[string]string{"/unfreeze": `{"code":0}`})
	wantOutcome(t, d.Unfreeze(t.Context(), hisadapter.UnfreezeRequest{HisNo: "RX1", LockID: "DJ8"}), hisadapter.Done)
	if len(n.sent) != 1 {
		t.Errorf("sent %q", n.sent)
	}
}

func TestFindAsksOneServiceAfterTheOther(t *testing.T) {
	d, n := openWhole(t, map[string]string{"/find/freeze": `{"code":0,"state":"used"}`, "/find/order": `{"code":0,"order":"F1"}`})
	f, err := d.FindOrder(t.Context(), "RX1")
	if err != nil || f != (hisadapter.Found{State: hisadapter.Deducted, OrderNo: "F1"}) {
		t.Errorf("%+v, %v", f, err)
	}
	n.byPath["/find/order"] = `{"code":0,"order":""}`
	if f, err := d.FindOrder(t.Context(), "RX1"); err != nil || f.State != hisadapter.None {
		t.Errorf("%+v, %v", f, err)
	}
	for _, bad := range []string{`{"code":9}`, `{"code":0,"order":`, ``} {
		n.byPath["/find/order"] = bad
		f, err := d.FindOrder(t.Context(), "RX1")
		if err == nil || f != (hisadapter.Found{}) {
			t.Errorf("%s: found %+v, %v", bad, f, err)
		}
	}
	n.byPath["/find/order"] = `{"code":2}` // "find" says nothing of a read
	_, err = d.FindOrder(t.Context(), "RX1")
	wantOutcome(t, err, hisadapter.Unknown)
}

func TestCancelAndList(t *testing.T) {
	d, n := openWhole(t, map[string]string{
		"/cancel": `{"code":0}`, "/find/freeze": `{"code":0,"state":"used"}`, "/find/order": `{"code":0,"order":"F1"}`,
		"/list": `{"code":0,"rows":[
			{"from":"hlw","no":"RX1","order":"F1","fen":1230,"off":0,"items":[{"dm":"A","sl":3,"je":"12.30"}]},
			{"from":"counter","no":"","order":"F2","fen":"?","off":7},
			{"from":"hlw","no":"RX2","order":"F3","fen":100,"off":1}]}`,
	})
	wantOutcome(t, d.CancelOrder(t.Context(), "RX1", ""), hisadapter.Done)
	if last := n.sent[len(n.sent)-1]; last != `/cancel {"order": "F1"}` {
		t.Errorf("sent %s", last)
	}
	got, err := d.ListOrders(t.Context(), noon.Add(13*time.Hour)) // 01:00 of the next day in China
	want := []hisadapter.HISOrder{
		{HisNo: "RX1", OrderNo: "F1", DrugsFen: 1230, Lines: []hisadapter.Line{{DrugID: "A", Quantity: 3, LineFen: 1230}}},
		{HisNo: "RX2", OrderNo: "F3", DrugsFen: 100, Canceled: true},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if last := n.sent[len(n.sent)-1]; last != `/list {"day": "20261123"}` {
		t.Errorf("sent %s", last)
	}
	n.byPath["/list"] = `{"code":1}`
	if got, err := d.ListOrders(t.Context(), noon); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// What a HIS is said to do must be in the mapping, and what it is not said to
// do is not done.
func TestCapabilitiesAndMappingFit(t *testing.T) {
	m, err := load(t, aboutOrder(plainOrder, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = httphis.New(m, able, httphis.Options{})
	for _, op := range []string{"freeze", "find_order", "cancel_order", "list_orders"} {
		if err == nil || !strings.Contains(err.Error(), "no "+op) {
			t.Errorf("%s is not missed: %v", op, err)
		}
	}
	single, err := load(t, whole, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := httphis.New(single, able, httphis.Options{}); err == nil || !strings.Contains(err.Error(), "batch_size is 20") {
		t.Errorf("a batch was believed: %v", err)
	}
	d, err := httphis.New(single, hisadapter.Capabilities{BatchSize: 1}, httphis.Options{Transport: nothing{t}})
	if err != nil {
		t.Fatal(err)
	}
	_, freeze := d.Freeze(t.Context(), hisadapter.FreezeRequest{})
	_, find := d.FindOrder(t.Context(), "RX1")
	_, list := d.ListOrders(t.Context(), noon)
	for _, err := range []error{freeze, find, list, d.Unfreeze(t.Context(), hisadapter.UnfreezeRequest{}), d.CancelOrder(t.Context(), "RX1", "")} {
		if !errors.Is(err, hisadapter.ErrUnsupported) {
			t.Error(err)
		}
	}
	if _, err := d.QueryStock(t.Context(), keysOf("P", "A", "B")); hisadapter.OutcomeOf(err) != hisadapter.NotSent {
		t.Errorf("a batch beyond the HIS's: %v", err)
	}
}

func TestSecretsThatAreNotThere(t *testing.T) {
	m, err := load(t, aboutOrder(plainOrder, "", "TOP", "secrets: {a: {env: HIS_TEST_NOT_SET}, b: {file: nowhere}, c: {file: key, encoding: hex}}"),
		map[string]string{"key": "not hex: hunter2"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = httphis.New(m, hisadapter.Capabilities{BatchSize: 1}, httphis.Options{})
	for _, want := range []string{"his.yaml:3: secrets: a: environment HIS_TEST_NOT_SET is not set", "secrets: b: ", "secrets: c: is not hex"} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := httphis.New(m, hisadapter.Capabilities{BatchSize: 1}, httphis.Options{Offline: true}); err != nil {
		t.Errorf("offline they are not needed: %v", err)
	}
}
