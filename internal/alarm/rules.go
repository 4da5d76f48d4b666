package alarm

import (
	"slices"
	"time"
)

// keep is how long a rule must not have held before its alert is over, so that a
// figure which wavers around its threshold does not ring twice.
const keep = 5 * time.Minute

func now(metric string, where ...Match) Term { return Term{Metric: metric, Where: where} }

func over(d time.Duration, metric string, where ...Match) Term {
	return Term{Metric: metric, Where: where, Over: d}
}

func where(label string, values ...string) Match { return Match{Label: label, Values: values} }

func sum(terms ...Term) Signal { return Signal{Sum: terms} }

// Rules are all rules, the most urgent first. docs/alerts.md explains them, and
// deploy/prometheus/alerts.yml has them for Prometheus.
func Rules() []Rule {
	var rules []Rule
	for _, group := range [][]Rule{moneyRules(), hisRules(), feedRules(), workRules(), houseRules()} {
		rules = append(rules, group...)
	}
	for i := range rules {
		rules[i].Keep = keep
	}
	slices.SortStableFunc(rules, func(a, b Rule) int { return a.Severity.rank() - b.Severity.rank() })
	return rules
}

// moneyRules are about patients who paid.
func moneyRules() []Rule {
	paid := where("to", "PAID")
	lost := over(time.Hour, "hisgate_payflow_transitions_total", where("from", "PAID"), where("to", "REFUNDING", "NEEDS_ATTENTION"))
	return []Rule{
		{
			Name: "HisgateProofBroken", Severity: P0, Signal: sum(now("hisgate_payflow_proof_broken")), Unit: Count, Money: true,
			Title: Words{"有已付款订单无人负责", "Paid orders that nobody answers for"},
			What:  Words{"订单已付款，但既未发药、未退款，也没有待办事件或下一步。", "Paid, and neither fulfilled, refunded, a case nor on their way."},
			Do:    Words{"GET /v1/proof 列出订单；逐单核对 HIS 与微信支付，人工发药或退款；保存日志并报告。", "GET /v1/proof names them: look at HIS and WeChat Pay for each, give drugs or money by hand, and report the fault."},
		},
		{
			Name: "HisgatePaidNotFulfilled", Severity: P0, Above: 0.01, Unit: Percent, Money: true,
			Signal: Signal{
				Sum: []Term{lost, now("hisgate_payflow_late_orders")},
				Of:  []Term{over(time.Hour, "hisgate_payflow_transitions_total", paid)}, LeastOf: 20, LeastSum: 2,
			},
			Title: Words{"已付款未发药超过 1%", "Paid but not fulfilled above 1 %"},
			What:  Words{"一小时内付款的订单中，转退款、转人工或五分钟仍未发药的过多。", "Of the orders paid within an hour too many went to a refund or a person, or are not fulfilled after five minutes."},
			Do:    Words{"hisgate case list 看原因：HIS 库存不准则核对库存并调高安全库存；HIS 故障则联系 HIS，必要时暂停线上下单。", "hisgate case list tells why: correct the stock and raise safety stock, or have the HIS mended; stop online orders if it lasts."},
		},
		{
			Name: "HisgateUrgentCases", Severity: P0, For: time.Minute, Unit: Count, Money: true,
			Signal: sum(now("hisgate_payflow_open_cases", where("severity", "P0"))),
			Title:  Words{"有紧急事件待人工处理", "Urgent cases wait for a person"},
			What:   Words{"这些事件关系患者的药或钱，不会自行结束。", "They are about a patient's drugs or money and do not end by themselves."},
			Do:     Words{"hisgate case list 查看，认领后按提示处理。", "hisgate case list; claim each and follow what it says."},
		},
		{
			Name: "HisgateCasesOverdue", Severity: P0, Unit: Count, Money: true,
			Signal: sum(now("hisgate_payflow_overdue_cases")),
			Title:  Words{"事件超过处理时限", "Cases are past their deadline"},
			What:   Words{"有事件到期仍未处理。", "Nobody settled them in time."},
			Do:     Words{"hisgate case list 查看负责人，立即处理或移交。", "hisgate case list shows the owners: settle them now, or hand over."},
		},
		{
			Name: "HisgateRefundsWanted", Severity: P1, Above: 10, Unit: Count, Money: true,
			Signal: sum(over(time.Hour, "hisgate_payflow_transitions_total", where("from", "PAID", "CLOSED"), where("to", "REFUNDING"))),
			Title:  Words{"一小时自动退款需求超过 10 笔", "More than 10 automatic refunds wanted in an hour"},
			What:   Words{"付款后无法发药的订单过多，通常是库存不准或 HIS 拒单。", "Too many paid orders cannot be fulfilled: mostly wrong stock, or a HIS that refuses orders."},
			Do:     Words{"核对被退药品在 HIS 的实际库存，调高安全库存，或把策略改为 RESERVE。", "Compare the refunded drugs with the HIS, raise safety stock, or use RESERVE."},
		},
		{
			Name: "HisgateRefundBrakeShut", Severity: P1, Unit: Flag, Money: true,
			Signal: sum(now("hisgate_payflow_refund_brake_shut")),
			Title:  Words{"自动退款已达每小时上限", "The hourly limit of automatic refunds is used up"},
			What:   Words{"其余退款转为人工事件等待。", "Further refunds wait as cases."},
			Do:     Words{"先查明原因，再 hisgate case resume-refunds，或逐单退款。", "Find out why, then hisgate case resume-refunds, or refund one by one."},
		},
		{
			Name: "HisgateLockCases", Severity: P1, For: time.Minute, Unit: Count,
			Signal: sum(now("hisgate_lock_cases")),
			Title:  Words{"有锁定待人工处理", "Locks wait for a person"},
			What:   Words{"HIS 是否已扣库存无法由系统判定。", "hisgate cannot find out whether the HIS deducted."},
			Do:     Words{"在 HIS 核对该单号，再用 hisgate case resolve 登记 applied 或 not-applied。", "Look the number up in the HIS, then hisgate case resolve with applied or not-applied."},
		},
		{
			Name: "HisgateConfirmFailures", Severity: P1, Above: 0.05, Unit: Percent, Money: true,
			Signal: Signal{
				Sum: []Term{over(15*time.Minute, "hisgate_confirms_total", where("result", "short", "refused", "failed"))},
				Of:  []Term{over(15*time.Minute, "hisgate_confirms_total")}, LeastOf: 20, LeastSum: 2,
			},
			Title: Words{"确认扣库存失败率超过 5%", "Confirm failures above 5 %"},
			What:  Words{"已付款订单在 HIS 扣库存失败或结果不明。", "Paid orders cannot be deducted at the HIS, or nobody knows whether they were."},
			Do:    Words{"看日志 msg=confirm 的 his_code；缺货则补货，HIS 故障则联系 HIS。系统会自动重试，勿在 HIS 重复开单。", "Read his_code in the log lines \"confirm\": restock, or have the HIS mended. hisgate repeats by itself: do not enter the orders again."},
		},
		{
			Name: "HisgatePayOutcomeUnknown", Severity: P1, Above: 600, Unit: Seconds, Money: true,
			Signal: sum(now("hisgate_payflow_oldest_unknown_seconds")),
			Title:  Words{"订单步骤结果不明超过 10 分钟", "A step of an order is unknown for more than 10 minutes"},
			What:   Words{"HIS 或微信支付没有给出可信的结果，系统仍在查询。", "HIS or WeChat Pay gave no answer to rely on; hisgate goes on asking."},
			Do:     Words{"检查到微信支付与 HIS 的网络；hisgate explain 单号 查看卡在哪一步。", "Check the network to WeChat Pay and the HIS; hisgate explain ORDER_NO shows the step."},
		},
		{
			Name: "HisgateInboxStuck", Severity: P1, Above: 60, Unit: Seconds,
			Signal: sum(now("hisgate_payflow_oldest_inbox_seconds")),
			Title:  Words{"付款通知积压超过 1 分钟", "Payment notices wait for more than a minute"},
			What:   Words{"微信的通知已保存但未处理。", "Notices of WeChat Pay are stored and not taken."},
			Do:     Words{"查看日志与磁盘；必要时重启 hisgate，通知不会丢失。", "Look at log and disk; restart hisgate if need be, no notice is lost."},
		},
		{
			Name: "HisgateReconciliationDifferences", Severity: P1, Unit: Count,
			Signal: sum(now("hisgate_reconciliation_differences")),
			Title:  Words{"对账有差异", "Reconciliation found differences"},
			What:   Words{"最近一日的微信账单、本系统订单与 HIS 订单不一致，每条都是一个事件。", "WeChat's bill, the orders here and those of the HIS differ; each difference is a case."},
			Do:     Words{"hisgate reconcile --show 查看差异并逐条处理；处理后重跑当日对账。", "hisgate reconcile --show names them; settle each, then compare the day again."},
		},
		{
			Name: "HisgateReconciliationLate", Severity: P1, Unit: Flag,
			Signal: sum(now("hisgate_reconciliation_late")),
			Title:  Words{"对账延误", "Reconciliation is late"},
			What:   Words{"昨日账单可下载已超过 6 小时，仍未完成对账。", "The day before could have been compared six hours ago and is not."},
			Do:     Words{"运行 hisgate reconcile 看失败原因（网络、证书、HIS 查询）。", "hisgate reconcile says what fails: network, keys, the HIS's list."},
		},
	}
}
