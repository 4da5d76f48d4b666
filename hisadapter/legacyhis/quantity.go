package legacyhis

import (
	"math/big"
	"strings"

	"github.com/hisgate/hisgate/hisadapter"
)

// packOf is how many smallest units the HIS's own unit of a drug has. The books
// tell prices per pack, so the pack is what the price buys.
func packOf(f hisadapter.Facts) int64 { return max(f.PricePer, 1) }

// inPacks writes n smallest units in packs with the given number of decimals,
// cut off, not rounded, as HIS do.
func inPacks(n, pack int64, decimals int) string {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	scaled := new(big.Int).Mul(big.NewInt(n), scale)
	scaled.Quo(scaled, big.NewInt(pack))
	return new(big.Rat).SetFrac(scaled, scale).FloatString(decimals)
}

// fromPacks reads a decimal number of packs. It reports false for what is no
// plain decimal number or no whole number of smallest units.
func fromPacks(s string, pack int64) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, false
	}
	r.Mul(r, new(big.Rat).SetInt64(pack))
	if !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}

// unitPrice is the price of one smallest unit, "" where the books tell none or
// where it has no end.
func unitPrice(f hisadapter.Facts) string {
	r, ok := new(big.Rat).SetString(f.Price)
	if !ok {
		return ""
	}
	r.Quo(r, new(big.Rat).SetInt64(packOf(f)))
	places, exact := r.FloatPrec()
	if !exact {
		return ""
	}
	return r.FloatString(places)
}

// yuan writes fen as HIS write money.
func yuan(fen int64) string { return inPacks(fen, 100, 2) }

// fromYuan reads money. "" is money that was not told.
func fromYuan(s string) (fen int64, ok bool) {
	if s == "" {
		return 0, true
	}
	return fromPacks(s, 100)
}
