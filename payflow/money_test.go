package payflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestLineFen(t *testing.T) {
	tests := []struct {
		price    string
		per, qty int64
		want     int64
	}{
		{"3.3330", 1, 3, 1000},
		{"3.3330", 100, 30, 100}, // 0.9999 yuan
		{"0.005", 1, 1, 1},       // half up
		{"0.0049", 1, 1, 0},
		{"0.0149999999999999999999", 1, 1, 1},
		{"0.015", 1, 1, 2},
		{"1", 3, 1, 33},
		{"2", 3, 1, 67},
		{"12.50", 24, 24, 1250},
		{".5", 1, 2, 100},
		{"5.", 1, 1, 500},
		{"0", 1, 1, 0},
		{"92233720368547758.07", 1, 1, 1<<63 - 1},
	}
	for _, tt := range tests {
		if got, err := lineFen(tt.price, tt.per, tt.qty); err != nil || got != tt.want {
			t.Errorf("%s for %d, %d pieces: %d, %v, want %d", tt.price, tt.per, tt.qty, got, err, tt.want)
		}
	}
	for _, bad := range []string{"", ".", "-1", "+1", "1e9", "1,5", "0x1", "1/3", "NaN", " 1", "92233720368547758.08", strings.Repeat("9", 41), "1.2.3", "١"} {
		if got, err := lineFen(bad, 1, 1); err == nil {
			t.Errorf("%q gave %d", bad, got)
		}
	}
	if _, err := lineFen("1", 0, 1); err == nil {
		t.Error("per 0")
	}
}

// The exact value lies within half a fen, and never a half below it.
func TestLineFenIsHalfUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		price := rapid.StringMatching(`[0-9]{1,6}(\.[0-9]{1,8})?`).Draw(t, "price")
		per := rapid.Int64Range(1, 10_000).Draw(t, "per")
		qty := rapid.Int64Range(1, 1_000_000).Draw(t, "qty")
		got, err := lineFen(price, per, qty)
		if err != nil {
			t.Fatal(err)
		}
		exact, _ := new(big.Rat).SetString(price)
		exact.Mul(exact, big.NewRat(100*qty, per))
		over := new(big.Rat).Sub(new(big.Rat).SetInt64(got), exact) // in (-1/2, 1/2]
		half := big.NewRat(1, 2)
		if over.Cmp(half) > 0 || over.Cmp(new(big.Rat).Neg(half)) <= 0 {
			t.Fatalf("%s × %d / %d = %s, got %d", price, qty, per, exact.FloatString(6), got)
		}
	})
}

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
