package units

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// maxDigits bounds the numbers that are read from a HIS. An int64 has 19 digits.
const maxDigits = 40

// Decimal is an exact decimal number. The zero value is 0. It is immutable.
type Decimal struct{ d *apd.Decimal }

// exact is arithmetic that refuses whatever it would have to round.
func exact() *apd.Context {
	c := apd.BaseContext.WithPrecision(3 * maxDigits)
	c.Traps |= apd.Inexact | apd.Rounded
	return c
}

// Parse reads a decimal number as a HIS writes it: "12", "-0.50", ".5", "1E+3",
// blanks around it allowed. It refuses everything else (commas, full-width
// digits, NaN) and numbers of more than 40 digits.
func Parse(s string) (Decimal, error) {
	t := strings.TrimSpace(s)
	mantissa, exponent, _ := strings.Cut(strings.ToLower(t), "e")
	digits := strings.TrimLeft(mantissa, "+-")
	whole, frac, _ := strings.Cut(digits, ".")
	if whole+frac == "" || len(mantissa)-len(digits) > 1 || strings.Trim(whole+frac, "0123456789") != "" {
		return Decimal{}, fmt.Errorf("%q is not a decimal number", cut(s))
	}
	if len(whole)+len(frac) > maxDigits || len(exponent) > 3 {
		return Decimal{}, fmt.Errorf("the number %q has too many digits", cut(s))
	}
	d, _, err := apd.NewFromString(t)
	if err != nil || d.Form != apd.Finite {
		return Decimal{}, fmt.Errorf("%q is not a decimal number", cut(s))
	}
	if d.Exponent > maxDigits || d.Exponent < -maxDigits {
		return Decimal{}, fmt.Errorf("the number %q has too many digits", cut(s))
	}
	return Decimal{d}, nil
}

// FromInt is the whole number n.
func FromInt(n int64) Decimal { return Decimal{apd.New(n, 0)} }

func (x Decimal) val() *apd.Decimal {
	if x.d == nil {
		return apd.New(0, 0)
	}
	return x.d
}

// Add is x + y. It fails only beyond 120 digits.
func (x Decimal) Add(y Decimal) (Decimal, error) {
	sum := new(apd.Decimal)
	_, err := exact().Add(sum, x.val(), y.val())
	return Decimal{sum}, err
}

// Sign is -1, 0 or 1.
func (x Decimal) Sign() int { return x.val().Sign() }

// Cmp compares the numbers themselves: 1.50 and 1.5 are the same.
func (x Decimal) Cmp(y Decimal) int { return x.val().Cmp(y.val()) }

// Places is how many digits the number needs behind the point: 0 for 2.00, 1 for
// 2.50.
func (x Decimal) Places() int {
	r, _ := new(apd.Decimal).Reduce(x.val())
	return max(0, -int(r.Exponent))
}

// String writes the number without an exponent, with the digits behind the point
// that it came with.
func (x Decimal) String() string { return x.val().Text('f') }

// Int64 is the number if it is whole and fits.
func (x Decimal) Int64() (n int64, ok bool) {
	num, den := x.fraction()
	q, rest := num.QuoRem(num, den, new(big.Int))
	return q.Int64(), rest.Sign() == 0 && q.IsInt64()
}

// fraction is the number as numerator and positive denominator, both fresh.
func (x Decimal) fraction() (num, den *big.Int) {
	d := x.val()
	num = new(big.Int).Set(d.Coeff.MathBigInt())
	if d.Negative {
		num.Neg(num)
	}
	den = big.NewInt(1)
	shift := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(abs(d.Exponent))), nil)
	if d.Exponent < 0 {
		den = shift
	} else {
		num.Mul(num, shift)
	}
	return num, den
}

func abs(n int32) int32 { return max(n, -n) }

func cut(s string) string {
	if r := []rune(s); len(r) > maxDigits {
		return string(r[:maxDigits]) + "…"
	}
	return s
}
