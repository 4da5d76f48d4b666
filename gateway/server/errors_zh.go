package server

import "github.com/hisgate/hisgate/payflow"

// preconditionZH says in Chinese why something cannot be done with an order, and
// what can be done instead.
func preconditionZH(e *payflow.PreconditionError) string {
	if zh := reasonZH(e.Reason); zh != "" {
		return zh
	}
	return "订单当前状态不允许：" + e.State.ZH()
}

// abortedZH says what is under way.
func abortedZH(e *payflow.AbortedError) string {
	if zh := reasonZH(e.Reason); zh != "" {
		return zh
	}
	return "正在处理，请等待结果"
}

func reasonZH(reason string) string {
	switch reason {
	case payflow.ReasonUnknownDrug:
		return "HIS 中没有该药品"
	case payflow.ReasonStopped:
		return "药品已停用，暂不可售"
	case payflow.ReasonNotDivisible:
		return "数量须为最小包装的整数倍"
	case payflow.ReasonPriceUnknown:
		return "未给出金额，HIS 也没有价格，无法计价"
	case payflow.ReasonAmountRange:
		return "订单金额超出允许范围"
	case payflow.ReasonHisRefused:
		return "HIS 拒绝预扣，订单未成立"
	case payflow.ReasonPrepayRefused:
		return "微信支付拒绝下单，请换新订单号重新下单"
	case payflow.ReasonTooLate:
		return "距支付截止不足一分钟，请重新下单"
	case payflow.ReasonFreezeTooShort:
		return "HIS 预扣有效期过短，来不及支付，请重新下单"
	case payflow.ReasonLockLost:
		return "付款前库存已失去，请重新下单"
	case payflow.ReasonDeadline:
		return "已过支付截止时间，订单已关闭"
	case payflow.ReasonCancelled:
		return "订单已取消"
	case payflow.ReasonOtherPayer:
		return "付款人、应用或支付方式与已提交的不同"
	case payflow.ReasonPaymentMissing:
		return "尚未提供支付方式，请先提交支付信息"
	case payflow.ReasonNotPayable:
		return "订单已不能支付"
	case payflow.ReasonAlreadyPaid:
		return "订单已付款，不能取消；请申请退款"
	case payflow.ReasonNotPaid:
		return "没有可退的付款，或付款已超过 365 天"
	case payflow.ReasonRefundInProgress:
		return "该订单有退款正在处理，或距上一笔不足一分钟，请稍后再试"
	case payflow.ReasonRefundTooMuch:
		return "退款金额超过可退余额，或退款次数已达上限"
	case payflow.ReasonBeingFulfilled:
		return "正在向 HIS 下单扣库存，请等待结果"
	case payflow.ReasonKnowingly:
		return "药品已发，HIS 单已生成；确认仍要退款请注明已发药（fulfilled）"
	case payflow.ReasonRefundSent:
		return "退款已发出，款项可能正在退回，不能再发药或另行登记"
	case payflow.ReasonWasFulfilled:
		return "HIS 单已生成，不能重复发药"
	case payflow.ReasonLockUnsettled:
		return "HIS 可能仍会扣库存，请先核实 HIS 结果"
	case payflow.ReasonVerbNotAllowed:
		return "该工单目前不能做此操作，请查看可用操作"
	}
	return ""
}
