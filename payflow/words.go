package payflow

import (
	"fmt"
	"slices"
	"strings"
)

// The reasons that a patient reads on an automatic refund (≤ 80 bytes).
const (
	textRefundGone   = "药品库存不足，自动退款"
	textRefundLate   = "订单已关闭，自动退款"
	textRefundPerson = "药房退款"

	textRefundRecalled = "退款" // one of before a restore: what the patient read then is not known
)

// Message tells the patient, in both languages, where the order stands.
func (o Order) Message() Words {
	switch o.State {
	case Created:
		return Words{ZH: "正在核对库存和价格，请稍候。", EN: "Checking stock and price; one moment."}
	case Locked:
		if o.Next() == NextPrepay {
			if r := o.Rejection; r != nil {
				return r.message()
			}
			return Words{ZH: "药品已为您保留，请在截止时间前支付。", EN: "The drugs are held for you; please pay before the deadline."}
		}
		return Words{ZH: "药品已保留，正在生成支付单。", EN: "The drugs are held; the payment is being prepared."}
	case AwaitingPayment:
		if o.Next() == NextPay {
			return Words{ZH: "请支付。", EN: "Please pay."}
		}
		return Words{ZH: "正在生成支付单，请稍候。", EN: "The payment is being prepared; one moment."}
	case Closing:
		return Words{ZH: "订单正在关闭；若您已支付，我们会核实。", EN: "The order is being closed; if you have paid, we are checking."}
	case Closed:
		if o.endedBy(o.Rejection) {
			return o.Rejection.message()
		}
		if o.Cancelled {
			return Words{ZH: "订单已取消，未收取费用。", EN: "The order was cancelled; nothing was charged."}
		}
		return Words{ZH: "订单已关闭，未收取费用。", EN: "The order is closed; nothing was charged."}
	case Rejected:
		return o.Rejection.message()
	case Paid:
		return Words{ZH: "已收到付款，药房正在确认。", EN: "Your payment has arrived; the pharmacy is confirming."}
	case Fulfilled:
		if o.RefundedFen > 0 {
			return Words{
				ZH: "药品已备妥，已退款 " + yuan(o.RefundedFen) + " 元。",
				EN: "Your drugs are ready; " + yuan(o.RefundedFen) + " yuan were refunded.",
			}
		}
		return Words{ZH: "药品已备妥。", EN: "Your drugs are ready."}
	case Refunding:
		return Words{ZH: "正在为您全额退款。", EN: "Your money is on its way back."}
	case Refunded:
		return Words{ZH: "已退款。", EN: "Your money has been refunded."}
	default:
		return Words{ZH: "药房正在人工处理您的订单，您的款项是安全的。", EN: "The pharmacy is looking after your order; your money is safe."}
	}
}

func (r *Rejection) message() Words {
	if r == nil {
		return Words{ZH: "订单未能建立。", EN: "The order could not be placed."}
	}
	switch r.Reason {
	case rejectedForStock:
		return Words{ZH: "库存不足。", EN: "The stock does not suffice."}
	case rejectedForPrice:
		return Words{ZH: "价格已变动，请重新下单。", EN: "The price has changed; please order again."}
	case ReasonUnknownDrug, ReasonStopped:
		return Words{ZH: "药品暂不可售。", EN: "A drug cannot be sold at present."}
	case ReasonNotDivisible:
		return Words{ZH: "数量须为整包装。", EN: "The quantity must be whole packages."}
	default:
		return Words{ZH: "订单未能建立。", EN: "The order could not be placed."}
	}
}

// yuan writes fen as yuan, exactly.
func yuan(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }

// caseText says what happened and what to do, for the cashier or the pharmacist.
func caseText(c *Case, o *Order) Words {
	w := reasonText(c.Reason)
	if o != nil && c.Open {
		w = o.situation(c, w)
	}
	if o != nil && o.Payment != nil {
		w.ZH += " 已付 " + yuan(o.Payment.TotalFen) + " 元。"
		w.EN += " Paid: " + yuan(o.Payment.TotalFen) + " yuan."
	}
	if !c.Open {
		zh := c.OutcomeZH
		if zh == "" {
			zh = c.Outcome
		}
		return Words{ZH: "已结束：" + zh + "。", EN: "Settled: " + c.Outcome + "."}
	}
	if others := o.otherCases(c.ID); others != "" {
		w.ZH += " 该订单另有未结个案：" + others + "。"
		w.EN += " Other open cases of this order: " + others + "."
	}
	return w
}

// otherCases names the order's open cases beside one, with their reasons.
func (o *Order) otherCases(id string) string {
	if o == nil {
		return ""
	}
	var others []string
	for _, other := range o.OpenCases {
		if other != id {
			others = append(others, strings.TrimSpace(other+" "+string(o.CaseReasons[other])))
		}
	}
	return strings.Join(others, ", ")
}

// situation puts what a case's reason says in general as it is for this order,
// where a verb does more, or less, than elsewhere.
func (o *Order) situation(c *Case, w Words) Words {
	switch {
	case c.Reason == CaseOverdue && o.waitsForCancel():
		return Words{
			ZH: "要求先由 HIS 撤销单 " + o.HisOrderNo + " 再退款；HIS 尚未确认撤销，系统仍在重试，款项暂未退回。“退款”即不再等待：款项立即退回，HIS 单仍然有效，须有人随后在 HIS 作废。",
			EN: "To be refunded once the HIS has cancelled its order " + o.HisOrderNo + "; it has not confirmed that, hisgate goes on trying, and no money has gone back. REFUND waits no longer: the money goes back at once, the HIS order stands, and somebody must cancel it there.",
		}
	case c.Reason == CaseOverdue && o.State == Refunding:
		return Words{
			ZH: "退款未能在时限内发出，系统仍在重试。请核查 HIS（须先确认不再扣库存）与微信支付。",
			EN: "The refund did not get away in time; hisgate goes on trying. Look at the HIS, which must first be certain not to deduct, and at WeChat Pay.",
		}
	case c.Reason == CaseLockDoubt && c.Detail == ErrForgotten.Error():
		return Words{
			ZH: "系统刚由备份恢复，而本 HIS 无法查询恢复前是否已为该订单扣库存。请先在 HIS 核对：已扣库存则登记已发药（填 HIS 单号）；未扣库存才可重试或退款，重试与退款即表示已核对。",
			EN: "hisgate was restored from a backup, and this HIS cannot be asked whether it deducted for the order before. Look in the HIS first: if it did, mark the order fulfilled with the HIS order number; only if it did not, retry or refund. RETRY and REFUND say that you have looked.",
		}
	case c.Reason == CaseLockDoubt && o.deductedUnpaid():
		return Words{
			ZH: "订单未付款，HIS 却已扣库存并生成单据。请先在 HIS 核对：药未发出请作废该单，已发出请收款；处理后写明说明结案。",
			EN: "The order is not paid, and the HIS has deducted for it and made its order. Look in the HIS first: if the drugs were not given out, cancel it there; if they were, collect the money; then settle with a note.",
		}
	case c.Reason == CaseRefused && o.State == NeedsAttention && o.WasFulfilled:
		return Words{
			ZH: "要退款，但 HIS 未撤销单 " + o.HisOrderNo + "。请先在 HIS 作废该单，再退款。“退款”会立即退回款项；届时未作废的 HIS 单仍然有效。",
			EN: "To be refunded, and the HIS does not cancel its order " + o.HisOrderNo + ". Cancel it in the HIS first, then refund. REFUND gives the money back at once; an order that was not cancelled stands.",
		}
	case c.Reason == CaseConsoleRefund && o.elsewhereFailed():
		return Words{
			ZH: "商户平台发起的一笔退款没有到账（已关闭或异常），该款尚未退回患者。请在商户平台重新处理，或用其他方式退回，再登记凭证。",
			EN: "A refund made in the merchant platform did not arrive (closed, or it cannot be paid out): the patient does not have that money. See to it there, or pay back by another way, then note the evidence.",
		}
	case c.Reason == CaseConsoleRefund && o.State == Refunded:
		return Words{
			ZH: "商户平台发起的一笔退款尚未到账。到账后本个案自动结束；若一直不到账，请在商户平台查明。",
			EN: "A refund made in the merchant platform is still on its way. This case ends by itself when it has arrived; if it does not, find out why in the merchant platform.",
		}
	default:
		return w
	}
}

// elsewhereFailed tells whether a refund in the merchant console came to nothing, and
// the order is at its end without that money.
func (o *Order) elsewhereFailed() bool {
	return (o.State == Refunded && !o.allBack() || o.State == Fulfilled) && slices.ContainsFunc(o.Elsewhere, func(f ForeignRefund) bool {
		return f.State == RefundClosed || f.State == RefundAbnormal
	})
}

// waitsForCancel tells whether the order's refund waits until the HIS has taken its
// order back.
func (o *Order) waitsForCancel() bool {
	return o.State == Refunding && o.CancelHIS && !o.Lock.Settled
}

func reasonText(r CaseReason) Words {
	switch r {
	case CaseGone:
		return Words{ZH: "患者已付款，但 HIS 库存不足。请补货后重试，或退款。", EN: "The patient paid, but the HIS has no stock. Restock and retry, or refund."}
	case CaseRefundLimit:
		return Words{ZH: "一小时内自动退款过多，已暂停。请查明原因，再恢复或逐单退款。", EN: "Too many automatic refunds within an hour; they are paused. Find out why, then resume, or refund one by one."}
	case CasePrice:
		return Words{ZH: "HIS 不接受价格或金额。请核对后重试、在 HIS 手工开单，或退款。", EN: "The HIS does not accept the price or amount. Check it, then retry, enter the order in the HIS by hand, or refund."}
	case CaseRefused:
		return Words{ZH: "HIS 拒绝了订单。请查看原因后重试或退款。", EN: "The HIS refused the order. Read why, then retry or refund."}
	case CaseLockDoubt:
		return Words{ZH: "HIS 与订单状态不一致。请先在 HIS 核对是否已扣库存。", EN: "HIS and order contradict each other. First look in the HIS whether the stock was deducted."}
	case CaseTwoOrders:
		return Words{ZH: "已人工发药，但 HIS 也生成了订单。请在 HIS 取消多余的一单，再登记有效单号。", EN: "Fulfilled by hand, and the HIS made its order too. Cancel one of them in the HIS, then note the one that stands."}
	case CaseOverdue:
		return Words{ZH: "已付款但超时未完成，系统仍在重试。请核查 HIS 与微信支付；不再等待时可退款，或登记已发药、已退款。", EN: "Paid and not finished in time; hisgate goes on trying. Look at HIS and WeChat Pay; to wait no longer, refund, or note that drugs or money were given."}
	case CaseRefundAbnormal:
		return Words{ZH: "退款异常，患者账户无法入账。请在微信商户平台处理，再登记凭证。", EN: "The patient's account cannot take the refund. Settle it in the merchant platform, then note the evidence."}
	case CaseRefundRefused:
		return Words{ZH: "微信拒绝退款。请查看原因后重新退款，或线下退款并登记凭证。", EN: "WeChat refuses the refund. Read why, then send it again, or pay back by another way and note the evidence."}
	case CaseRefundStuck:
		return Words{ZH: "退款已受理但 72 小时未到账。请联系微信支付。", EN: "The refund was accepted 72 hours ago and is not done. Ask WeChat Pay."}
	case CaseConsoleRefund:
		return Words{ZH: "该订单在商户平台被退款。请确认是否仍发药。", EN: "Refunded in the merchant platform. Decide whether the drugs are still to be given."}
	case CaseWrongPayment:
		return Words{ZH: "收到的付款与订单不符，未确认。请退回并登记凭证。", EN: "The payment does not fit the order and was not accepted. Give it back and note the evidence."}
	case CaseSecondPayment:
		return Words{ZH: "同一订单收到第二笔付款。请退回并登记凭证。", EN: "A second payment for one order. Give it back and note the evidence."}
	case CaseUnknownOrder:
		return Words{ZH: "收到未知订单的付款或退款通知。请查明来源，退回并登记凭证。", EN: "Money for an order that is not known here. Find out where it belongs, give it back and note the evidence."}
	case CaseRejectedPaid:
		return Words{ZH: "未成立的订单收到付款。请退款。", EN: "A rejected order was paid. Refund it."}
	case CaseBillMissing:
		return Words{ZH: "系统已记收款或退款，但微信当日账单中没有。请在商户平台核对该笔资金，处理后写明说明结案。", EN: "Money was paid or refunded by our records, and WeChat's bill of the day does not have it. Look in the merchant platform, then settle with a note."}
	case CaseBillMismatch:
		return Words{ZH: "微信账单与系统记录的金额或状态不一致。请在商户平台核对，补退差额后写明说明结案。", EN: "WeChat's bill and our records differ in amount or state. Look in the merchant platform, make up the difference, then settle with a note."}
	case CaseHISMissing:
		return Words{ZH: "系统记为已发药，但 HIS 没有这张单。请在 HIS 核对：补录并写明说明结案，或用订单退款退给患者。", EN: "Fulfilled by our records, and the HIS has no such order. Look in the HIS: enter it there and settle with a note, or refund the order."}
	case CaseHISCancelled:
		return Words{ZH: "已付款发药的订单在 HIS 被作废。药未发出请用订单退款退给患者；已发出请在 HIS 补录，并写明说明结案。", EN: "The HIS order of a paid, fulfilled order was cancelled. If the drugs were not given out, refund the order; else enter it in the HIS again; then settle with a note."}
	case CaseHISUnmatched:
		return Words{ZH: "HIS 有这张单，但系统中没有对应的已发药订单。请在 HIS 核对：不应扣库存的请作废，并写明说明结案。", EN: "The HIS has an order that is not fulfilled here. Look in the HIS: cancel it if the stock should not be deducted, then settle with a note."}
	case CaseHISAmount:
		return Words{ZH: "HIS 单金额与订单药费不一致。请核对价格，更正后写明说明结案。", EN: "The HIS order has another amount than the drugs cost here. Check the prices, correct them, then settle with a note."}
	case CaseWorker:
		return Words{ZH: "系统多次处理该订单失败。请联系技术支持。", EN: "hisgate fails on this order again and again. Call support."}
	default:
		return Words{ZH: "需要人工处理。", EN: "A person is needed."}
	}
}

func wordsClaimed(c *Case) Words {
	return Words{ZH: "负责人：" + c.Owner + "。请在截止时间前处理。", EN: "Owner: " + c.Owner + ". Please settle it before the deadline."}
}

func wordsRechecked(o *Order, wechat, his string) Words {
	return Words{
		ZH: fmt.Sprintf("微信：%s；HIS：%s；订单：%s。", wechat, his, o.State.ZH()),
		EN: fmt.Sprintf("WeChat: %s; HIS: %s; order: %s.", wechat, his, o.State),
	}
}

func wordsRetry() Words {
	return Words{ZH: "正在重新向 HIS 下单；若再次失败会再开一单。", EN: "The HIS is being asked again; another failure opens another case."}
}

func wordsRefund() Words {
	return Words{ZH: "先确认 HIS 不再扣库存，再发起退款。", EN: "First the HIS must be certain not to deduct, then the refund is sent."}
}

func wordsRefundStanding() Words {
	return Words{
		ZH: "不等 HIS 撤单，直接退款；未作废的 HIS 单仍然有效，请随后在 HIS 中核对并处理该单。",
		EN: "The refund is sent without waiting for the HIS to cancel; an order that was not cancelled stands, see to it there.",
	}
}

func wordsResend() Words {
	return Words{ZH: "正以原退款单号重新发起退款。", EN: "The same refund is being sent again, under its number."}
}

func wordsMarkedFulfilled() Words {
	return Words{ZH: "订单记为已发药，不会再退款。", EN: "The order counts as fulfilled; nothing will be refunded."}
}

func wordsMarkedRefunded() Words {
	return Words{ZH: "已登记退款凭证。", EN: "The evidence is noted; the money counts as given back."}
}

func wordsSettled() Words {
	return Words{ZH: "已结案；订单本身没有变动。", EN: "The case is closed; the order itself was not changed."}
}

func wordsResumed(resumed, remaining int) Words {
	return Words{
		ZH: fmt.Sprintf("已恢复 %d 笔自动退款，仍有 %d 笔等待。", resumed, remaining),
		EN: fmt.Sprintf("%d automatic refunds go on, %d still wait.", resumed, remaining),
	}
}

// ZH is the state as a pharmacist calls it, in Chinese.
func (s State) ZH() string {
	switch s {
	case Created:
		return "已建立"
	case Locked:
		return "已预扣库存"
	case AwaitingPayment:
		return "待付款"
	case Closing:
		return "关闭中"
	case Closed:
		return "已关闭"
	case Rejected:
		return "未成立"
	case Paid:
		return "已付款"
	case Fulfilled:
		return "已发药"
	case Refunding:
		return "退款中"
	case Refunded:
		return "已退款"
	case NeedsAttention:
		return "待人工处理"
	}
	return string(s)
}
