package httphis_test

import (
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// A rule that could take for done, or for refused, what nobody said is found when
// the file is loaded.
func TestRulesThatNobodySaidAreRefused(t *testing.T) {
	for rule, want := range map[string]string{
		`{code_matches: "0", then: done}`:                        "done needs a word",         // 500 holds 0
		`{code_matches: "^0*$", then: done}`:                     "done needs a word",         // so is nothing at all
		`{code_matches: "^0|成功$", then: done}`:                   "done needs a word",         // 05
		`{at: /msg, matches: 成功, then: done}`:                    "done needs a word",         // 未成功
		`{status: 403, then: refused other}`:                     "refused needs a word",      // a proxy's
		`{status: 4xx, code: "", then: refused other}`:           "refused needs a word",      // whatever has no code
		`{at: /data, empty: true, then: refused insufficient}`:   "refused needs a word",      // whatever has no data
		`{status: 5xx, then: busy}`:                              "does not say that nothing", // 504: it may have been done
		`{status: [503, 502], then: misconfigured}`:              "does not say that nothing",
		`{status: 500, then: refused insufficient, code: "BZ1"}`: "",
		`{status: 503, then: busy}`:                              "",
		`{status: 500, code: E1, then: busy}`:                    "",
		`{code_matches: "^(0+|OK)$", then: done}`:                "",
		`{code_matches: '\A0\z', then: done}`:                    "",
		`{at: /flag, not: ["Y"], then: refused stopped}`:         "",
		`{status: 403, then: misconfigured}`:                     "",
	} {
		answer := `{unwrap: [json], code: /code, message: /msg, outcome: [` + rule + `, {code: "0", at: /x, is: "1", then: done}]}`
		_, err := load(t, aboutOrder(plainOrder, answer), nil)
		if want == "" && err != nil {
			t.Errorf("%s: %v", rule, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: taken; %v", rule, err)
		}
	}
}

// One place of several that say different things decides nothing: neither what
// became of an order, nor its number, nor how much there is.
func TestPlacesThatDisagreeDecideNothing(t *testing.T) {
	place := open(t, aboutOrder(plainOrder, `{unwrap: [json], code: /code, outcome: [{code: "0", at: //state, is: "1", then: done}], fields: {his_order_no: //no}}`), httphis.Options{})
	for body, want := range map[string]hisadapter.Outcome{
		`{"code":"0","list":[{"state":"1","no":"A"},{"state":"9","no":"A"}]}`: hisadapter.Unknown,
		`{"code":"0","list":[{"state":"1","no":"A"},{"state":"1","no":"B"}]}`: hisadapter.Unknown,
		`{"code":"0","list":[{"state":"1","no":"A"},{"state":"1","no":"A"}]}`: hisadapter.Done,
	} {
		wantOutcome(t, parse(t, place, 200, body).Err, want)
	}

	// So it is with the message, where a rule rests on it: a success above a failure
	// is none. Where the code decides, messages may be many.
	const both = `{"code":"0","list":[{"msg":"成功"},{"msg":"失败"}]}`
	for rule, want := range map[string]hisadapter.Outcome{
		`{message_matches: ^成功$, then: done}`:           hisadapter.Unknown,
		`{code: "0", message: 成功, then: refused other}`: hisadapter.Unknown,
		`{code: "0", then: done}`:                       hisadapter.Done,
	} {
		d := open(t, aboutOrder(plainOrder, `{unwrap: [json], code: /code, message: //msg, outcome: [`+rule+`, {code: "9", then: done}]}`), httphis.Options{})
		wantOutcome(t, parse(t, d, 200, both).Err, want)
	}

	// A path that looks at the whole answer gives every drug the first one's stock.
	stock := open(t, stockMapping("", `{fields: {drug_id: dm, on_hand: //sl, name: mc, ratio: bz}}`), httphis.Options{})
	in := httphis.Input{PharmacyID: "P", DrugIDs: []string{"A", "B"}}
	p, err := stock.Parse(httphis.OpQueryStock, in, httphis.Answer{Body: []byte(`{"code":"0","rows":[{"dm":"A","sl":100},{"dm":"B","sl":0}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if e := wantOutcome(t, p.Err, hisadapter.Unknown); !strings.Contains(e.Error(), ".//sl") {
		t.Errorf("it does not say what to write: %v", e)
	}
}

// The texts of several elements are not put together to one figure: a list of 3 and 5
// is not 35. One that holds another, which holds the text, is.
func TestAValueIsOneText(t *testing.T) {
	d := open(t, stockMapping("", `{fields: {drug_id: dm, on_hand: sl, name: mc, ratio: bz}}`), httphis.Options{})
	in := httphis.Input{PharmacyID: "P", DrugIDs: []string{"A"}}
	for figure, want := range map[string]hisadapter.Outcome{
		`[3,5]`: hisadapter.Unknown, `{"amount":3,"unit":"5"}`: hisadapter.Unknown, `{"amount":{"value":"3"},"unit":""}`: hisadapter.Done, `[3]`: hisadapter.Done,
	} {
		p, err := d.Parse(httphis.OpQueryStock, in, httphis.Answer{Body: []byte(`{"code":"0","rows":[{"dm":"A","sl":` + figure + `}]}`)})
		if err != nil {
			t.Fatal(err)
		}
		if want == hisadapter.Unknown {
			wantOutcome(t, p.Err, want)
			continue
		}
		if rs, _ := p.Result.([]hisadapter.Reading); p.Err != nil || len(rs) != 1 || rs[0].OnHand != 3 {
			t.Errorf("%s is %+v, %v", figure, rs, p.Err)
		}
	}
}

// Two packs of different size under one id are not counted by one of them, and a
// price that only some lots have is nobody's.
func TestLotsThatDisagree(t *testing.T) {
	d := open(t, stockMapping("", `{lots: sum, fields: {drug_id: dm, on_hand: {at: bs, in: pack}, ratio: bz, name: mc, price: {at: jg, per: pack}}}`), httphis.Options{})
	in := httphis.Input{PharmacyID: "P", DrugIDs: []string{"A"}}
	read := func(body string) httphis.Parsed {
		p, err := d.Parse(httphis.OpQueryStock, in, httphis.Answer{Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	wantOutcome(t, read(`{"code":"0","rows":[{"dm":"A","bs":1,"bz":24,"jg":"9"},{"dm":"A","bs":1,"bz":12,"jg":"9"}]}`).Err, hisadapter.Unknown)
	p := read(`{"code":"0","rows":[{"dm":"A","bs":1,"bz":24,"jg":"9"},{"dm":"A","bs":1,"bz":24,"jg":"8"}]}`)
	rs, _ := p.Result.([]hisadapter.Reading)
	if len(rs) != 1 || rs[0].OnHand != 48 || rs[0].Facts.Price != "" || rs[0].Facts.PricePer != 0 {
		t.Errorf("%+v, %v", rs, p.Err)
	}
}

// A lot is good through its last day, whatever hour stands behind it.
func TestALotIsGoodThroughItsLastDay(t *testing.T) {
	d := open(t, stockMapping("", `{lots: sum, where: [{at: xq, not_expired: "yyyy-MM-dd HH:mm:ss"}], fields: {drug_id: dm, on_hand: sl, name: mc, ratio: bz}}`), httphis.Options{})
	in := httphis.Input{PharmacyID: "P", DrugIDs: []string{"A"}}
	for date, want := range map[string]int64{
		"2026-11-22 00:00:00": 7, "2026-11-22 23:59:59": 7, "2026-11-21 23:59:59": 0, "2026-11-21 13:00:00": 0, // it is 12:00 of the 22nd
	} {
		p, err := d.Parse(httphis.OpQueryStock, in, httphis.Answer{Body: []byte(`{"code":"0","rows":[{"dm":"A","sl":7,"xq":"` + date + `"}]}`)})
		if err != nil || p.Err != nil {
			t.Fatal(err, p.Err)
		}
		if rs := p.Result.([]hisadapter.Reading); rs[0].OnHand != want {
			t.Errorf("a lot good to %s counts %d, want %d", date, rs[0].OnHand, want)
		}
	}
}
