package units

import (
	"fmt"
	"math/big"
	"strconv"
)

// Price turns the price of one HIS unit, in yuan, into an exact price for so many
// smallest units: a box of 24 at 19.90 is 19.90 for 24. It returns an error for a
// negative price and for ratios beyond int64.
func (r Ratio) Price(his Decimal) (price string, per int64, err error) {
	if his.Sign() < 0 {
		return "", 0, fmt.Errorf("the price %s is negative", his)
	}
	over, under := r.parts()
	if !over.IsInt64() || !under.IsInt64() {
		return "", 0, fmt.Errorf("price per %s: %w", r, ErrRange)
	}
	if under.Cmp(big.NewInt(1)) == 0 {
		return his.String(), over.Int64(), nil
	}
	// One HIS unit is over/under of ours: under of them are over of ours.
	d, err := his.times(under.Int64())
	if err != nil {
		return "", 0, err
	}
	return d.String(), over.Int64(), nil
}

func (x Decimal) times(n int64) (Decimal, error) {
	product := FromInt(0)
	_, err := exact().Mul(product.d, x.val(), FromInt(n).d)
	return product, err
}

// Yuan writes an amount of fen as yuan with two places: 1600 is "16.00".
func Yuan(fen int64) string {
	sign, n := "", uint64(fen)
	if fen < 0 {
		sign, n = "-", -n
	}
	s := strconv.FormatUint(n, 10)
	for len(s) < 3 {
		s = "0" + s
	}
	return sign + s[:len(s)-2] + "." + s[len(s)-2:]
}

// Fen is an amount in yuan as fen. It returns an error for a broken fen.
func Fen(yuan Decimal) (int64, error) {
	d, err := yuan.times(100)
	if err != nil {
		return 0, err
	}
	n, ok := d.Int64()
	if !ok {
		return 0, fmt.Errorf("%s yuan are no whole number of fen", yuan)
	}
	return n, nil
}
