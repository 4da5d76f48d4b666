package simhis

import (
	"fmt"
	"slices"

	"github.com/hisgate/hisgate/hisadapter"
)

// badNumber says what is wrong with a his_no, or nothing.
func (h *HIS) badNumber(hisNo string) string {
	switch most := h.cfg.Capabilities.HisNoMax; {
	case hisNo == "":
		return "参数错误: his_no 为空"
	case most > 0 && len(hisNo) > most:
		return fmt.Sprintf("参数错误: his_no 超过 %d 字节", most)
	}
	return ""
}

// maxQuantity bounds one line, so that sums of lines stay exact.
const maxQuantity = 1_000_000_000_000

// refuseLines judges everything about lines but the amount of stock. It reports
// true when nothing is wrong.
func (h *HIS) refuseLines(pharmacy string, lines []hisadapter.Line) (reply, bool) {
	if len(lines) == 0 {
		return no(codeBadParameter, "参数错误: 明细为空"), false
	}
	for _, l := range lines {
		if l.Quantity < 1 || l.Quantity > maxQuantity {
			return no(codeBadParameter, "参数错误: 数量超出范围"), false
		}
		facts, known := h.drugs[l.DrugID]
		_, shelved := h.shelves[hisadapter.Key{PharmacyID: pharmacy, DrugID: l.DrugID}]
		switch {
		case !known || !shelved:
			return no(codeUnknownDrug, refusalMessage(hisadapter.UnknownDrug)+": "+l.DrugID), false
		case facts.Stopped:
			return no(codeStopped, refusalMessage(hisadapter.Stopped)+": "+l.DrugID), false
		case facts.Multiple > 1 && l.Quantity%facts.Multiple != 0:
			return no(codeNotDivisible, refusalMessage(hisadapter.NotDivisible)+": "+l.DrugID), false
		}
	}
	return reply{}, true
}

// short lists the drugs of which there is not enough. What own holds is there
// for the taking.
func (h *HIS) short(pharmacy string, lines []hisadapter.Line, own *freeze) []hisadapter.Shortage {
	if h.cfg.Overdraw {
		return nil
	}
	var out []hisadapter.Shortage
	for _, l := range merge(lines) {
		free := h.shelves[hisadapter.Key{PharmacyID: pharmacy, DrugID: l.DrugID}].free()
		if own != nil {
			for _, f := range own.lines {
				if f.DrugID == l.DrugID {
					free += f.Quantity
				}
			}
		}
		if l.Quantity > free {
			out = append(out, hisadapter.Shortage{DrugID: l.DrugID, Requested: l.Quantity, Available: max(free, 0)})
		}
	}
	return out
}

// merge sums lines of the same drug, in the order in which drugs first appear.
func merge(lines []hisadapter.Line) []hisadapter.Line {
	out := make([]hisadapter.Line, 0, len(lines))
	for _, l := range lines {
		i := slices.IndexFunc(out, func(m hisadapter.Line) bool { return m.DrugID == l.DrugID })
		if i < 0 {
			out = append(out, l)
			continue
		}
		out[i].Quantity += l.Quantity
		out[i].LineFen += l.LineFen
	}
	return out
}

// sameQuantities reports whether two merged lists take the same stock.
func sameQuantities(a, b []hisadapter.Line) bool {
	if len(a) != len(b) {
		return false
	}
	for _, l := range a {
		if !slices.ContainsFunc(b, func(m hisadapter.Line) bool { return m.DrugID == l.DrugID && m.Quantity == l.Quantity }) {
			return false
		}
	}
	return true
}
