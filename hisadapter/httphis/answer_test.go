package httphis_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// parse reads an answer to place_order.
func parse(t testing.TB, d *httphis.Driver, status int, body string) httphis.Parsed {
	t.Helper()
	p, err := d.Parse(httphis.OpPlaceOrder, order(nil), httphis.Answer{Status: status, Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func bytesIn(t testing.TB, gb18030 bool, s string) string {
	t.Helper()
	if !gb18030 {
		return s
	}
	b, err := simplifiedchinese.GB18030.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const plainOrder = "body: {text: '" + everyLine + "'}"

// One order number, wrapped in all the ways that HIS have.
func TestUnwrapping(t *testing.T) {
	key, iv := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	sealed := func(s string) string {
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		n := 16 - len(s)%16
		b := append([]byte(s), strings.Repeat(string(rune(n)), n)...)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(b, b)
		return base64.StdEncoding.EncodeToString(b)
	}
	t.Setenv("HIS_TEST_KEY", string(key))
	t.Setenv("HIS_TEST_IV", string(iv))
	const at = `, code: //code, outcome: [{code: "0", then: done}], fields: {his_order_no: //no}}`
	for name, tc := range map[string]struct {
		answer, body string
		gb18030      bool
	}{
		"xml":            {`{unwrap: [xml]` + at, `<?xml version="1.0" encoding="UTF-16"?><r><code>0</code><no>单1</no></r>`, false},
		"xml in string":  {`{unwrap: [xml, text: "//*[local-name()='Result']", xml]` + at, `<s:E xmlns:s="x"><s:Result>&lt;?xml version="1.0" encoding="gbk"?&gt;&lt;r&gt;&lt;code&gt; 0 &lt;/code&gt;&lt;no&gt;单1&lt;/no&gt;&lt;/r&gt;</s:Result></s:E>`, true},
		"xml in cdata":   {`{unwrap: [xml, text: //Result, xml]` + at, `<E><Result><![CDATA[<r><code>0</code><no>单1</no></r>]]></Result></E>`, true},
		"attributes":     {`{unwrap: [xml], code: /r/@code, outcome: [{code: "0", then: done}], fields: {his_order_no: "concat(/r/@a, /r/@b)"}}`, `<r code='0' a='单' b='1'/>`, false},
		"json":           {`{unwrap: [json]` + at, `{"code":0,"data":{"no":"单1"}}`, true},
		"json in string": {`{unwrap: [json, text: /d, json]` + at, `{"d":"{\"code\":\"0\",\"no\":\"\u53551\"}"}`, false},
		"json in xml":    {`{unwrap: [xml, text: /string, json]` + at, `<string xmlns="http://tempuri.org/">{"code":"0","no":"单1"}</string>`, true},
		"inside":         {`{unwrap: [json, inside: {at: /d, unwrap: [xml]}]` + at, `{"code":"0","d":"<r><no>单1</no></r>"}`, false},
		"lenient json":   {`{unwrap: [lenient_json]` + at, `{code:'0', 'no' : "单1", list:[1,-2.5e3,{}], n:null, t:true}`, true},
		"zeros":          {`{unwrap: [lenient_json], code: //code, outcome: [{code: "0000", then: done}], fields: {his_order_no: //no}}`, `{code:0000,no:'单1'}`, false},
		"code twice":     {`{unwrap: [xml]` + at, `<r><code>0</code><row><code>0 </code><no>单1</no></row></r>`, false},
		"bom":            {`{unwrap: [json]` + at, "\ufeff" + `{"code":0,"no":"单1"}`, false},
		"delimited":      {`{unwrap: [delimited: {columns: "|", names: [code, msg, no]}]` + at, "0|成功|单1\r\n", true},
		"delimited rows": {`{unwrap: [delimited: {rows: "#", columns: "^"}], code: "/rows/row[1]/c1", outcome: [{code: "0", then: done}], fields: {his_order_no: "/rows/row[2]/c3"}}`, "0^x#a^b^单1#", true},
		"sealed": {
			`{unwrap: [json, text: /d, base64, decrypt: {cipher: aes_cbc, key: "{{ secret.key }}", iv: "{{ secret.iv }}"}, charset: gb18030, json]` + at,
			`{"d":"` + sealed(bytesIn(t, true, `{"code":"0","no":"单1"}`)) + `"}`, false,
		},
		"hex":     {`{unwrap: [hex, charset: gb18030, json]` + at, "7b22636f6465223a302c226e6f223a22b5a531227d", false},
		"header":  {`{unwrap: [json], code: /code, outcome: [{code: "0", then: done}], fields: {his_order_no: {header: X-No, match: "no=([^;]+)"}}}`, `{"code":0}`, false},
		"created": {`{status: [201], unwrap: [json], outcome: [{status: 201, at: /no, empty: false, then: done}], fields: {his_order_no: /no}}`, `{"no":"单1"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			charset := "utf-8"
			if tc.gb18030 {
				charset = "gb18030"
			}
			d := open(t, aboutOrder(plainOrder, tc.answer, "CHARSET", charset,
				"TOP", "secrets: {key: {env: HIS_TEST_KEY}, iv: {env: HIS_TEST_IV}}"), httphis.Options{})
			a := httphis.Answer{Body: []byte(bytesIn(t, tc.gb18030, tc.body)), Header: http.Header{"X-No": {"a=b; no=单1; c"}}}
			if name == "created" {
				a.Status = http.StatusCreated
			}
			p, err := d.Parse(httphis.OpPlaceOrder, order(nil), a)
			if err != nil || p.Err != nil {
				t.Fatal(err, p.Err)
			}
			if o := p.Result.(hisadapter.HISOrder); o.OrderNo != "单1" || o.HisNo != "RX1" || p.Rule.Then != "done" || p.Rule.Line == 0 {
				t.Errorf("%+v by %+v", o, p.Rule)
			}
		})
	}
}

// What is not the answer that it should be is unknown, and never done.
func TestGarbageIsUnknown(t *testing.T) {
	const good = `<r><code>0</code><msg>成功了，请放心，药房已经收到</msg></r>`
	in := func(gb bool, s string) string { return bytesIn(t, gb, s) }
	xml := `{unwrap: [xml], code: //code, outcome: [{code: "0", then: done}]}`
	json := `{unwrap: [json], code: //code, outcome: [{code: "0", then: done}]}`
	row := `{unwrap: [delimited: {names: [code, no]}], code: //code, outcome: [{code: "0", then: done}], fields: {his_order_no: //no}}`
	for name, tc := range map[string]struct {
		answer, charset string
		status          int
		body            string
	}{
		"html":                {xml, "utf-8", 200, "<html><body><code>0</code>"},
		"xhtml":               {xml, "utf-8", 200, "<html><head/><body><p>code 0</p></body></html>"},
		"empty":               {xml, "utf-8", 200, ""},
		"cut":                 {xml, "utf-8", 200, good[:len(good)-4]},
		"text behind":         {xml, "utf-8", 200, good + "x"},
		"two documents":       {xml, "utf-8", 200, good + good},
		"500":                 {xml, "utf-8", 500, good},
		"302":                 {xml, "utf-8", 302, good},
		"404":                 {xml, "utf-8", 404, good},
		"gbk for utf-8":       {xml, "utf-8", 200, in(true, good)},
		"utf-8 for gbk":       {xml, "gb18030", 200, good},
		"half a character":    {xml, "gb18030", 200, in(true, good)[:28] + "<" + in(true, good)[29:]},
		"doctype":             {xml, "utf-8", 200, `<!DOCTYPE r [<!ENTITY z "0">]><r><code>&z;</code></r>`},
		"entity":              {xml, "utf-8", 200, `<r><code>&z;</code></r>`},
		"file":                {xml, "utf-8", 200, `<!DOCTYPE r SYSTEM "file:///etc/passwd"><r><code>0</code></r>`},
		"deep xml":            {xml, "utf-8", 200, strings.Repeat("<a>", 1000) + "<code>0</code>" + strings.Repeat("</a>", 1000)},
		"wide xml":            {xml, "utf-8", 200, "<r><code>0</code>" + strings.Repeat("<a/>", 600_000) + "</r>"},
		"deep json":           {json, "utf-8", 200, `{"code":"0","x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}"},
		"wide json":           {json, "utf-8", 200, `{"code":"0","x":[` + strings.Repeat("1,", 600_000) + "1]}"},
		"junk behind json":    {json, "utf-8", 200, `{"code":"0"} x`},
		"json text":           {json, "utf-8", 200, `"0"`},
		"no such code":        {json, "utf-8", 200, `{"code":"00"}`},
		"no code":             {json, "utf-8", 200, `{"ok":"0"}`},
		"code is null":        {json, "utf-8", 200, `{"code":null}`},
		"two codes":           {json, "utf-8", 200, `{"code":"0","data":{"code":"-1"}}`},
		"two keys":            {json, "utf-8", 200, `{"code":"0","code":"-1"}`},
		"two elements":        {xml, "utf-8", 200, `<r><code>0</code><r2><code>-1</code></r2></r>`},
		"columns too few":     {row, "utf-8", 200, "0"},
		"columns too many":    {row, "utf-8", 200, "0|1|2"},
		"no order number":     {row, "utf-8", 200, "0|"},
		"two rows of garbage": {row, "utf-8", 200, "<html>\n<body>"},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, aboutOrder(plainOrder, tc.answer, "CHARSET", tc.charset), httphis.Options{})
			p := parse(t, d, tc.status, tc.body)
			wantOutcome(t, p.Err, hisadapter.Unknown)
			if p.Result != nil {
				t.Errorf("a result beside an error: %+v", p.Result)
			}
		})
	}
}

func TestOutcomeTable(t *testing.T) {
	const answer = `
status: [200, 409]
unwrap:
  - json
  - outcome: [{at: /gate, is: closed, then: misconfigured}]
code: /code
message: /msg
outcome:
  - {name: all well, code: ["0", "00"], then: done}
  - {code: "1", message: [库存不足, 缺货], then: refused insufficient}
  - {code: "1", message_matches: "^价格.*变", then: refused price_changed}
  - {code_matches: "^E9\\d$", then: find}
  - {status: 409, at: /why, contains: 重复, then: find}
  - {at: /flag, not: ["Y"], then: refused stopped}
  - {at: /left, empty: true, code: "7", then: refused other}
  - {at: "count(/list/item)", is: "2", then: refused not_divisible}
  - {status: 503, then: busy}
  - {status: 4xx, then: misconfigured}
shortages: {rows: /short/item, drug_id: dm, available: sl}`
	d := open(t, aboutOrder(plainOrder, answer), httphis.Options{})
	for _, tc := range []struct {
		status int
		body   string
		want   hisadapter.Outcome
		kind   hisadapter.Kind
	}{
		{200, `{"code":"0"}`, hisadapter.Done, 0},
		{200, `{"code":" 00 "}`, hisadapter.Done, 0},
		{200, `{"code":"000"}`, hisadapter.Unknown, 0},
		{200, `{"code":"0","gate":"closed"}`, hisadapter.Misconfigured, 0},
		{409, `{"code":"0"}`, hisadapter.Misconfigured, 0}, // never done under a status of failure
		{200, `{"code":"1","msg":"A药缺货"}`, hisadapter.Refused, hisadapter.Insufficient},
		{200, `{"code":"1","msg":"价格已变"}`, hisadapter.Refused, hisadapter.PriceChanged},
		{200, `{"code":"1","msg":"新价格已变"}`, hisadapter.Unknown, 0},
		{200, `{"code":"E91"}`, hisadapter.Find, 0},
		{200, `{"code":"E911"}`, hisadapter.Unknown, 0},
		{409, `{"why":"单号重复"}`, hisadapter.Find, 0},
		{200, `{"why":"单号重复"}`, hisadapter.Unknown, 0},
		{200, `{"flag":"N"}`, hisadapter.Refused, hisadapter.Stopped},
		{200, `{"flag":"Y"}`, hisadapter.Unknown, 0},
		{200, `{"code":"7","left":" "}`, hisadapter.Refused, hisadapter.KindOther},
		{200, `{"code":"7"}`, hisadapter.Refused, hisadapter.KindOther},
		{200, `{"list":[1,1]}`, hisadapter.Refused, hisadapter.NotDivisible},
		{503, `<html>`, hisadapter.Busy, 0},
		{502, `{"code":"0"}`, hisadapter.Unknown, 0},
		{403, ``, hisadapter.Misconfigured, 0},
	} {
		p := parse(t, d, tc.status, tc.body)
		e := wantOutcome(t, p.Err, tc.want)
		if e != nil && e.Kind != tc.kind {
			t.Errorf("%s: kind %v, want %v", tc.body, e.Kind, tc.kind)
		}
	}
	p := parse(t, d, 200, `{"code":"0"}`)
	if p.Rule.Name != "all well" || p.Rule.Line == 0 || p.Code != "0" {
		t.Errorf("matched %+v with code %q", p.Rule, p.Code)
	}
	p = parse(t, d, 200, `{"code":"1","msg":"缺货","short":[{"dm":"00010042","sl":3},{"dm":"stranger","sl":1},{"dm":"00010041"}]}`)
	e := wantOutcome(t, p.Err, hisadapter.Refused)
	want := []hisadapter.Shortage{{DrugID: "00010042", Requested: 24, Available: 3}, {DrugID: "00010041", Requested: 30, Available: -1}}
	if len(e.Shortages) != 2 || e.Shortages[0] != want[0] || e.Shortages[1] != want[1] || e.Code != "1" || e.Message != "缺货" {
		t.Errorf("%+v", e)
	}
}

// An answer about somebody else's order is not ours.
func TestAnswerAboutAnotherNumber(t *testing.T) {
	d := open(t, aboutOrder(plainOrder, `{unwrap: [json], code: /c, outcome: [{code: "0", then: done}], fields: {his_no: /no, amount: {at: /je, in: yuan}}}`), httphis.Options{})
	wantOutcome(t, parse(t, d, 200, `{"c":0,"no":"RX2","je":"1"}`).Err, hisadapter.Unknown)
	wantOutcome(t, parse(t, d, 200, `{"c":0,"no":"RX1","je":"1.005"}`).Err, hisadapter.Unknown)
	p := parse(t, d, 200, `{"c":0,"no":"RX1","je":"12.30"}`)
	if o, _ := p.Result.(hisadapter.HISOrder); o.DrugsFen != 1230 || o.OrderNo != "RX1" {
		t.Errorf("%+v, %v", p.Result, p.Err)
	}
}
