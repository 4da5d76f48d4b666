package units

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// Ratio is how many smallest dispensing units make one unit of the HIS: a
// positive fraction. The zero value is not set, and counts as 1. It is immutable.
type Ratio struct{ num, den *big.Int }

// ErrRange says that a figure does not fit into int64.
var ErrRange = errors.New("the figure is beyond what can be counted")

// NotExactError says that a quantity is no exact number of the HIS's units. The
// order cannot be expressed; nothing may be sent.
type NotExactError struct {
	Quantity int64 // smallest units
	Ratio    Ratio
	Places   int // digits behind the point that the HIS takes
}

// Error implements error.
func (e *NotExactError) Error() string {
	return fmt.Sprintf("%d smallest units are no exact quantity of the HIS's unit of %s with %d decimal places", e.Quantity, e.Ratio, e.Places)
}

// ParseRatio reads a ratio: "24", "0.5" or "1/24". It must be positive.
func ParseRatio(s string) (Ratio, error) {
	over, under, isFraction := strings.Cut(s, "/")
	if !isFraction {
		under = "1"
	}
	a, err := Parse(over)
	if err != nil {
		return Ratio{}, fmt.Errorf("ratio: %w", err)
	}
	b, err := Parse(under)
	if err != nil {
		return Ratio{}, fmt.Errorf("ratio: %w", err)
	}
	if a.Sign() <= 0 || b.Sign() <= 0 {
		return Ratio{}, fmt.Errorf("ratio %q must be positive", cut(s))
	}
	an, ad := a.fraction()
	bn, bd := b.fraction()
	r := new(big.Rat).SetFrac(an.Mul(an, bd), ad.Mul(ad, bn))
	return Ratio{new(big.Int).Set(r.Num()), new(big.Int).Set(r.Denom())}, nil
}

// IsSet reports whether the ratio was given at all.
func (r Ratio) IsSet() bool { return r.num != nil }

// Equal reports whether both are the same ratio; one that is not set is 1.
func (r Ratio) Equal(o Ratio) bool {
	a, b := r.parts()
	c, d := o.parts()
	return a.Cmp(c) == 0 && b.Cmp(d) == 0
}

// String is the ratio as ParseRatio reads it.
func (r Ratio) String() string {
	num, den := r.parts()
	if den.Cmp(big.NewInt(1)) == 0 {
		return num.String()
	}
	return num.String() + "/" + den.String()
}

func (r Ratio) parts() (num, den *big.Int) {
	if r.num == nil {
		return big.NewInt(1), big.NewInt(1)
	}
	return r.num, r.den
}

// Reading is what the HIS counts, in smallest units, rounded towards minus
// infinity. It returns ErrRange beyond int64.
func (r Ratio) Reading(his Decimal) (int64, error) {
	num, den := his.fraction()
	over, under := r.parts()
	// Div of a positive divisor is Euclidean, which is the floor.
	q := num.Div(num.Mul(num, over), den.Mul(den, under))
	if !q.IsInt64() {
		return 0, fmt.Errorf("%s × %s: %w", his, r, ErrRange)
	}
	return q.Int64(), nil
}

// Lots is the sum of several lots, in smallest units.
//
// Where the HIS's unit is as large as ours or larger (packs), the lots are summed
// first and rounded once: a broken part of a pack is how the HIS writes loose
// units, and 0.33 + 0.33 + 0.34 of a box of 3 are three tablets. Where its unit is
// smaller (tablets, of which whole boxes are dispensed), each lot is rounded
// down: 12 tablets of one lot and 12 of another make no sealed box of 24.
func (r Ratio) Lots(lots []Decimal) (int64, error) {
	if over, under := r.parts(); over.Cmp(under) >= 0 {
		var sum Decimal
		for _, l := range lots {
			var err error
			if sum, err = sum.Add(l); err != nil {
				return 0, fmt.Errorf("sum of lots: %w", err)
			}
		}
		return r.Reading(sum)
	}
	sum := new(big.Int)
	for _, l := range lots {
		n, err := r.Reading(l)
		if err != nil {
			return 0, err
		}
		sum.Add(sum, big.NewInt(n))
	}
	if !sum.IsInt64() {
		return 0, fmt.Errorf("sum of lots: %w", ErrRange)
	}
	return sum.Int64(), nil
}

// Outgoing is a quantity of smallest units in the HIS's unit, which takes so many
// digits behind the point (0: whole units only). It is exact, or a
// *NotExactError.
func (r Ratio) Outgoing(quantity int64, places int) (Decimal, error) {
	over, under := r.parts()
	num := apd.NewWithBigInt(new(apd.BigInt).SetMathBigInt(new(big.Int).Mul(big.NewInt(quantity), under)), 0)
	den := apd.NewWithBigInt(new(apd.BigInt).SetMathBigInt(over), 0)
	q := new(apd.Decimal)
	c := exact()
	c.Traps &^= apd.Rounded // trailing zeros may go
	if _, err := c.Quo(q, num, den); err != nil {
		return Decimal{}, &NotExactError{quantity, r, places}
	}
	q.Reduce(q)
	if q.Exponent > 0 { // 1E+3: whole numbers are written out
		_, err := c.Quantize(q, q, 0)
		if err != nil {
			return Decimal{}, &NotExactError{quantity, r, places}
		}
	}
	if int(-q.Exponent) > places {
		return Decimal{}, &NotExactError{quantity, r, places}
	}
	return Decimal{q}, nil
}
