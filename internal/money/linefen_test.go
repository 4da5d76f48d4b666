package money_test

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hisgate/hisgate/internal/money"
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
		{"19.90", 24, 24, 1990},
		{".5", 1, 2, 100},
		{"5.", 1, 1, 500},
		{"0", 1, 1, 0},
		{"92233720368547758.07", 1, 1, 1<<63 - 1},
	}
	for _, tt := range tests {
		if got, err := money.LineFen(tt.price, tt.per, tt.qty); err != nil || got != tt.want {
			t.Errorf("%s for %d, %d pieces: %d, %v, want %d", tt.price, tt.per, tt.qty, got, err, tt.want)
		}
	}
	for _, bad := range []string{"", ".", "-1", "+1", "1e9", "1,5", "0x1", "1/3", "NaN", " 1", "92233720368547758.08", strings.Repeat("9", 41), "1.2.3", "١"} {
		if got, err := money.LineFen(bad, 1, 1); err == nil {
			t.Errorf("%q gave %d", bad, got)
		}
	}
	if got, err := money.LineFen("1", 0, 2); err != nil || got != 200 {
		t.Errorf("for one, unsaid: %d, %v", got, err)
	}
	for _, n := range [][2]int64{{-1, 1}, {1, 0}, {1, -1}} {
		if got, err := money.LineFen("1", n[0], n[1]); err == nil {
			t.Errorf("%d for %d gave %d", n[1], n[0], got)
		}
	}
}

// The exact value lies within half a fen, and never a half below it.
func TestLineFenIsHalfUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		price := rapid.StringMatching(`[0-9]{1,6}(\.[0-9]{1,8})?`).Draw(t, "price")
		per := rapid.Int64Range(1, 10_000).Draw(t, "per")
		qty := rapid.Int64Range(1, 1_000_000).Draw(t, "qty")
		got, err := money.LineFen(price, per, qty)
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
