package alarm

import "time"

// hisRules are about the HIS.
func hisRules() []Rule {
	return []Rule{
		{
			Name: "HisgateHISMisconfigured", Severity: P1, Unit: Count,
			Signal: sum(now("hisgate_guard_paused"), over(10*time.Minute, "hisgate_his_calls_total", where("outcome", "misconfigured"))),
			Title:  Words{"HIS 拒绝我方调用（配置问题）", "The HIS refuses our calls as such"},
			What:   Words{"签名、权限或参数被拒；已付款订单会等待，不会因此退款。", "Signature, permission or parameters; paid orders wait, and none is refunded for it."},
			Do:     Words{"看日志 outcome=misconfigured 的 his_code，核对密钥、授权与映射文件。", "Read his_code where outcome=misconfigured; check keys, permissions and the mapping file."},
		},
		{
			Name: "HisgateHISDown", Severity: P1, For: 2 * time.Minute, Unit: Flag,
			Signal: sum(now("hisgate_guard_breaker_open")),
			Title:  Words{"HIS 不可用", "The HIS cannot be used"},
			What:   Words{"熔断已打开：读库存给旧数据，新的锁定按 lock.degraded 处理，已付款订单等待。", "The breaker is open: readers get old figures, locks follow lock.degraded, paid orders wait."},
			Do:     Words{"联系 HIS 与网络；恢复后系统自动继续，无需重启。", "Have HIS and network mended; hisgate goes on by itself, do not restart it."},
		},
		{
			Name: "HisgateHoldFailures", Severity: P1, Above: 0.05, Unit: Percent,
			Signal: Signal{
				Sum: []Term{over(15*time.Minute, "hisgate_holds_total", where("result", "refused", "failed"))},
				Of:  []Term{over(15*time.Minute, "hisgate_holds_total")}, LeastOf: 20, LeastSum: 2,
			},
			Title: Words{"预扣库存失败率超过 5%", "Hold failures above 5 %"},
			What:  Words{"锁定库存失败（不含正常缺货），患者无法下单。", "Stock cannot be held, plain shortages not counted: patients cannot order."},
			Do:    Words{"GET /v1/guard 看熔断与排队；看日志 op=Freeze、QueryStock 的 outcome 与 his_code。", "GET /v1/guard for breaker and queues; read outcome and his_code of Freeze and QueryStock in the log."},
		},
		{
			Name: "HisgateHISOutcomeUnknown", Severity: P1, Above: 600, Unit: Seconds,
			Signal: sum(now("hisgate_lock_oldest_unknown_seconds")),
			Title:  Words{"HIS 调用结果不明超过 10 分钟", "An outcome at the HIS is unknown for more than 10 minutes"},
			What:   Words{"系统在向 HIS 查询该单是否已扣；30 分钟后转为人工事件。", "hisgate asks the HIS what became of it; after 30 minutes it is a case."},
			Do:     Words{"确认 HIS 的订单查询接口正常；勿手工重复扣库存。", "See that the HIS answers questions about orders; do not deduct by hand."},
		},
		{
			Name: "HisgateHISSlow", Severity: P2, Above: 1, For: 5 * time.Minute, Unit: Seconds,
			Signal: Signal{Sum: []Term{over(5*time.Minute, "hisgate_his_call_duration_seconds")}, Quantile: 0.99, LeastOf: 50},
			Title:  Words{"HIS 响应 P99 超过 1 秒", "P99 of the HIS above 1 s"},
			What:   Words{"HIS 变慢，读库存与锁定都会变慢。", "The HIS is slow, and with it stock and locks."},
			Do:     Words{"请 HIS 查慢查询与负载；必要时调低 his.guard.concurrency、rate。", "Have the HIS look at its load; lower his.guard.concurrency and rate if need be."},
		},
	}
}

// workRules are about work that is to be done later.
func workRules() []Rule {
	return []Rule{
		{
			Name: "HisgateCompensationStopped", Severity: P1, Above: 120, For: time.Minute, Unit: Seconds, Money: true,
			Signal: sum(now("hisgate_lock_oldest_due_seconds"), now("hisgate_payflow_oldest_due_seconds")),
			Title:  Words{"补偿任务没有运行", "Compensation does not run"},
			What:   Words{"到期的释放或订单步骤超过 2 分钟无人执行。", "Releases or steps of orders that are due were not taken up for two minutes."},
			Do:     Words{"查看日志与 CPU、磁盘；时钟报警时先校时；仍不恢复则重启 hisgate。", "Look at log, processor and disk; set the clock right if it is in doubt; else restart hisgate."},
		},
		{
			Name: "HisgateCompensationBacklog", Severity: P2, Above: 100, For: 5 * time.Minute, Unit: Count, Money: true,
			Signal: sum(now("hisgate_lock_work"), now("hisgate_payflow_refund_backlog"), now("hisgate_payflow_inbox")),
			Title:  Words{"补偿任务积压超过 100", "Compensation backlog above 100"},
			What:   Words{"待处理的 HIS 释放与查询、退款、通知过多。", "Too many releases and questions to the HIS, refunds and notices wait."},
			Do:     Words{"多半是 HIS 或微信支付变慢或不可用；恢复后会自行消化。", "Mostly HIS or WeChat Pay are slow or away; it goes by itself when they are back."},
		},
		{
			Name: "HisgateHeldStockBacklog", Severity: P2, Above: 50, For: 10 * time.Minute, Unit: Count,
			Signal: sum(now("hisgate_locks", where("status", "RELEASING"))),
			Title:  Words{"待归还库存积压超过 50", "More than 50 holds wait to be given back"},
			What:   Words{"已取消或过期的预扣还没有在 HIS 解冻，窗口看到的库存偏少。", "Freezes of cancelled and expired orders still stand at the HIS: the counter sees too little stock."},
			Do:     Words{"检查 HIS 的解冻接口；GET /v1/locks?status=RELEASING 查看单号。", "Look at the HIS's unfreeze; GET /v1/locks?status=RELEASING names the orders."},
		},
	}
}

// houseRules are about hisgate itself.
func houseRules() []Rule {
	return []Rule{
		{
			Name: "HisgateDiskLow", Severity: P0, Unit: Flag,
			Signal: sum(now("hisgate_disk_low")),
			Title:  Words{"磁盘空间不足，已停止接单", "The disk is nearly full: no new orders"},
			What:   Words{"剩余空间低于 storage.disk_reserve；确认、释放与付款通知照常。", "Less is free than storage.disk_reserve; confirms, releases and notices go on."},
			Do:     Words{"立即清理或扩容数据盘。", "Free or add disk space now."},
		},
		{
			Name: "HisgateClockSkewRed", Severity: P0, Above: 240, Unit: Seconds,
			Signal: Signal{Sum: []Term{now("hisgate_clock_skew_seconds")}, Abs: true},
			Title:  Words{"时钟与微信支付相差超过 4 分钟", "The clock is more than 4 minutes off"},
			What:   Words{"相差 5 分钟起，微信支付拒绝一切请求与通知。", "From five minutes on WeChat Pay refuses everything."},
			Do:     Words{"立即校时（chrony/NTP），并检查时区。", "Set the clock now (chrony, NTP)."},
		},
		{
			Name: "HisgateHISClockSkewRed", Severity: P1, Above: 240, For: 5 * time.Minute, Unit: Seconds,
			Signal: Signal{Sum: []Term{now("hisgate_his_clock_skew_seconds")}, Abs: true},
			Title:  Words{"与 HIS 的时钟相差超过 4 分钟", "The HIS's clock is more than 4 minutes off ours"},
			What:   Words{"HIS 的签名时间戳、冻结时限与当日订单会对不上。", "Stamps of signed calls, the life of freezes and the orders of a day will not fit."},
			Do:     Words{"同时有 HisgateClockSkew 则校本机时钟，否则请 HIS 校时。", "With HisgateClockSkew it is our clock: set it; else have the HIS team set theirs."},
		},
		{
			Name: "HisgateClockDoubt", Severity: P1, For: time.Minute, Unit: Flag,
			Signal: sum(now("hisgate_clock_doubt")),
			Title:  Words{"系统时钟被调整，过期释放已暂停", "The clock was set: nothing expires"},
			What:   Words{"时钟跳变后，预扣暂不自动释放，以免放错。", "After a jump of the clock holds are not given back by themselves."},
			Do:     Words{"校时；走稳 10 分钟后自动恢复。", "Set the clock right; it is trusted again after ten even minutes."},
		},
		{
			Name: "HisgateFaults", Severity: P1, Unit: Count,
			Signal: sum(over(15*time.Minute, "hisgate_panics_total"), over(15*time.Minute, "hisgate_payflow_panics_total"), over(15*time.Minute, "hisgate_lock_faults_total")),
			Title:  Words{"程序内部故障", "Faults inside hisgate"},
			What:   Words{"发生了不应发生的情况，相关请求或订单受影响。", "Something happened that cannot; the calls or orders concerned suffered."},
			Do:     Words{"保存日志并报告；hisgate ledger verify 核对账本。", "Keep the log and report it; run hisgate ledger verify."},
		},
		{
			Name: "HisgateRecovering", Severity: P1, For: 10 * time.Minute, Unit: Flag,
			Signal: sum(now("hisgate_recovering")),
			Title:  Words{"从备份恢复后仍在核对", "Still recovering after a restore"},
			What:   Words{"核对完成前不接受新的锁定、订单与退款。", "No lock, order or refund begins before it is done."},
			Do:     Words{"hisgate_recovery_left 不下降说明 HIS 或微信支付不答复，先恢复它们。", "If hisgate_recovery_left does not fall, HIS or WeChat Pay do not answer: mend that first."},
		},
		{
			Name: "HisgateClockSkew", Severity: P2, Above: 30, For: 5 * time.Minute, Unit: Seconds,
			Signal: Signal{Sum: []Term{now("hisgate_clock_skew_seconds")}, Abs: true},
			Title:  Words{"时钟偏差超过 30 秒", "The clock is more than 30 s off"},
			What:   Words{"以微信支付的应答时间为准。", "By the answers of WeChat Pay."},
			Do:     Words{"检查 chrony/NTP。", "Check chrony or NTP."},
		},
		{
			Name: "HisgateHISClockSkew", Severity: P2, Above: 30, For: 15 * time.Minute, Unit: Seconds,
			Signal: Signal{Sum: []Term{now("hisgate_his_clock_skew_seconds")}, Abs: true},
			Title:  Words{"与 HIS 的时钟相差超过 30 秒", "The HIS's clock is more than 30 s off ours"},
			What:   Words{"以 HIS 应答的 Date 为准。", "By the Date of its answers."},
			Do:     Words{"同时有 HisgateClockSkew 则校本机时钟，否则请 HIS 校时。", "With HisgateClockSkew it is our clock: set it; else have the HIS team set theirs."},
		},
	}
}
