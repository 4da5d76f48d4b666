package money

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// maxDigits bounds a price's text. An int64 has 19 digits.
const maxDigits = 40

// LineFen is what a line costs in fen: half_up(price × 100 × quantity / per).
// price is a plain decimal in yuan (digits and a point) for per smallest units
// (0 counts as 1); quantity is in smallest units, at least 1. It returns an error
// for a price that is none, and for an amount beyond int64.
func LineFen(price string, per, quantity int64) (int64, error) {
	whole, frac, _ := strings.Cut(price, ".")
	digits := whole + frac
	if len(price) > maxDigits {
		return 0, errors.New("the price has too many digits")
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("price %q is no plain decimal number of yuan", price)
	}
	if per < 0 || quantity < 1 {
		return 0, errors.New("the unit of a price must not be negative, and the quantity at least 1")
	}
	n, _ := new(big.Int).SetString(digits, 10)
	n.Mul(n, big.NewInt(100))
	n.Mul(n, big.NewInt(quantity))
	d := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(frac))), nil)
	d.Mul(d, big.NewInt(max(per, 1)))
	// Half up of a fraction that is not negative: floor((2n + d) / 2d).
	n.Lsh(n, 1).Add(n, d)
	n.Quo(n, d.Lsh(d, 1))
	if !n.IsInt64() {
		return 0, fmt.Errorf("%d at %s yuan for %d: the amount is beyond what can be counted", quantity, price, max(per, 1))
	}
	return n.Int64(), nil
}
