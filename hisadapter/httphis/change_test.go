package httphis_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

const feedExamples = "../../examples/feed"

type change = httphis.StockChange

func about(pharmacy, drug string) hisadapter.Key {
	return hisadapter.Key{PharmacyID: pharmacy, DrugID: drug}
}

func n(v int64) *int64 { return &v }

var china = time.FixedZone("Asia/Shanghai", 8*60*60)

// nineOhOne is 09:01:07 in China.
var nineOhOne = time.Date(2026, 11, 22, 9, 1, 7, 0, china)

func sameChanges(t *testing.T, got, want []change) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.Comparer(time.Time.Equal)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every example mapping reads its example message.
func TestFeedExamples(t *testing.T) {
	for _, tc := range []struct {
		mapping, message string
		msg              httphis.Message
		want             []change
		ignored          int
	}{
		{mapping: "json", message: "json", ignored: 1, want: []change{
			{Key: about("HLWYF", "00010041"), OnHand: n(77), Sequence: n(9007199254740993), At: nineOhOne},
			{Key: about("MZYF", "00010042"), OnHand: n(5), Sequence: n(17), At: nineOhOne},
		}},
		{mapping: "xml-gb18030", message: "xml-gb18030", ignored: 1, want: []change{
			{Key: about("HLWYF", "00010041"), At: nineOhOne},
			{Key: about("MZYF", "00010042"), At: nineOhOne},
		}},
		{mapping: "debezium", message: "debezium", want: []change{
			{Key: about("HLWYF", "00010041"), OnHand: n(2), Sequence: n(24023128), At: time.UnixMilli(1795309267000)},
		}},
		{mapping: "debezium", message: "debezium-delete", want: []change{
			{Key: about("HLWYF", "00010041"), Sequence: n(24023200), At: time.UnixMilli(1795309268000)},
		}},
		{
			mapping: "outbox", message: "outbox", msg: httphis.Message{Sequence: 4711},
			want: []change{{Key: about("HLWYF", "00010041"), OnHand: n(992), Sequence: n(4711), At: nineOhOne.Add(123456 * time.Microsecond)}},
		},
		{
			mapping: "subject", message: "subject",
			msg:  httphis.Message{Attributes: map[string]string{"subject": "stock.HLWYF.00010041"}, Sequence: 7},
			want: []change{{Key: about("HLWYF", "00010041"), OnHand: n(120), Sequence: n(7)}},
		},
	} {
		t.Run(tc.message, func(t *testing.T) {
			m, err := httphis.LoadChanges(filepath.Join(feedExamples, tc.mapping+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if tc.msg.Body, err = os.ReadFile(filepath.Join(feedExamples, tc.message+".message")); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time with what the first has left
				got, err := m.Read(tc.msg, noon)
				if err != nil {
					t.Fatal(err)
				}
				sameChanges(t, got.List, tc.want)
				if got.Ignored != tc.ignored || got.Skipped != "" {
					t.Errorf("%d rows ignored, skipped %q", got.Ignored, got.Skipped)
				}
			}
		})
	}
}

// plain is a mapping of messages without any care.
const plain = `
message:
  unwrap: [json]
  rows: /items/item
  fields: {pharmacy_id: p, drug_id: d, on_hand: q}
`

func loadChanges(t *testing.T, mapping string, beside map[string]string) (*httphis.ChangeMapping, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range beside {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "feed.yaml")
	if err := os.WriteFile(file, []byte(mapping), 0o600); err != nil {
		t.Fatal(err)
	}
	return httphis.LoadChanges(file)
}

func read(t *testing.T, mapping, body string) (httphis.Changes, error) {
	t.Helper()
	m, err := loadChanges(t, mapping, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m.Read(httphis.Message{Body: []byte(body)}, noon)
}

// A row that cannot be read holds up no other; where the drug is known it is read
// again.
func TestABadRowHoldsUpNoOther(t *testing.T) {
	got, err := read(t, plain, `{"items": [{"p": "P", "d": "A", "q": 1}, {"p": "P", "q": 2}, {"p": "P", "d": "C", "q": "some"}, {"p": "P", "d": "D", "q": 4}]}`)
	sameChanges(t, got.List, []change{{Key: about("P", "A"), OnHand: n(1)}, {Key: about("P", "C")}, {Key: about("P", "D"), OnHand: n(4)}})
	if err == nil || !strings.Contains(err.Error(), "row 2: there is no drug_id") || !strings.Contains(err.Error(), "row 3: on_hand") {
		t.Errorf("error %v", err)
	}
}

// So it is where a row without a figure would be read again by itself: Debezium's
// NUMERIC without decimal.handling.mode is {"scale": 2, "value": "AfQ="}.
func TestAFigureThatIsNoneIsReadAgain(t *testing.T) {
	got, err := read(t, strings.Replace(plain, "  fields:", "  no_figure: reread\n  fields:", 1),
		`{"items": [{"p": "P", "d": "A", "q": {"scale": 2, "value": "AfQ="}}, {"p": "P", "d": "B"}, {"p": "P", "d": "C", "q": 7}]}`)
	sameChanges(t, got.List, []change{{Key: about("P", "A")}, {Key: about("P", "B")}, {Key: about("P", "C"), OnHand: n(7)}})
	if err == nil || !strings.Contains(err.Error(), "row 1: XPath q (mapping line") || strings.Contains(err.Error(), "row 2") {
		t.Errorf("error %v", err)
	}
}

func TestMessagesThatCannotBeRead(t *testing.T) {
	for name, body := range map[string]string{
		"not JSON":           `{"items": [`,
		"HTML":               `<html>busy</html>`,
		"no rows":            `{"items": []}`,
		"another message":    `{"hello": 1}`,
		"a difference":       `{"items": [{"p": "P", "d": "A", "q": "+3?"}]}`,
		"a figure too big":   `{"items": [{"p": "P", "d": "A", "q": 1000000000001}]}`,
		"not utf-8":          "{\"items\": [{\"p\": \"P\", \"d\": \"\xbc\xd7\", \"q\": 1}]}",
		"an id too long":     `{"items": [{"p": "P", "d": "` + strings.Repeat("9", 65) + `", "q": 1}]}`,
		"a figure in parts":  `{"items": [{"p": "P", "d": "A", "q": [3, 5]}]}`,
		"an id in parts":     `{"items": [{"p": "P", "d": {"head": "A", "tail": "1"}, "q": 1}]}`,
		"the same key twice": `{"items": [{"p": "P", "d": "A", "d": "B", "q": 1}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(t, plain, body)
			if err == nil {
				t.Errorf("read as %+v", got.List)
			}
			for _, c := range got.List {
				if c.OnHand != nil {
					t.Errorf("it says %d of %v", *c.OnHand, c.Key)
				}
			}
		})
	}
}

func TestMessagesAboutNoChange(t *testing.T) {
	const mapping = `
message:
  unwrap: [json]
  skip: [{at: /type, is: heartbeat}]
  rows: /items/item
  fields: {pharmacy_id: p, drug_id: d, on_hand: q}
`
	for name, body := range map[string]string{"a rule of skip": `{"type": "heartbeat"}`, "a tombstone": "", "blanks": " \n"} {
		t.Run(name, func(t *testing.T) {
			got, err := read(t, mapping, body)
			if err != nil || got.Skipped == "" || len(got.List) > 0 {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// Rows of one drug in a message are one figure with lots: sum, and else its
// changes one after the other.
func TestLotsOfAMessage(t *testing.T) {
	const body = `{"items": [{"p": "P", "d": "A", "q": 1}, {"p": "P", "d": "B", "q": 5}, {"p": "P", "d": "A", "q": 2}]}`
	got, err := read(t, strings.Replace(plain, "  rows:", "  lots: sum\n  rows:", 1), body)
	if err != nil {
		t.Fatal(err)
	}
	sameChanges(t, got.List, []change{{Key: about("P", "A"), OnHand: n(3)}, {Key: about("P", "B"), OnHand: n(5)}})
	if got, err = read(t, plain, body); err != nil {
		t.Fatal(err)
	}
	sameChanges(t, got.List, []change{
		{Key: about("P", "A"), OnHand: n(1)}, {Key: about("P", "B"), OnHand: n(5)}, {Key: about("P", "A"), OnHand: n(2)},
	})
}

// A sum that may lack a lot is no figure.
func TestASumWithABadRowIsReadAgain(t *testing.T) {
	got, err := read(t, strings.Replace(plain, "  rows:", "  lots: sum\n  rows:", 1),
		`{"items": [{"p": "P", "d": "A", "q": 1}, {"p": "P", "d": "A"}, {"p": "P", "d": "B", "q": 5}]}`)
	if err == nil {
		t.Error("no error")
	}
	sameChanges(t, got.List, []change{{Key: about("P", "A")}, {Key: about("P", "B")}})
}

// A store that two pharmacies share changes for both, and ratios may come from a
// file.
func TestSharedStoresAndRatiosOfAFile(t *testing.T) {
	m, err := loadChanges(t, `
tables: {pharmacy: {P1: "9", P2: "9", P3: "8"}}
drugs_file: drugs.csv
message:
  unwrap: [json]
  rows: /
  fields: {pharmacy_id: {at: p, table: pharmacy}, drug_id: d, on_hand: {at: q, in: pack}}
`, map[string]string{"drugs.csv": "pharmacy_id,drug_id,ratio\nP1,A,10\nP2,A,12\n"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Read(httphis.Message{Body: []byte(`{"p": "9", "d": "A", "q": "2.5"}`)}, noon)
	if err != nil {
		t.Fatal(err)
	}
	sameChanges(t, got.List, []change{{Key: about("P1", "A"), OnHand: n(25)}, {Key: about("P2", "A"), OnHand: n(30)}})
}

func TestFaultsOfAFeedsMappingAreNamed(t *testing.T) {
	_, err := loadChanges(t, `
charset: utf-9
message:
  unwrap: [json, {outcome: [{code: "1", then: busy}]}]
  skip: [{code: "1"}, {at: /x}]
  rows: /items/item
  lots: sum
  changed: reread
  sequence: source
  fields:
    drug_id: d
    price: x
    sequence: xh
    on_hand: {at: q, in: pack}
    time: t
`, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"feed.yaml:2: charset", "feed.yaml:4: message: unwrap: outcome", "feed.yaml:5: message: skip", "at needs one of",
		"message: fields: no such field \"price\"", "pharmacy_id is missing", "lots and no_figure are about figures",
		"feed.yaml:9: message: sequence: the field of line 13", "no ratio is known", "format belongs to expires and time",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told in\n%v", want, err)
		}
	}
}

// The example of the documentation loads.
func TestTheDocumentedFeedMappingLoads(t *testing.T) {
	text, err := os.ReadFile("changeload.go")
	if err != nil {
		t.Fatal(err)
	}
	var doc strings.Builder
	for line := range strings.Lines(string(text)) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok && !strings.Contains(code, "changed: reread") &&
			!strings.Contains(code, "no_figure") && !strings.Contains(code, "sequence: source") {
			doc.WriteString(code)
		}
	}
	if _, err := loadChanges(t, doc.String(), map[string]string{"drugs.csv": "drug_id,ratio\nA,24\n"}); err != nil {
		t.Error(err)
	}
}
