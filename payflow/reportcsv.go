package payflow

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteCSV writes the differences, one a row, with a header. Amounts are in fen.
// Text that a spreadsheet would take for a formula gets an apostrophe in front.
func (r *Reconciliation) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{
		"date", "kind", "order_no", "transaction_id", "out_refund_no", "his_no", "his_order_no", "theirs_fen", "ours_fen", "case_id", "gone", "detail",
	}); err != nil {
		return err
	}
	for _, d := range r.Differences {
		row := []string{
			r.Day, string(d.Kind), d.OrderNo, d.TransactionID, d.OutRefundNo, d.HisNo, d.HisOrderNo,
			strconv.FormatInt(d.TheirsFen, 10), strconv.FormatInt(d.OursFen, 10), d.CaseID, strconv.FormatBool(d.Gone), d.Detail,
		}
		for i, v := range row {
			if v != "" && strings.ContainsRune("=+-@\t\r", rune(v[0])) && i != 7 && i != 8 {
				row[i] = "'" + v
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// Summary tells the report in words.
func (r *Reconciliation) Summary() Words {
	var zh, en strings.Builder
	line := func(z, e string) {
		zh.WriteString(z + "\n")
		en.WriteString(e + "\n")
	}
	sum := func(s Sum) (string, string) {
		return fmt.Sprintf("%d 笔 %s 元", s.Count, yuan(s.Fen)), fmt.Sprintf("%d of %s yuan", s.Count, yuan(s.Fen))
	}
	both := func(z, e string, a, b Sum) {
		az, ae := sum(a)
		bz, be := sum(b)
		line(fmt.Sprintf(z, az, bz), fmt.Sprintf(e, ae, be))
	}
	line(fmt.Sprintf("%s 对账：%s。", r.Day, statusWords(r.Status).ZH), fmt.Sprintf("Reconciliation of %s: %s.", r.Day, statusWords(r.Status).EN))
	if r.Failure != "" {
		line("原因："+r.Failure, "Why: "+r.Failure)
	}
	if r.Status == ReconciliationWaiting {
		return Words{ZH: zh.String(), EN: en.String()}
	}
	if r.BillEmpty {
		line("微信：当日无交易。", "WeChat: no trade on that day.")
	}
	both("收款：微信 %s，系统 %s。", "Payments: WeChat %s, here %s.", r.BillPayments, r.Payments)
	both("退款：微信 %s，系统 %s。", "Refunds: WeChat %s, here %s.", r.BillRefunds, r.Refunds)
	line(fmt.Sprintf("账单共 %d 行，一致 %d 行。", r.BillRows, r.Matched), fmt.Sprintf("The bill has %d rows, %d agree.", r.BillRows, r.Matched))
	if r.HISListed {
		both("发药：HIS %s，系统 %s。", "HIS orders: there %s, here %s.", r.HISOrders, r.Fulfilled)
		line(fmt.Sprintf("HIS 一致 %d 单，作废 %d 单。", r.HISMatched, r.HISCancelled), fmt.Sprintf("At the HIS %d agree, %d are cancelled.", r.HISMatched, r.HISCancelled))
	}
	if r.FreezesFound > 0 {
		line(fmt.Sprintf("迟到的预扣或单据 %d 笔，已处理。", r.FreezesFound), fmt.Sprintf("%d calls that were given up had reached the HIS after all.", r.FreezesFound))
	}
	for _, n := range r.NotCompared {
		line(fmt.Sprintf("未核对：%s，%d。", n.Why.ZH, n.Count), fmt.Sprintf("Not compared: %s, %d.", n.Why.EN, n.Count))
	}
	line(fmt.Sprintf("差异：%d 笔。", r.Open()), fmt.Sprintf("Differences: %d.", r.Open()))
	for _, d := range r.Differences {
		z, e := d.words()
		line("  "+z, "  "+e)
	}
	return Words{ZH: zh.String(), EN: en.String()}
}

func statusWords(s ReconciliationStatus) Words {
	switch s {
	case ReconciliationDone:
		return Words{ZH: "已完成", EN: "done"}
	case ReconciliationRunning:
		return Words{ZH: "进行中", EN: "running"}
	case ReconciliationIncomplete:
		return Words{ZH: "微信已核对，HIS 暂时无法核对，将自动重试", EN: "WeChat compared; the HIS could not be asked and will be again"}
	default:
		return Words{ZH: "账单未就绪或不可信，未得出任何结论，将自动重试", EN: "the bill is not there yet or not to be believed; nothing was concluded, and it is tried again"}
	}
}

func (d *Difference) words() (zh, en string) {
	what := map[DifferenceKind]Words{
		DiffUnknownPayment: {ZH: "微信有收款，系统无此订单", EN: "paid at WeChat, no such order here"},
		DiffUnknownRefund:  {ZH: "微信有退款，系统无此订单", EN: "refunded at WeChat, no such order here"},
		DiffUnnoticed:      {ZH: "系统此前不知，已按微信结果处理", EN: "was not known here, and was applied"},
		DiffElsewhere:      {ZH: "在商户平台退款", EN: "refunded in the merchant platform"},
		DiffAmount:         {ZH: "金额不一致", EN: "amounts differ"},
		DiffState:          {ZH: "状态不一致", EN: "states differ"},
		DiffNoPayment:      {ZH: "系统有收款，账单没有", EN: "paid here, not in the bill"},
		DiffNoRefund:       {ZH: "系统有退款，账单没有", EN: "refunded here, not in the bill"},
		DiffHISUnmatched:   {ZH: "HIS 有单，系统未发药", EN: "an order at the HIS, not fulfilled here"},
		DiffHISMissing:     {ZH: "系统已发药，HIS 无单", EN: "fulfilled here, no order at the HIS"},
		DiffHISCancelled:   {ZH: "系统已发药，HIS 已作废", EN: "fulfilled here, cancelled at the HIS"},
		DiffHISAmount:      {ZH: "HIS 金额不一致", EN: "another amount at the HIS"},
	}[d.Kind]
	rest := d.OrderNo
	for _, id := range []string{d.TransactionID, d.OutRefundNo, d.HisOrderNo} {
		if id != "" {
			rest += " " + id
		}
	}
	if d.TheirsFen != 0 || d.OursFen != 0 {
		rest += fmt.Sprintf(" %s/%s", yuan(d.TheirsFen), yuan(d.OursFen))
	}
	zh, en = what.ZH+"："+rest, what.EN+": "+rest
	switch {
	case d.Gone:
		return zh + "（已消除）", en + " (gone since)"
	case d.CaseID != "":
		return zh + "，工单 " + d.CaseID, en + ", case " + d.CaseID
	}
	return zh, en
}
