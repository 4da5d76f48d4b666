package simhis

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/hisgate/hisgate/hisadapter"
)

var errPrice = errors.New("price must be a plain decimal number of yuan")

// lineFen is the price of a line: half_up(price × 100 × quantity / pricePer).
func lineFen(price string, pricePer, quantity int64) (int64, error) {
	whole, frac, _ := strings.Cut(price, ".")
	digits := whole + frac
	if whole == "" || len(digits) > 30 || strings.Trim(digits, "0123456789") != "" || strings.HasSuffix(price, ".") {
		return 0, fmt.Errorf("%w, not %q", errPrice, price)
	}
	num, _ := new(big.Int).SetString(digits, 10)
	num.Mul(num, big.NewInt(100))
	num.Mul(num, big.NewInt(quantity))
	den := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(frac))), nil)
	den.Mul(den, big.NewInt(max(pricePer, 1)))
	// Half up of a positive fraction: floor((2n + d) / 2d).
	num.Lsh(num, 1).Add(num, den)
	num.Quo(num, den.Lsh(den, 1))
	if !num.IsInt64() {
		return 0, fmt.Errorf("the price of %d at %s is beyond int64 fen", quantity, price)
	}
	return num.Int64(), nil
}

// DrugsFen is what the HIS itself would charge for lines, each rounded half up
// and then summed. It reports false when it does not know a price.
func (h *HIS) DrugsFen(lines []hisadapter.Line) (int64, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.drugsFen(lines)
}

func (h *HIS) drugsFen(lines []hisadapter.Line) (int64, bool) {
	var sum int64
	for _, l := range lines {
		f, ok := h.drugs[l.DrugID]
		if !ok || f.Price == "" {
			return 0, false
		}
		fen, err := lineFen(f.Price, f.PricePer, l.Quantity)
		if err != nil {
			return 0, false
		}
		sum += fen
	}
	return sum, true
}
