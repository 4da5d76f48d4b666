package simhis

import (
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/internal/money"
)

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
		fen, err := money.LineFen(f.Price, f.PricePer, l.Quantity)
		if err != nil {
			return 0, false
		}
		sum += fen
	}
	return sum, true
}
