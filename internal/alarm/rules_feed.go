package alarm

import "time"

// feedRules are about the feeds of stock changes. All are P2: while a feed is dead
// or wrong, stock is read as without it, and no lock is judged by it.
func feedRules() []Rule {
	return []Rule{
		{
			Name: "HisgateFeedDown", Severity: P2, For: 2 * time.Minute, Unit: Count,
			Signal: sum(now("hisgate_feed_down")),
			Title:  Words{"库存推送连接中断", "A feed of stock changes has no connection"},
			What:   Words{"收不到 HIS 侧的库存变化；读库存退回到 10 秒缓存，锁定不受影响。", "Changes are not told; readers see them with the 10-second cache as before, and locks are not concerned."},
			Do:     Words{"看 /readyz 与日志中该 feed 的错误，检查消息队列或数据库；恢复后自动续传。", "Read the feed's error in /readyz or the log; mend broker or database. It goes on where it was by itself."},
		},
		{
			Name: "HisgateFeedSilent", Severity: P2, For: time.Minute, Unit: Count,
			Signal: sum(now("hisgate_feed_silent")),
			Title:  Words{"库存推送长时间无消息", "A feed of stock changes is silent"},
			What:   Words{"连接正常，但超过 silent_after 没有任何消息；多半是发送方停了。", "It is connected, and had no message for silent_after: mostly its sender has stopped."},
			Do:     Words{"请 HIS 团队检查触发器、发布程序或任务；夜间本无变化则调大 silent_after。", "Have the HIS team look at trigger, publisher or job; raise silent_after if nothing changes at night."},
		},
		{
			Name: "HisgateFeedLagging", Severity: P2, Above: 10_000, For: 5 * time.Minute, Unit: Count,
			Signal: sum(now("hisgate_feed_lag_messages")),
			Title:  Words{"库存推送积压超过 10000 条", "More than 10000 stock changes wait at their source"},
			What:   Words{"消费跟不上，读者看到的推送数字偏旧。", "They are not taken as fast as they come; what readers are told is late."},
			Do:     Words{"看 hisgate_feed_delay_seconds 与 CPU；请发送方合并消息，一条消息可含多个药品。", "Look at hisgate_feed_delay_seconds and the processor; let the sender put several drugs into one message."},
		},
		{
			Name: "HisgateFeedDeadLetters", Severity: P2, Unit: Count,
			Signal: sum(over(15*time.Minute, "hisgate_feed_messages_total", where("result", "dead", "lost"))),
			Title:  Words{"库存推送有无法读取的消息", "Stock changes could not be read"},
			What:   Words{"消息已放入死信（或日志），其余消息照常处理。", "They are with the dead letters, with the reason; the others went on."},
			Do:     Words{"看死信中的 reason，用 hisgate feed parse 修正映射文件。", "Read the reason there; mend the mapping file with hisgate feed parse."},
		},
		{
			Name: "HisgateFeedOlder", Severity: P2, Above: 0.9, For: 5 * time.Minute, Unit: Percent,
			Signal: Signal{
				Sum: []Term{over(15*time.Minute, "hisgate_feed_changes_total", where("result", "older"))},
				Of:  []Term{over(15*time.Minute, "hisgate_feed_changes_total", where("result", "older", "applied"))}, LeastOf: 20,
			},
			Title: Words{"库存推送几乎全部被当作旧消息丢弃", "Nearly all stock changes are dropped as older"},
			What:  Words{"序号不再增长：队列或表被重建，序号从头开始。", "Their sequence does not rise: the stream or table was made anew and counts from the start."},
			Do:    Words{"确认后重启 hisgate，序号从新开始记。", "If it is so, restart hisgate: it then counts from the new start."},
		},
	}
}
