package httphis_test

import (
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// FuzzParse reads whatever a HIS may answer. It must not panic; and a done must
// rest on the very code that stands in the answer, because nothing else says so.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`<r><code>0</code><no>1</no></r>`, `<E><Result>&lt;r&gt;&lt;code&gt;DONE-7&lt;/code&gt;&lt;/r&gt;</Result></E>`,
		`{"code":"DONE-7","no":"1"}`, `{"d":"{\"code\":\"DONE-7\"}"}`, `{code:'DONE-7',list:[1,2,{a:null}]}`, "DONE-7|ok|1", "<html>", "",
		`{"code":"DONE-\u0037"}`, `{"code":"DONE-7","rows":[{"dm":"A","sl":1e400},{"dm":"A","sl":"-3","xq":"20261131"}]}`,
	} {
		for shape := range byte(6) {
			f.Add(shape, s)
		}
	}
	const at = `, code: //code, message: //msg, outcome: [{code: DONE-7, then: done}, {message: 忙, then: busy}], `
	const fields = `fields: {his_no: {at: //his, default: ""}, his_order_no: {at: //no, default: "-"}, amount: {at: //je, in: yuan, default: "0"}}}`
	var drivers []*httphis.Driver
	for _, unwrap := range []string{
		"[xml]", "[xml, text: //Result, xml]", "[json]", "[lenient_json, inside: {at: /d, unwrap: [lenient_json]}]",
		`[delimited: {names: [code, msg, no]}]`, "[base64, json]",
	} {
		drivers = append(drivers, open(f, aboutOrder(plainOrder, `{unwrap: `+unwrap+at+fields), httphis.Options{}))
	}
	stock := open(f, stockMapping("", `{lots: sum, where: [{at: xq, not_expired: yyyyMMdd}], fields: {drug_id: dm, on_hand: [{at: sl}, {at: bs, in: pack}], ratio: {at: bz, default: "2"}, name: mc, price: {at: jg, per: pack}}}`), httphis.Options{})
	f.Fuzz(func(t *testing.T, shape byte, body string) {
		p, err := drivers[int(shape)%len(drivers)].Parse(httphis.OpPlaceOrder, order(nil), httphis.Answer{Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		// Escaped forms of the code hold at least one of these.
		if done := hisadapter.OutcomeOf(p.Err) == hisadapter.Done; done &&
			(p.Code != "DONE-7" || !strings.ContainsAny(body, "7\\&JZ3")) {
			t.Errorf("done by code %q from %q", p.Code, body)
		} else if done == (p.Result == nil) {
			t.Errorf("%v with the result %+v", p.Err, p.Result)
		}
		in := httphis.Input{PharmacyID: "P", DrugIDs: []string{"A"}}
		q, err := stock.Parse(httphis.OpQueryStock, in, httphis.Answer{Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		if q.Err != nil && q.Result != nil {
			t.Errorf("a figure beside an error: %+v", q.Result)
		}
	})
}

// FuzzMapping loads whatever somebody may write. It must not panic, and what is
// loaded must be possible to render.
func FuzzMapping(f *testing.F) {
	f.Add(aboutOrder(plainOrder, ""))
	f.Add(stockMapping("", `{pages: {size: 3}, fields: {drug_id: dm, on_hand: sl, ratio: bz, name: mc}}`))
	f.Add(strings.Replace(loginTop, "LIFE", "life: 1m", 1))
	f.Fuzz(func(t *testing.T, mapping string) {
		m, err := load(t, mapping, nil)
		if err != nil {
			return
		}
		d, err := httphis.New(m, hisadapter.Capabilities{BatchSize: 1}, httphis.Options{Offline: true})
		if err != nil {
			return
		}
		for _, op := range m.Operations() {
			in := order(nil)
			in.DrugIDs = []string{"A"}
			shown, err := d.Render(op, in)
			if err == nil && len(shown) == 0 {
				t.Errorf("%s rendered nothing", op)
			}
		}
	})
}
