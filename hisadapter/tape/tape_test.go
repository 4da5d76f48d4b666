package tape_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/tape"
)

// record puts one exchange on a new tape and returns its folder.
func record(t *testing.T, x httphis.Exchange, attributes map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tape")
	r, err := tape.Record(dir, tape.Head{Begun: time.Unix(1795353652, 0), Drugs: []string{"1"}, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	r.HTTP(x)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// In whatever form a patient's name, a number or a signature goes over the wire,
// it is not on the tape; what is beside it is.
func TestMasksEveryForm(t *testing.T) {
	const patient, rx, signature = "张三丰", `R&X"<9>`, "q+/8w="
	inGBK := func(s string) string {
		b, err := simplifiedchinese.GBK.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	pack := base64.StdEncoding.EncodeToString
	for name, text := range map[string]string{
		"plain":           "<p>" + patient + "</p>",
		"gbk":             "<p>" + inGBK(patient) + "</p>",
		"xml":             "<rx>R&amp;X&#34;&lt;9&gt;</rx>",
		"xml in xml":      "<x>&lt;rx&gt;R&amp;amp;X&amp;#34;&amp;lt;9&amp;gt;</x>",
		"json":            `{"rx": "R\u0026X\"\u003c9\u003e"}`,
		"address":         "/p?name=%E5%BC%A0%E4%B8%89%E4%B8%B0",
		"address in gbk":  "/p?name=%D5%C5%C8%FD%B7%E1",
		"base64":          "data: " + pack([]byte("<p name='"+patient+"'/>")) + ".",
		"base64 of gbk":   "data: " + pack([]byte("<p name='"+inGBK(patient)+"'/>")) + ".",
		"base64 in form":  "data=" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(pack([]byte("??>>"+patient+"~~"))) + "&a=b",
		"hex":             "data: " + hex.EncodeToString([]byte("<p>"+patient+"</p>")) + ".",
		"signature":       "sign: " + signature,
		"signature, form": "sign=q%2B%2F8w%3D",
	} {
		x := httphis.Exchange{
			Op: httphis.OpFreeze, Status: 200, Signatures: []string{signature}, Header: http.Header{"X-Text": {text}}, Body: []byte("before " + text + " after"),
			Request: httphis.Request{Method: "POST", URL: "http://his" + text, Text: text, Parts: []httphis.Part{{Name: "p", Text: text}}},
		}
		dir := record(t, x, map[string]string{"patient_id": patient, "rx_no": rx})
		body, err := os.ReadFile(filepath.Join(dir, "0001-freeze.answer"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), "***") || !strings.HasPrefix(string(body), "before ") || !strings.HasSuffix(string(body), " after") {
			t.Errorf("%s: the body became %q", name, body)
		}
		head, err := os.ReadFile(filepath.Join(dir, "0001-freeze.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{text, patient, rx, signature} {
			if strings.Contains(string(body)+string(head), part) {
				t.Errorf("%s: the tape tells %q", name, part)
			}
		}
	}
}

// What was lost, and what was never sent, ends on tape as it did.
func TestPlaysWhatHadNoAnswer(t *testing.T) {
	for outcome, want := range map[hisadapter.Outcome]hisadapter.Outcome{
		hisadapter.NotSent: hisadapter.NotSent, hisadapter.Unknown: hisadapter.Unknown,
	} {
		dir := record(t, httphis.Exchange{Op: httphis.OpQueryStock, Outcome: outcome, At: time.Unix(1795353660, 0)}, nil)
		player, err := tape.Play(dir)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "his.yaml")
		if err := os.WriteFile(file, []byte(mapping), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := httphis.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := httphis.New(m, hisadapter.Capabilities{BatchSize: 1}, httphis.Options{Transport: player})
		if err != nil {
			t.Fatal(err)
		}
		ask := func() hisadapter.Outcome {
			_, err := d.QueryStock(t.Context(), []hisadapter.Key{{PharmacyID: "1", DrugID: "1"}})
			return hisadapter.OutcomeOf(err)
		}
		if got := ask(); got != want {
			t.Errorf("recorded as %v, played as %v", outcome, got)
		}
		if got := ask(); got != hisadapter.NotSent {
			t.Errorf("what the tape does not have is %v", got)
		}
		if !player.Now().Equal(time.Unix(1795353660, 0)) {
			t.Errorf("the tape's clock is %v", player.Now())
		}
	}
}

const mapping = `
connection: {url: 'http://127.0.0.1:1'}
defaults: {answer: {unwrap: [json], code: /code}}
operations:
  query_stock:
    request: {body: {json: '["{{ drug_id }}"]'}}
    answer:
      outcome: [{code: "0", then: done}]
      rows: /data/item
      fields: {drug_id: id, on_hand: n}
  place_order:
    request: {body: {json: '[{{ each lines "," }}"{{ line.drug_id }}"{{ end }}]'}}
    answer: {outcome: [{code: "0", then: done}]}
`

// A tape that is not as it must be is refused, with the file.
func TestRefusesATapeThatIsNone(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"tape.yaml": func(dir string) error { return os.Remove(filepath.Join(dir, "tape.yaml")) },
		"0001-freeze.yaml": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "0001-freeze.yaml"), []byte("op: [\n"), 0o600)
		},
		"0002-thaw.yaml": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "0002-thaw.yaml"), []byte("op: thaw\n"), 0o600)
		},
		"0003-freeze.yaml": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "0003-freeze.yaml"), []byte("opp: freeze\n"), 0o600)
		},
		"0001-freeze.answer":  func(dir string) error { return os.Remove(filepath.Join(dir, "0001-freeze.answer")) },
		"no such file or dir": func(dir string) error { return os.RemoveAll(dir) },
	} {
		dir := record(t, httphis.Exchange{Op: httphis.OpFreeze, Status: 200}, nil)
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := tape.Play(dir); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := record(t, httphis.Exchange{Op: httphis.OpFreeze, Status: 200}, nil)
	if _, err := tape.Record(dir, tape.Head{}); err == nil {
		t.Error("a tape was recorded over another")
	}
}
