package httphis_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// stockMapping is a mapping whose query_stock has this answer beside unwrap,
// code, outcome and rows.
func stockMapping(top, answer string) string {
	if !strings.HasPrefix(answer, "{") {
		answer = "{" + answer + "}"
	}
	answer = "{rows: /rows/item, " + answer[1:]
	return strings.NewReplacer("TOP", top, "ANSWER", answer).Replace(`
connection: {url: http://his.example}
TOP
defaults:
  answer:
    unwrap: [json]
    code: /code
    outcome: [{code: "0", then: done}, {code: "1", then: unknown_drug}, {code: "5", then: busy}]
operations:
  query_stock:
    request: {body: {json: '{"yf": {{ pharmacy_id }}, "page": {{ page }}, "ids": [{{ each keys "," }}{{ key.drug_id }}{{ end }}]}'}}
    answer: ANSWER
  place_order:
    request: {body: {json: '[{{ each lines "," }}{"dm": {{ line.drug_id }}, "mc": {{ line.fact.name }}, "bz": {{ line.quantity | packs }}}{{ end }}]'}}
`)
}

func TestReadingsInUnits(t *testing.T) {
	for name, tc := range map[string]struct {
		top, answer, rows string
		want              hisadapter.Reading // of drug A in pharmacy P
		bad               bool
	}{
		"smallest units, rounded down": {
			"", `fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}`, `{"dm":"A","sl":"12.9","mc":" 甲 "}`,
			hisadapter.Reading{OnHand: 12, Facts: hisadapter.Facts{Name: "甲"}},
			false,
		},
		"overdrawn": {
			"", `fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: {fixed: x}}`, `{"dm":"A","sl":-2.5}`,
			hisadapter.Reading{OnHand: -3, Facts: hisadapter.Facts{Name: "x"}},
			false,
		},
		"above 2^53": {
			"", `fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}`, `{"dm":"A","sl":9007199254740993}`,
			hisadapter.Reading{OnHand: 9007199254740993},
			false,
		},
		"packs and loose ones, less the frozen": {
			"",
			`{fields: {drug_id: dm, on_hand: [{at: zj, in: pack}, {at: ls}, {at: dj, subtract: true}], ratio: bz, name: mc, price: {at: jg, per: pack}, unit: dw, multiple: bs, stopped: {at: ty, true: ["1"], false: ["0", ""]}}}`,
			`{"dm":"A","zj":"2.5","ls":7,"dj":3,"bz":24,"jg":"19.90","dw":"片","bs":"6","ty":1}`,
			hisadapter.Reading{OnHand: 64, Facts: hisadapter.Facts{Price: "19.90", PricePer: 24, Unit: "片", Multiple: 6, Stopped: true}},
			false,
		},
		"12 loose vials at 5 a box are 2 boxes to sell": {
			"", `{sold_in: pack, fields: {drug_id: dm, on_hand: sl, ratio: bz, name: mc}}`, `{"dm":"A","sl":12,"bz":5}`,
			hisadapter.Reading{OnHand: 12, Facts: hisadapter.Facts{Multiple: 5}},
			false,
		},
		"pieces of a sealed box": {
			"", `{fields: {drug_id: dm, on_hand: {at: sl, in: pack}, ratio: bz, name: mc}}`, `{"dm":"A","sl":50,"bz":"1/24"}`,
			hisadapter.Reading{OnHand: 2},
			false,
		},
		"the file's ratio goes before": {
			"drugs_file: drugs.csv", `{fields: {drug_id: dm, on_hand: {at: sl, in: pack}, ratio: bz, name: mc}}`, `{"dm":"A","sl":2,"bz":"10"}`,
			hisadapter.Reading{OnHand: 48, Facts: hisadapter.Facts{Multiple: 12}},
			false,
		},
		"price for 100": {
			"", `{fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc, price: {at: jg, per: 100}}}`, `{"dm":"A","sl":2,"jg":"3.3330"}`,
			hisadapter.Reading{OnHand: 2, Facts: hisadapter.Facts{Price: "3.3330", PricePer: 100}},
			false,
		},
		"lots": {
			"", `{lots: sum, where: [{at: xq, not_expired: yyyy-MM-dd}, {at: ck, is: ["1", "2"]}], fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}}`,
			`{"dm":"A","sl":5,"xq":"2026-11-22","ck":1},{"dm":"A","sl":7,"xq":"2026-11-21","ck":1},{"dm":"B","sl":1000,"xq":"","ck":1},{"dm":"A","sl":11,"xq":"","ck":"2"},{"dm":"A","sl":13,"xq":"","ck":3}`,
			hisadapter.Reading{OnHand: 16},
			false,
		},
		"all lots expired": {
			"", `{lots: sum, where: [{at: xq, not_expired: yyyyMMdd}], fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}}`, `{"dm":"A","sl":5,"xq":"20261121"}`,
			hisadapter.Reading{},
			false,
		},
		"other pharmacies": {
			"tables: {yf: {P: '7'}}", `{fields: {drug_id: dm, pharmacy_id: {at: yf, table: yf}, on_hand: sl, ratio: {fixed: "1"}, name: mc}}`, `{"dm":"A","sl":5,"yf":6},{"dm":"A","sl":9,"yf":7}`,
			hisadapter.Reading{OnHand: 9},
			false,
		},
		"not told":               {"", `fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}`, ``, hisadapter.Reading{Unknown: true}, false},
		"not told means none":    {"", `{missing: zero, fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}}`, ``, hisadapter.Reading{}, false},
		"lots without leave":     {"", `fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}`, `{"dm":"A","sl":5},{"dm":"A","sl":7}`, hisadapter.Reading{}, true},
		"no figure":              {"", `fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}`, `{"dm":"A"}`, hisadapter.Reading{}, true},
		"figure is no number":    {"", `fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}`, `{"dm":"A","sl":"many"}`, hisadapter.Reading{}, true},
		"figure beyond int64":    {"", `fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}`, `{"dm":"A","sl":1e30}`, hisadapter.Reading{}, true},
		"no drug id":             {"", `fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}`, `{"sl":1}`, hisadapter.Reading{}, true},
		"packs without ratio":    {"", `fields: {drug_id: dm, on_hand: {at: sl, in: pack}, ratio: bz, name: mc}`, `{"dm":"A","sl":1}`, hisadapter.Reading{}, true},
		"ratio is nonsense":      {"", `fields: {drug_id: dm, on_hand: sl, ratio: bz, name: mc}`, `{"dm":"A","sl":1,"bz":"0"}`, hisadapter.Reading{}, true},
		"neither yes nor no":     {"", `fields: {drug_id: dm, on_hand: sl, ratio: bz, name: mc, stopped: {at: ty, true: ["1"], false: ["0"]}}`, `{"dm":"A","sl":1,"ty":"?"}`, hisadapter.Reading{}, true},
		"expiry that is no date": {"", `{where: [{at: xq, not_expired: yyyyMMdd}], fields: {drug_id: dm, on_hand: sl, ratio: bz, name: mc}}`, `{"dm":"A","sl":1,"xq":"soon"}`, hisadapter.Reading{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := load(t, stockMapping(tc.top, tc.answer), map[string]string{"drugs.csv": "drug_id,ratio,multiple\nA,24,12\n"})
			if err != nil {
				t.Fatal(err)
			}
			d, err := httphis.New(m, hisadapter.Capabilities{BatchSize: 9}, httphis.Options{Now: func() time.Time { return noon }})
			if err != nil {
				t.Fatal(err)
			}
			p, err := d.Parse(httphis.OpQueryStock, httphis.Input{PharmacyID: "P", DrugIDs: []string{"A"}},
				httphis.Answer{Body: []byte(`{"code":"0","rows":[` + tc.rows + `]}`)})
			if err != nil {
				t.Fatal(err)
			}
			if tc.bad {
				wantOutcome(t, p.Err, hisadapter.Unknown)
				return
			}
			tc.want.Key = hisadapter.Key{PharmacyID: "P", DrugID: "A"}
			if diff := cmp.Diff([]hisadapter.Reading{tc.want}, p.Result, cmp.AllowUnexported()); diff != "" || p.Err != nil {
				t.Error(diff, p.Err)
			}
		})
	}
}

// answers is a network that answers what it is told to, and keeps the bodies.
type answers struct {
	t      testing.TB
	give   func(n int, body string) string
	byPath map[string]string // or by path, which is kept too
	sent   []string
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(b)
	}
	text := a.byPath[r.URL.Path]
	if a.byPath != nil {
		body = r.URL.Path + " " + body
	}
	a.sent = append(a.sent, body)
	if a.byPath == nil {
		text = a.give(len(a.sent), body)
	}
	if text == "" {
		return nil, errors.New("no answer")
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, nil
}

func keysOf(pharmacy string, ids ...string) (out []hisadapter.Key) {
	for _, id := range ids {
		out = append(out, hisadapter.Key{PharmacyID: pharmacy, DrugID: id})
	}
	return out
}

func TestReadingsOfSeveralPharmaciesInTheOrderAsked(t *testing.T) {
	n := &answers{t: t, give: func(_ int, body string) string {
		if strings.Contains(body, `"yf": "P"`) {
			return `{"code":"0","rows":[{"dm":"B","sl":2},{"dm":"A","sl":1}]}`
		}
		return `{"code":"1"}`
	}}
	d := open(t, stockMapping("", `fields: {drug_id: dm, on_hand: sl, ratio: bz, name: mc}`), httphis.Options{Transport: n})
	keys := slices.Concat(keysOf("P", "A"), keysOf("Q", "A"), keysOf("P", "B", "A"))
	got, err := d.QueryStock(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	figures := []int64{}
	for i, r := range got {
		if r.Key != keys[i] || r.Unknown != (keys[i].PharmacyID == "Q") {
			t.Errorf("reading %d is %+v", i, r)
		}
		figures = append(figures, r.OnHand)
	}
	if !slices.Equal(figures, []int64{1, 0, 2, 1}) || len(n.sent) != 2 {
		t.Errorf("figures %v in %d calls: %q", figures, len(n.sent), n.sent)
	}
}

func TestPages(t *testing.T) {
	const fields = `fields: {drug_id: dm, on_hand: sl, ratio: bz, name: mc}`
	row := func(i int) string { return fmt.Sprintf(`{"dm":"%c","sl":%d}`, 'A'+i, i+1) }
	page := func(rest string, rows ...string) string {
		return `{"code":"0",` + rest + `"rows":[` + strings.Join(rows, ",") + `]}`
	}
	for name, tc := range map[string]struct {
		pages string
		give  func(n int) string
		calls int
		bad   bool
	}{
		"total":       {`{total: /total}`, func(n int) string { return page(`"total":3,`, row(n-1)) }, 3, false},
		"more":        {`{more: {at: /next, is: "true"}}`, func(n int) string { return page(fmt.Sprintf(`"next":%v,`, n < 3), row(n-1)) }, 3, false},
		"size":        {`{size: 2}`, func(n int) string { return page("", [][]string{{row(0), row(1)}, {row(2)}}[n-1]...) }, 2, false},
		"none behind": {`{size: 3}`, func(n int) string { return []string{page("", row(0), row(1), row(2)), `{"code":"1"}`}[n-1] }, 2, false},
		"no total":    {`{total: /total}`, func(int) string { return page("", row(0)) }, 1, true},
		"endless":     {`{size: 1, max: 4}`, func(n int) string { return page("", row(n-1)) }, 4, true},
		"same again":  {`{total: /total}`, func(int) string { return page(`"total":2,`, row(0)) }, 2, true},
		"broken off":  {`{total: /total}`, func(n int) string { return []string{page(`"total":2,`, row(0)), ""}[n-1] }, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			n := &answers{t: t, give: func(n int, _ string) string { return tc.give(n) }}
			d := open(t, stockMapping("", "{lots: sum, pages: "+tc.pages+", "+fields+"}"), httphis.Options{Transport: n})
			got, err := d.QueryStock(t.Context(), keysOf("P", "A", "B", "C"))
			if len(n.sent) != tc.calls {
				t.Errorf("%d calls, want %d: %v", len(n.sent), tc.calls, err)
			}
			if tc.bad {
				if err == nil || got != nil {
					t.Errorf("read %+v, %v", got, err)
				}
				return
			}
			if err != nil || got[0].OnHand != 1 || got[1].OnHand != 2 || got[2].OnHand != 3 {
				t.Errorf("read %+v, %v", got, err)
			}
		})
	}
}

// A write whose request needs to know its drugs reads them first, and remembers.
func TestFactsAreReadBeforeAWriteThatNeedsThem(t *testing.T) {
	now := noon
	n := &answers{t: t}
	n.give = func(_ int, body string) string {
		if strings.Contains(body, "ids") {
			return `{"code":"0","rows":[{"dm":"A","sl":100,"bz":24,"mc":"甲硝唑\"片"}]}`
		}
		return `{"code":"0"}`
	}
	d := open(t, stockMapping("facts_max_age: 5m", `fields: {drug_id: dm, on_hand: sl, ratio: bz, name: mc}`),
		httphis.Options{Transport: n, Now: func() time.Time { return now }})
	place := func(drug string, quantity int64) error {
		_, err := d.PlaceOrder(t.Context(), hisadapter.PlaceOrderRequest{
			HisNo: "RX1", PharmacyID: "P", Lines: []hisadapter.Line{{DrugID: drug, Quantity: quantity}},
		})
		return err
	}
	wantOutcome(t, place("A", 48), hisadapter.Done)
	if want := `[{"dm": "A", "mc": "甲硝唑\"片", "bz": 2}]`; len(n.sent) != 2 || n.sent[1] != want {
		t.Errorf("sent %q, want %s in the end", n.sent, want)
	}
	wantOutcome(t, place("A", 24), hisadapter.Done)
	if len(n.sent) != 3 {
		t.Errorf("facts that are known were read again: %q", n.sent)
	}
	e := wantOutcome(t, place("A", 25), hisadapter.Refused)
	if e.Kind != hisadapter.NotDivisible || len(n.sent) != 3 {
		t.Errorf("%v after %q", e, n.sent)
	}
	now = now.Add(6 * time.Minute)
	wantOutcome(t, place("A", 24), hisadapter.Done)
	if len(n.sent) != 5 {
		t.Errorf("old facts were not read again: %q", n.sent)
	}
	if e := wantOutcome(t, place("B", 1), hisadapter.Refused); e.Kind != hisadapter.UnknownDrug {
		t.Error(e)
	}
	n.give = func(int, string) string { return `{"code":"5"}` }
	wantOutcome(t, place("C", 1), hisadapter.NotSent)
	// A drug that the HIS leaves out while it has none is known from before.
	now = now.Add(6 * time.Minute)
	n.give = func(_ int, body string) string {
		if strings.Contains(body, "ids") {
			return `{"code":"0","rows":[]}`
		}
		return `{"code":"0"}`
	}
	wantOutcome(t, place("A", 24), hisadapter.Done)
}

// A lot is good through the day that is written on it, and through the month where
// no day is.
func TestLotsAreGoodThroughTheirLastDay(t *testing.T) {
	for _, tc := range []struct {
		format, date string
		good         bool
	}{
		{"yyyyMMdd", "20261122", true},
		{"yyyyMMdd", "20261121", false},
		{"yyyy-MM-dd HH:mm:ss", "2026-11-22 00:00:00", true},
		{"yyyyMM", "202611", true},
		{"yyyyMM", "202610", false},
		{"yyyy年M月", "2026年12月", true},
		{"unix", "1763776800", false},
	} {
		a := &answers{give: func(int, string) string { return `{"code":"0","rows":[{"dm":"A","sl":3,"yxq":"` + tc.date + `"}]}` }}
		d := open(t, stockMapping("", `lots: sum, where: [{at: yxq, not_expired: `+tc.format+`}], fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}`), httphis.Options{Transport: a})
		got, err := d.QueryStock(t.Context(), keysOf("P", "A"))
		if err != nil || (got[0].OnHand == 3) != tc.good {
			t.Errorf("%s as %s: %+v, %v", tc.date, tc.format, got, err)
		}
	}
}

// [C6] A drug of which the HIS says what cannot be read does not fail the
// others, and its own figure is none.
func TestUnreadableRowFailsItsDrugAlone(t *testing.T) {
	const lots = `lots: sum, where: [{at: yxq, not_expired: yyyyMMdd}], fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}`
	a := &answers{give: func(int, string) string {
		return `{"code":"0","rows":[{"dm":"A","sl":3,"yxq":"20991231"},{"dm":"B","sl":4,"yxq":"20991231"},{"dm":"B","sl":4,"yxq":"soon"},
			{"dm":"B","sl":9,"yxq":"20991231"},{"dm":"C","sl":"many","yxq":""},{"dm":"D","sl":9223372036854775807,"yxq":""},{"dm":"D","sl":1,"yxq":""}]}`
	}}
	d := open(t, stockMapping("", lots), httphis.Options{Transport: a})
	got, err := d.QueryStock(t.Context(), keysOf("P", "B", "A", "C", "E", "D"))
	if err != nil || len(got) != 5 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got[1].OnHand != 3 || got[1].Err != nil || !got[3].Unknown || got[3].Err != nil {
		t.Errorf("the readable ones are %+v", got)
	}
	for i, words := range map[int]string{0: `drug B: row 3: XPath yxq (mapping line 12): "soon"`, 2: `drug C: row 5: on_hand (mapping line 12): "many"`, 4: "drug D"} {
		e := wantOutcome(t, got[i].Err, hisadapter.Unknown)
		if got[i].OnHand != 0 || got[i].Unknown || !strings.Contains(e.Error(), words) {
			t.Errorf("%+v does not say %s", got[i], words)
		}
	}
	// A date that stands elsewhere does not make expired lots good.
	a.give = func(int, string) string {
		return `{"code":"0","rows":[{"dm":"A","sl":3},{"dm":"B","sl":4,"yxq":null}]}`
	}
	got, err = d.QueryStock(t.Context(), keysOf("P", "A", "B"))
	if err != nil || got[0].Err == nil || got[1].OnHand != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	// Where no drug can be read the answer is none.
	a.give = func(int, string) string {
		return `{"code":"0","rows":[{"dm":"B","sl":4,"yxq":"soon"},{"dm":"C","sl":"many","yxq":""}]}`
	}
	_, err = d.QueryStock(t.Context(), keysOf("P", "B", "C"))
	wantOutcome(t, err, hisadapter.Unknown)
	// A row without a drug may belong to any.
	a.give = func(int, string) string { return `{"code":"0","rows":[{"dm":"A","sl":3,"yxq":""},{"sl":3,"yxq":""}]}` }
	_, err = d.QueryStock(t.Context(), keysOf("P", "A"))
	wantOutcome(t, err, hisadapter.Unknown)
}
