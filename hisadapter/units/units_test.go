package units_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hisgate/hisgate/hisadapter/units"
)

func decimal(t testing.TB, s string) units.Decimal {
	t.Helper()
	d, err := units.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ratio(t testing.TB, s string) units.Ratio {
	t.Helper()
	r, err := units.ParseRatio(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"12": "12", "-0.50": "-0.50", ".5": "0.5", "5.": "5", "1E+3": "1000", " 007 ": "7", "+3": "3", "1.5e-2": "0.015",
		"9007199254740993": "9007199254740993", "12345678901234567890.123456789": "12345678901234567890.123456789",
	} {
		d, err := units.Parse(in)
		if err != nil || d.String() != want {
			t.Errorf("%q is read as %s, %v", in, d, err)
		}
	}
	for _, in := range []string{
		"", " ", "-", "+-1", "1,000", "１２", "NaN", "Infinity", "-inf", "1e", "1e9999999", "1e41", "0x10", "1_000", "1.2.3", "1 2", "--1", "e5", ".",
		strings.Repeat("9", 41),
	} {
		if d, err := units.Parse(in); err == nil {
			t.Errorf("%q is read as %s", in, d)
		}
	}
}

func TestReadingsAreRoundedDown(t *testing.T) {
	for _, c := range []struct {
		ratio, his string
		want       int64
	}{
		{"24", "3", 72},
		{"24", "2.5", 60},
		{"5", "2.4", 12},
		{"3", "0.33", 0},
		{"1", "7.99", 7},
		{"1", "-0.01", -1},
		{"1/24", "47", 1},
		{"1/24", "-1", -1},
		{"1000", "0.0015", 1},
		{"1", "9007199254740993", 1<<53 + 1},
		{"0.5", "3", 1},
	} {
		got, err := ratio(t, c.ratio).Reading(decimal(t, c.his))
		if err != nil || got != c.want {
			t.Errorf("%s of the HIS at %s: %d, %v, want %d", c.his, c.ratio, got, err, c.want)
		}
	}
	if n, err := ratio(t, "24").Reading(units.FromInt(math.MaxInt64)); !errors.Is(err, units.ErrRange) {
		t.Errorf("beyond int64: %d, %v", n, err)
	}
	if n, err := (units.Ratio{}).Reading(units.FromInt(7)); n != 7 || err != nil {
		t.Errorf("a ratio that is not set: %d, %v", n, err)
	}
}

func TestLotsAreSummedBeforeRoundingOnlyWhereTheyCanBeJoined(t *testing.T) {
	lots := func(in ...string) (out []units.Decimal) {
		for _, s := range in {
			out = append(out, decimal(t, s))
		}
		return out
	}
	for _, c := range []struct {
		ratio string
		lots  []units.Decimal
		want  int64
	}{
		{"3", lots("0.33", "0.33", "0.34"), 3},
		{"1", lots("0.5", "0.5"), 1},
		{"1/24", lots("12", "12"), 0},
		{"1/24", lots("47", "25"), 2},
		{"24", nil, 0},
		{"24", lots("2", "-1"), 24},
	} {
		got, err := ratio(t, c.ratio).Lots(c.lots)
		if err != nil || got != c.want {
			t.Errorf("lots %v at %s: %d, %v, want %d", c.lots, c.ratio, got, err, c.want)
		}
	}
}

func TestOutgoingQuantitiesAreExactOrRefused(t *testing.T) {
	for _, c := range []struct {
		ratio    string
		quantity int64
		places   int
		want     string // "" = refused
	}{
		{"24", 48, 0, "2"},
		{"24", 30, 0, ""},
		{"24", 30, 2, "1.25"},
		{"5", 12, 1, "2.4"},
		{"5", 12, 0, ""},
		{"3", 1, 10, ""},
		{"1/24", 2, 0, "48"},
		{"1", 1000, 0, "1000"},
		{"1000", 1, 3, "0.001"},
		{"1", math.MaxInt64, 0, "9223372036854775807"},
	} {
		got, err := ratio(t, c.ratio).Outgoing(c.quantity, c.places)
		if c.want != "" {
			if err != nil || got.String() != c.want {
				t.Errorf("%d at %s: %s, %v, want %s", c.quantity, c.ratio, got, err, c.want)
			}
			continue
		}
		var e *units.NotExactError
		if !errors.As(err, &e) || e.Quantity != c.quantity {
			t.Errorf("%d at %s with %d places: %s, %v", c.quantity, c.ratio, c.places, got, err)
		}
	}
}

func TestRatiosMustBePositive(t *testing.T) {
	for _, s := range []string{"0", "-1", "1/0", "1/-3", "", "a", "1/2/3"} {
		if r, err := units.ParseRatio(s); err == nil {
			t.Errorf("ratio %q is read as %s", s, r)
		}
	}
	if !ratio(t, "2/48").Equal(ratio(t, "1/24")) || ratio(t, "1").Equal(ratio(t, "2")) || !ratio(t, "1.0").Equal(units.Ratio{}) {
		t.Error("ratios are compared by their writing")
	}
}

func TestPricesOfPacks(t *testing.T) {
	for _, c := range []struct {
		ratio, his, price string
		per               int64
	}{
		{"24", "19.90", "19.90", 24},
		{"1", "0.3333", "0.3333", 1},
		{"1/24", "0.50", "12.00", 1},
		{"5/2", "3", "6", 5},
	} {
		price, per, err := ratio(t, c.ratio).Price(decimal(t, c.his))
		if err != nil || price != c.price || per != c.per {
			t.Errorf("%s a unit of %s: %s for %d, %v", c.his, c.ratio, price, per, err)
		}
	}
	if _, _, err := ratio(t, "1").Price(decimal(t, "-1")); err == nil {
		t.Error("a negative price is taken")
	}
}

func TestYuanAndFen(t *testing.T) {
	for fen, yuan := range map[int64]string{0: "0.00", 5: "0.05", 100: "1.00", 1600: "16.00", -7: "-0.07", math.MinInt64: "-92233720368547758.08"} {
		if got := units.Yuan(fen); got != yuan {
			t.Errorf("%d fen are %s", fen, got)
		}
		if got, err := units.Fen(decimal(t, yuan)); err != nil || got != fen {
			t.Errorf("%s yuan are %d, %v", yuan, got, err)
		}
	}
	if n, err := units.Fen(decimal(t, "1.005")); err == nil {
		t.Errorf("a broken fen is taken as %d", n)
	}
}

// What goes out and comes back is the same; what comes in is the floor.
func TestConversionsAgreeWithRationals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		over, under := rapid.Int64Range(1, 5000).Draw(t, "over"), rapid.Int64Range(1, 50).Draw(t, "under")
		r, err := units.ParseRatio(big.NewRat(over, under).String())
		if err != nil {
			t.Fatal(err)
		}
		coefficient, places := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "n"), rapid.IntRange(0, 6).Draw(t, "places")
		exact := new(big.Rat).SetFrac(big.NewInt(coefficient), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil))
		his, err := units.Parse(exact.FloatString(places))
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Reading(his)
		if err != nil {
			t.Fatal(err)
		}
		exact.Mul(exact, big.NewRat(over, under))
		if f := new(big.Int).Div(exact.Num(), exact.Denom()); f.Int64() != got {
			t.Fatalf("%s at %s is %d, not %s", his, r, got, f)
		}

		quantity := rapid.Int64Range(1, 1<<40).Draw(t, "quantity")
		out, err := r.Outgoing(quantity, places)
		want := new(big.Rat).Mul(big.NewRat(quantity, 1), big.NewRat(under, over))
		fits := new(big.Rat).SetString
		rounded, _ := fits(want.FloatString(places))
		if (err == nil) != (rounded.Cmp(want) == 0) {
			t.Fatalf("%d at %s with %d places: %s, %v", quantity, r, places, out, err)
		}
		if err != nil {
			return
		}
		if back, err := r.Reading(out); err != nil || back != quantity {
			t.Fatalf("%d goes out as %s and comes back as %d, %v", quantity, out, back, err)
		}
	})
}
