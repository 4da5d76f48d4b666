package payflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOutRefundNosNeverMeet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		no := rapid.StringMatching(`[0-9R-]{6,10}`)
		gen := rapid.IntRange(1, 50)
		a, b := no.Draw(t, "a"), no.Draw(t, "b")
		m, n := gen.Draw(t, "m"), gen.Draw(t, "n")
		if (a != b || m != n) && outRefundNo(a, m) == outRefundNo(b, n) {
			t.Fatalf("%s/%d and %s/%d", a, m, b, n)
		}
		if len(outRefundNo(strings.Repeat("x", 32), 50)) > 64 {
			t.Fatal("too long")
		}
	})
}

// Fields of a newer hisgate survive a change by this one; a newer format, an
// unknown state or damage stop the opening.
func TestRecordsAreForwardCompatible(t *testing.T) {
	o := &Order{No: "ORDER-1", State: Paid, Items: []Item{{DrugID: "00010041", Quantity: 3}}}
	data, err := encodeOrder(o)
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.Replace(data, []byte(`{`), []byte(`{"future":{"n":9007199254740993},`), 1)
	back, err := decodeOrder(nil, newer)
	if err != nil {
		t.Fatal(err)
	}
	again, err := encodeOrder(back.clone())
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(again, &all); err != nil {
		t.Fatal(err)
	}
	if string(all["future"]) != `{"n":9007199254740993}` {
		t.Errorf("future is %s", all["future"])
	}
	for name, bad := range map[string][]byte{
		"newer format":  bytes.Replace(data, []byte(`"v":1`), []byte(`"v":2`), 1),
		"unknown state": bytes.Replace(data, []byte(`"PAID"`), []byte(`"SOLD"`), 1),
		"damage":        data[:len(data)/2],
	} {
		var f *FormatError
		if _, err := decodeOrder([]byte("k"), bad); !errors.As(err, &f) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCut(t *testing.T) {
	if got := cut("库存不足", 7); got != "库存" {
		t.Errorf("%q", got)
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{"": "", "short": "***", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o": "oUp***6o"} {
		if got := maskID(in); got != want {
			t.Errorf("%q gave %q", in, got)
		}
	}
}
