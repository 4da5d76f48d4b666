package payflow

import "strings"

// eventWords says in words what an entry of an order's history stands for; empty
// for one that speaks for itself.
func eventWords(name string) Words {
	if op, kind, ok := strings.Cut(name, ": "); ok {
		return troubleWords(op, kind)
	}
	zh, en, _ := strings.Cut(eventText(name), "\n")
	return Words{ZH: zh, EN: en}
}

// eventText is both languages, one a line.
func eventText(name string) string {
	switch name {
	case "CREATE":
		return "收到订单\nthe order arrived"
	case string(evLocked), "LOCKED_PAID":
		return "库存已锁定\nthe stock is held"
	case string(evChecked):
		return "库存核对足够\nthe stock suffices"
	case string(evRejected):
		return "订单被拒\nthe order was rejected"
	case "PRICED":
		return "金额已按 HIS 价格确定\nthe amount was taken from the HIS prices"
	case "PREPAY_WANTED":
		return "患者要求支付\nthe patient wants to pay"
	case "PREPAY_BLOCKED":
		return "支付前二次确认未通过\nthe second check before the payment refused"
	case string(evIntent):
		return "微信预下单请求已保存\nthe prepay for WeChat is stored"
	case "PREPAID":
		return "微信已受理预下单\nWeChat took the prepay"
	case string(evPrepayRefused):
		return "微信拒绝预下单\nWeChat refused the prepay"
	case "ASKED_WECHAT":
		return "向微信查单，答复\nWeChat was asked, and said"
	case string(evEndedThere):
		return "该单已在微信关闭\nit was closed at WeChat"
	case "NOTICE_WITHOUT_MONEY":
		return "微信回调（无款项）\na callback of WeChat without money"
	case string(evPaid):
		return "款项已核实\nverified money"
	case string(evPaidUnwanted):
		return "迟到款项，须退回\nlate money that goes back"
	case string(evPaidElsewhere):
		return "款项已在商户平台退过\nmoney that was refunded in the merchant console"
	case "REFUNDED_ELSEWHERE":
		return "商户平台的一笔退款\na refund in the merchant console"
	case "RECALLED":
		return "从备份恢复后向微信查证\nWeChat was asked after a restore from a backup"
	case string(evRefundFound):
		return "查到恢复前已发出的退款\na refund of before the restore was found"
	case "PAYMENT_FITS":
		return "金额已核实，此前存疑的款项即订单付款\nthe price is known again: the money in dispute is the payment"
	case string(evPaidAgain):
		return "第二笔付款\na second payment"
	case string(evPaidWrong):
		return "款项与订单不符\nmoney that does not fit the order"
	case string(evCancel), "CANCELLED":
		return "取消\ncancelled"
	case string(evDeadline):
		return "支付期限已到\nthe pay deadline came"
	case string(evLockLost):
		return "锁定已失\nthe lock was lost"
	case string(evClosed):
		return "确认未付款，订单关闭\nverified unpaid, closed"
	case "STOCK_RELEASED":
		return "库存已释放\nthe stock was given back"
	case string(evConfirmed), "HIS_ORDER_FOUND":
		return "HIS 已扣库存并开单\nthe HIS deducted and made its order"
	case string(evGone), "STOCK_GONE":
		return "付款后 HIS 无法发药\nthe HIS cannot give what was paid for"
	case "LOCK_SETTLED":
		return "HIS 已不会再执行该锁定\nthe HIS cannot apply the lock any more"
	case string(evPark):
		return "转人工处理\na person must decide"
	case "REFUND_STORED":
		return "退款已登记\nthe refund is stored"
	case "REFUND_SENT":
		return "退款已发往微信\nthe refund was sent to WeChat"
	case "REFUND_ACCEPTED":
		return "微信已受理退款\nWeChat took the refund"
	case "REFUND_REFUSED":
		return "微信拒绝退款\nWeChat refused the refund"
	case "REFUND_CLOSED":
		return "微信已关闭退款\nWeChat closed the refund"
	case "REFUND_NOTICE":
		return "微信退款回调\na callback of WeChat about the refund"
	case "REFUND_DONE":
		return "退款已到账\nthe money is back"
	case "REFUND_DROPPED":
		return "退款作废（微信从未受理）\nthe refund was dropped; WeChat never took it"
	case "HIS_ORDER_CANCELLED":
		return "HIS 已撤单\nthe HIS took its order back"
	case "CANCEL_GIVEN_UP":
		return "人工要求不再等待 HIS 撤单\na person waits no longer for the HIS to cancel"
	case string(evMoneyBack):
		return "已全部退回\nall the money is back"
	case string(evRetry):
		return "人工要求重试发药\na person wants another try"
	case string(evResume):
		return "人工恢复自动退款\na person opened the brake of refunds"
	case string(evGiveUp):
		return "人工要求不再发药\na person wants no further try"
	case string(evPersonRefund), string(evPersonPart):
		return "人工退款\na person refunds"
	case string(evPersonFulfilled):
		return "人工登记已发药\na person says that the drugs were given"
	case string(evPersonRefunded):
		return "人工登记已退款\na person says that the money went back"
	case "RECHECKED":
		return "重新查证\nasked again"
	case "CASE_CLAIM", "CASE_HAND_OVER":
		return "个案有了负责人\nsomebody has the case"
	case "CASE_RECHECK", "CASE_RETRY_FULFILMENT", "CASE_REFUND", "CASE_MARK_FULFILLED", "CASE_MARK_REFUNDED", "CASE_SETTLE":
		return "人工处理个案\na person worked the case"
	case "CASE_OPENED":
		return "开立个案\na case was opened"
	case "OMITTED":
		return "略去若干记录\nsome entries are left out"
	default:
		return ""
	}
}

// troubleWords is about a step that did not succeed: op and kind of a Trouble.
func troubleWords(op, kind string) Words {
	what := map[string]Words{
		opLock: {"锁定库存", "holding the stock"}, opCheck: {"核对库存", "checking the stock"},
		opPrepay: {"微信预下单", "the prepay at WeChat"}, opQuery: {"微信查单", "asking WeChat"},
		opClose: {"微信关单", "closing at WeChat"}, opConfirm: {"HIS 扣库存", "the HIS order"},
		opRelease: {"释放库存", "giving the stock back"}, opRefund: {"微信退款", "the refund at WeChat"},
		opRefundQuery: {"微信查退款", "asking WeChat for the refund"}, opCancel: {"HIS 撤单", "cancelling the HIS order"},
		"worker": {"订单处理", "working on the order"},
	}[op]
	if what.EN == "" {
		return Words{}
	}
	how := map[string]Words{
		kindPending: {"未完成", "not done yet"}, kindUnavailable: {"暂不可用", "unavailable"},
		kindMisconfigured: {"接口被拒", "refused as such"}, kindUnknown: {"结果未知", "outcome unknown"},
		kindRefused: {"被拒", "refused"}, kindUnsettled: {"尚未了结", "not settled yet"}, kindEnded: {"已结束", "has ended"},
		kindConfirmed: {"已扣库存", "found deducted"}, kindNotFound: {"未找到", "found nothing"}, kindForgotten: {"无法查证", "cannot be found out"},
		kindNotEnough: {"商户余额不足", "lacks balance"}, kindShort: {"库存不足", "short of stock"}, kindPanic: {"出错", "failed"},
	}[kind]
	if how.EN == "" {
		return what
	}
	return Words{ZH: what.ZH + how.ZH, EN: what.EN + " " + how.EN}
}
