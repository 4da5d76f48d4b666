package httphis_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// render writes place_order and returns its body.
func render(t testing.TB, d *httphis.Driver, in httphis.Input) httphis.Request {
	t.Helper()
	shown, err := d.Render(httphis.OpPlaceOrder, in)
	if err != nil {
		t.Fatal(err)
	}
	return shown[0].Request
}

const everyLine = `{{ each lines "," }}{{ line.drug_id }}{{ end }}`

func TestWhatTemplatesPrint(t *testing.T) {
	for _, tc := range []struct{ template, want string }{
		{`{{ his_no }}`, "RX1"},
		{`{{ his_no | lower }}-{{ "x " | upper | trim }}`, "rx1-X"},
		{`{{ transaction_id | cut 2 }}`, "42"},
		{`{{ "a^b^c" | split "^" 2 }}`, "b"},
		{`{{ "a-b-c" | replace "-" "" }}`, "abc"},
		{`{{ drugs_fen }} {{ drugs_fen | yuan }}`, "1230 12.30"},
		{`{{ paid_at | time "yyyy-MM-dd HH:mm:ss" }}`, "2026-11-22 12:00:00"},
		{`{{ paid_at | add "-90m" | time "yyyyMMddHHmmssSSS" }}`, "20261122103000000"},
		{`{{ paid_at | time "unix" }} {{ now | time "unix_ms" }}`, "1795320000 1795320000000"},
		{`{{ paid_at | time "rfc3339" }}`, "2026-11-22T12:00:00+08:00"},
		{`{{ lock_id | lower | default "never" }}`, "never"},
		{`{{ pharmacy_id | lookup "pharmacy" }}`, "0203"},
		{`{{ attr.rx_no | default "" }}`, ""},
		{`{{ if attr.rx_no }}yes{{ else }}no{{ end }}{{ if not attr.rx_no }}!{{ end }}`, "no!"},
		{`{{ if paid_at }}paid{{ end }}`, "paid"},
		{`{{ each lines "; " }}{{ line.index }}:{{ line.drug_id }}x{{ line.quantity }}={{ line.fen | default "-" }}{{ end }}`, "1:00010041x30=100; 2:00010042x24=-"},
		{"a \n {{- his_no -}} \n b", "aRX1b"},
		{`{{ value.app }}{{ value.own }}`, "ao"},
		{`{{ "abc" | md5 }}`, "900150983cd24fb0d6963f7d28e17f72"},
		{`{{ "abc" | md5 | upper }}`, "900150983CD24FB0D6963F7D28E17F72"},
		{`{{ "abc" | md5 | base64 }}`, "kAFQmDzST7DWlj99KOF/cg=="},
		{`{{ "abc" | sha1 }}`, "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{`{{ "abc" | sha256 }}`, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{`{{ "abc" | sm3 }}`, "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"},
		{`{{ "what do ya want for nothing?" | hmac_md5 "Jefe" }}`, "750c783e6ab0b503eaa86e310a5db738"},
		{`{{ "what do ya want for nothing?" | hmac_sha256 "Jefe" }}`, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{`{{ "药" | md5 }} {{ "药" | bytes "utf-8" | hex }} {{ "药" | hex }}`, "bb33ba533c2ec8ead3f5bd9ca61f7d8f e88daf d2a9"},
		{`{{ "药" | url }}`, "%D2%A9"},
		{`{{ "a" | base64 }}{{ "a" | raw }}`, "YQ==a"},
	} {
		text := strings.ReplaceAll(tc.template+"#"+everyLine, "\n", "\n    ")
		d := open(t, aboutOrder("values: {own: o}\nbody:\n  text: |\n    "+text, "",
			"TOP", "values: {app: a}\ntables: {pharmacy: {HLWYF: '0203'}}", "CHARSET", "gbk"), httphis.Options{})
		got, _, _ := strings.Cut(render(t, d, order(nil)).Text, "#")
		if got != tc.want {
			t.Errorf("%s prints %q, want %q", tc.template, got, tc.want)
		}
	}
}

func TestWhatCannotBeWrittenIsRefusedBeforeItIsSent(t *testing.T) {
	for name, tc := range map[string]struct {
		request string
		change  func(*httphis.Input)
		kind    hisadapter.Kind
	}{
		"no attribute":       {`body: {text: '{{ attr.rx_no }}` + everyLine + `'}`, nil, hisadapter.KindOther},
		"no entry":           {`body: {text: '{{ pharmacy_id | lookup "pharmacy" }}` + everyLine + `'}`, func(in *httphis.Input) { in.PharmacyID = "X" }, hisadapter.KindOther},
		"separator":          {`body: {delimited: '{{ his_no }}|` + everyLine + `', separators: ["|"]}`, func(in *httphis.Input) { in.HisNo = "a|b" }, hisadapter.KindOther},
		"line break":         {`body: {delimited: '{{ his_no }}|` + everyLine + `', separators: ["|"]}`, func(in *httphis.Input) { in.HisNo = "a\nb" }, hisadapter.KindOther},
		"header":             {"headers: {X-No: '{{ his_no }}'}\nbody: {text: '" + everyLine + "'}", func(in *httphis.Input) { in.HisNo = "a\r\nX-Evil: 1" }, hisadapter.KindOther},
		"path":               {"path: '/orders/{{ his_no }}'\nbody: {text: '" + everyLine + "'}", func(in *httphis.Input) { in.HisNo = ".." }, hisadapter.KindOther},
		"control character":  {`body: {xml: '<a>{{ his_no }}` + everyLine + `</a>'}`, func(in *httphis.Input) { in.HisNo = "a\x00b" }, hisadapter.KindOther},
		"charset":            {`body: {text: '{{ his_no }}` + everyLine + `'}`, func(in *httphis.Input) { in.HisNo = "𠮷" }, hisadapter.KindOther},
		"no number":          {`body: {json: '[{{ his_no | number }}, ` + everyLine + `]'}`, nil, hisadapter.KindOther},
		"raw that breaks it": {`body: {json: '["{{ his_no | raw }}", ` + everyLine + `]'}`, func(in *httphis.Input) { in.HisNo = `a"` }, hisadapter.KindOther},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, aboutOrder(tc.request, "", "TOP", "tables: {pharmacy: {HLWYF: '0203'}}", "CHARSET", "gbk"), httphis.Options{
				Transport: nothing{t},
			})
			in := order(tc.change)
			_, err := d.Call(t.Context(), httphis.OpPlaceOrder, in)
			if name != "charset" && name != "path" && strings.Contains(err.Error(), in.HisNo) {
				t.Errorf("%v shows the value, which may be a secret or somebody's name", err)
			}
			if e := wantOutcome(t, err, hisadapter.Refused); e.Kind != tc.kind || e.Op != "PlaceOrder" {
				t.Errorf("refused as %v of %s", e.Kind, e.Op)
			}
		})
	}
}

// nasty is what somebody may call himself.
var nasty = []string{
	`</a><b>`, `]]>`, `]]]]>><![CDATA[`, `"`, `\`, `\"`, `","x":"`, `&amp;`, `'`, "<!--", "a\tb\nc\r", "中文 \u2028", `{{ his_no }}`, `%00&x=1+`, "",
}

// [E3] At each layer a value stays a value: XML in a string in XML, in CDATA, in
// an attribute; JSON in a string in JSON; forms and queries.
func TestEscapingAtEveryLayer(t *testing.T) {
	const request = `
query: {no: '{{ attr.name | default "" }}'}
parts:
  inner: {xml: '<r n="{{ attr.name | default "" }}"><v>{{ attr.name | default "" }}</v></r>'}
  doc: {json: '{"k": {{ attr.name | default "" }}, "s": "<{{ attr.name | default "" }}>"}'}
body:
  xml: |
    <e><a>{{ part.inner }}</a><b><![CDATA[{{ part.inner }}]]></b><c at="{{ part.doc }}">{{ part.inner | raw }}</c>` + everyLine + `</e>`
	d := open(t, aboutOrder(request, ""), httphis.Options{})
	for _, name := range nasty {
		r := render(t, d, order(func(in *httphis.Input) { in.Attributes = map[string]string{"name": name} }))
		type inner struct {
			N string `xml:"n,attr"`
			V string `xml:"v"`
		}
		var outer struct {
			A string `xml:"a"`
			B string `xml:"b"`
			C struct {
				At string `xml:"at,attr"`
				R  inner  `xml:"r"`
			} `xml:"c"`
		}
		if err := xml.Unmarshal(r.Body, &outer); err != nil {
			t.Fatalf("%q: %v\n%s", name, err, r.Text)
		}
		for _, s := range []string{outer.A, outer.B} {
			var in inner
			if err := xml.Unmarshal([]byte(s), &in); err != nil || in.N != name || in.V != name {
				t.Errorf("%q came out as %+v, %v", name, in, err)
			}
		}
		if outer.C.R.V != name || outer.C.R.N != name {
			t.Errorf("%q came out as %+v", name, outer.C.R)
		}
		var doc struct{ K, S string }
		if err := json.Unmarshal([]byte(outer.C.At), &doc); err != nil || doc.K != name || doc.S != "<"+name+">" {
			t.Errorf("%q came out as %+v, %v", name, doc, err)
		}
	}
}

func TestFormsAndQueriesInTheHISCharset(t *testing.T) {
	d := open(t, aboutOrder(`
path: /药/{{ his_no }}
query: {name: "{{ attr.name }}"}
body: {form: {名: "{{ attr.name }}", items: '`+everyLine+`'}}`, "", "CHARSET", "gb18030"), httphis.Options{})
	r := render(t, d, order(func(in *httphis.Input) {
		in.HisNo, in.Attributes = "a/b 药", map[string]string{"name": "a&b=药"}
	}))
	if want := "http://his.example/api/%D2%A9/a%2Fb%20%D2%A9?name=a%26b%3D%D2%A9"; r.URL != want {
		t.Errorf("URL %s, want %s", r.URL, want)
	}
	if want := "%E5%90%8D=a%26b%3D%D2%A9&items=00010041%2C00010042"; string(r.Body) != want {
		t.Errorf("body %s, want %s", r.Body, want)
	}
	if got := r.Header.Get("Content-Type"); got != "application/x-www-form-urlencoded; charset=gb18030" {
		t.Errorf("Content-Type %s", got)
	}
}

func TestSortedAndListedFieldsForSigning(t *testing.T) {
	const fields = `join: {b: "{{ his_no }}", a: "x=1", c: '{{ attr.none | default "" }}', B: "y"}`
	for options, want := range map[string]string{
		``:                                    "b=RX1&a=x=1&c=&B=y",
		`, sort: true`:                        "B=y&a=x=1&b=RX1&c=",
		`, sort: true, skip_empty: true`:      "B=y&a=x=1&b=RX1",
		`, sort: true, pair: "", between: ""`: "Byax=1bRX1c",
	} {
		d := open(t, aboutOrder("parts:\n  x: {"+fields+options+"}\nbody: {text: '{{ part.x }}#"+everyLine+"'}", ""), httphis.Options{})
		if got, _, _ := strings.Cut(render(t, d, order(nil)).Text, "#"); got != want {
			t.Errorf("%s gives %s, want %s", options, got, want)
		}
	}
}

// What a request shows has no secret in it, in whatever form.
func TestSecretsAreMasked(t *testing.T) {
	const secret = `p<&"w\ö`
	t.Setenv("HIS_TEST_SECRET", secret)
	d := open(t, aboutOrder(`
headers: {Authorization: "Basic {{ part.basic | base64 }}", X-Sign: "{{ part.basic | md5 }}"}
query: {k: "{{ secret.k }}"}
parts:
  basic: {text: "user:{{ secret.k }}"}
  doc: {xml: '<p>{{ secret.k }}</p>'}
body: {json: '{"a": {{ part.doc }}, "b": "{{ secret.k }}", "c": {{ secret.k | hex }}, "d": [`+everyLine+`]}'}`, "",
		"TOP", "secrets: {k: {env: HIS_TEST_SECRET}}"), httphis.Options{})
	r := render(t, d, order(nil))
	shown := r.URL + r.Text + string(r.Body) + strings.Join(r.Header.Values("Authorization"), "")
	for _, p := range r.Parts {
		shown += p.Text
	}
	quoted, _ := json.Marshal(secret)
	for _, form := range []string{
		secret, string(quoted[1 : len(quoted)-1]), "p&lt;&amp;", base64.StdEncoding.EncodeToString([]byte("user:" + secret)), "703c", "p%3C",
	} {
		if strings.Contains(shown, form) {
			t.Errorf("%q is shown in %s", form, shown)
		}
	}
	if !strings.Contains(r.Text, "&lt;") && !strings.Contains(r.Text, "<p>***</p>") {
		t.Errorf("the rest of the request is gone: %s", r.Text)
	}
	if len(r.Header.Get("X-Sign")) != 32 {
		t.Errorf("the digest is shown as %q", r.Header.Get("X-Sign"))
	}
}

func TestEachAttemptHasItsOwnMessageID(t *testing.T) {
	d := open(t, aboutOrder(`
headers: {X-Id: "{{ message_id }}"}
body: {text: '{{ message_id }} {{ nonce }} `+everyLine+`'}`, ""), httphis.Options{})
	a, b := render(t, d, order(nil)), render(t, d, order(nil))
	if a.Text == b.Text || !strings.HasPrefix(a.Text, a.Header.Get("X-Id")+" ") || len(a.Header.Get("X-Id")) != 32 {
		t.Errorf("%q and %q, %q", a.Text, b.Text, a.Header.Get("X-Id"))
	}
}

// ]]> may not form where two values meet either [E3]: whatever a patient is called
// is read back as it was, and nothing of it is markup.
func TestCDATAHoldsAtItsSeams(t *testing.T) {
	d := open(t, aboutOrder("body:\n  xml: '<r><p><![CDATA[{{ attr.name }}{{ attr.rx }}]]></p><q><![CDATA[]]{{ attr.rx }}]]></q><i>"+everyLine+"</i></r>'", ""), httphis.Options{})
	pieces := []string{"", "]", "]]", "]]>", ">", "><evil/><![CDATA[", "]]><evil/>", "a]", "]>", "张"}
	for _, a := range pieces {
		for _, b := range pieces {
			if a == "" || b == "" {
				continue // that a value is missing is another matter
			}
			shown, err := d.Render(httphis.OpPlaceOrder, order(func(in *httphis.Input) { in.Attributes = map[string]string{"name": a, "rx": b} }))
			if err != nil {
				t.Errorf("%q and %q: %v", a, b, err)
				continue
			}
			r := shown[0].Request
			var got struct {
				P    string    `xml:"p"`
				Q    string    `xml:"q"`
				Evil *struct{} `xml:"evil"`
				Any  []struct {
					XMLName xml.Name
				} `xml:",any"`
			}
			if err := xml.Unmarshal([]byte(r.Text), &got); err != nil {
				t.Fatalf("%q %q: %v in %s", a, b, err, r.Text)
			}
			if got.P != a+b || got.Q != "]]"+b || got.Evil != nil || len(got.Any) != 1 {
				t.Errorf("%q and %q were written as %s", a, b, r.Text)
			}
		}
	}
}

// x| before || would be cut behind x, and every field after it be another's.
func TestSeparatorsOfSeveralCharactersHoldAtTheirSeams(t *testing.T) {
	d := open(t, aboutOrder("body:\n  delimited: '{{ attr.name }}||{{ his_no }}##{{ attr.rx }}||"+everyLine+"'\n  separators: ['||', '##']", ""), httphis.Options{})
	for name, ok := range map[string]bool{"x": true, "x|y": true, "x|": false, "|x": false, "x#": false, "x||y": false} {
		in := order(func(in *httphis.Input) { in.Attributes = map[string]string{"name": name, "rx": "1"} })
		if _, err := d.Render(httphis.OpPlaceOrder, in); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
