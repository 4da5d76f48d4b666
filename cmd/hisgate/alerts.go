package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/internal/alarm"
	"github.com/hisgate/hisgate/payflow"
)

// openAlarm opens the alarm over the program's own metrics.
func (p *Program) openAlarm(o alarm.Options, g prometheus.Gatherer) (err error) {
	o.Gatherer, o.Logger = g, p.log
	p.alarm, err = alarm.New(o)
	return err
}

// onOrderAlert tells at once what cannot wait for the alarm's next look, or what
// no figure shows. The others are rules of the alarm; all are lines of the log.
func (p *Program) onOrderAlert(a payflow.Alert) {
	m := alarm.Message{Severity: alarm.Severity(a.Severity), OrderNo: a.OrderNo, CaseID: a.CaseID, Fen: a.Fen, Until: a.Deadline}
	look := "hisgate case show " + a.CaseID
	key := a.Name + ":" + a.CaseID
	switch {
	case a.Name == "case_opened" && a.Severity == payflow.P0:
		m.Name = "HisgateCase"
		m.Title = alarm.Words{ZH: "新的紧急事件", EN: "A new urgent case"}
		m.What, m.Do = alarm.Words(a.Text), alarm.Words{ZH: look, EN: look}
	case a.Name == "case_overdue":
		m.Name = "HisgateCaseOverdue"
		m.Title = alarm.Words{ZH: "事件超过处理时限", EN: "A case is past its deadline"}
		m.What, m.Do = alarm.Words(a.Text), alarm.Words{ZH: look, EN: look}
	case a.Name == "not_enough":
		key = a.Name // one balance
		m.Name = "HisgateBalance"
		m.Title = alarm.Words{ZH: "商户余额不足，退款等待中", EN: "The merchant's balance cannot pay refunds"}
		m.What = alarm.Words{ZH: "微信支付答复余额不足；同一退款单会继续重试。", EN: "WeChat Pay says that there is not enough; the same refund is tried again."}
		m.Do = alarm.Words{ZH: "为商户号充值，或调整结算。", EN: "Top up the merchant account, or change its settlement."}
	case a.Name == "misconfigured":
		key = a.Name
		m.Name = "HisgateRefusedAsSuch"
		m.Title = alarm.Words{ZH: "HIS 或微信支付拒绝我方调用（配置问题）", EN: "HIS or WeChat Pay refuse our calls as such"}
		m.What = alarm.Words{ZH: "签名、证书、权限或参数被拒；订单等待，不会因此退款。", EN: "Signature, certificate, permission or parameters; orders wait, and none is refunded for it."}
		m.Do = alarm.Words{ZH: "hisgate explain " + a.OrderNo + " 查看是哪一步、什么代码。", EN: "hisgate explain " + a.OrderNo + " shows the step and the code."}
	default:
		return
	}
	p.alarm.Tell(key, m)
}

// lastWords are how long people may be told that hisgate ends.
const lastWords = 5 * time.Second

// tellEnd tells that hisgate ends because it cannot go on. Where nobody watches it
// from outside, nobody else does.
func (p *Program) tellEnd() {
	p.alarm.Tell("ended", alarm.Message{
		Name: "HisgateEnded", Severity: alarm.P0,
		Title: alarm.Words{ZH: "hisgate 无法继续，正在停止", EN: "hisgate cannot go on and ends"},
		What:  alarm.Words{ZH: "通常是数据盘故障；已答复的都在盘上，付款通知微信会重发。", EN: "Mostly its disk has failed. What was answered is on it; WeChat repeats its notices."},
		Do:    alarm.Words{ZH: "看日志的最后几行，修好后启动 hisgate。", EN: "Read the last lines of the log, mend it, start hisgate."},
		Until: time.Now().Add(alarm.P0.Within()),
	})
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	p.alarm.Flush(ctx)
}

// alertFigures are the alarm's own, for the metrics.
func alertFigures(a *alarm.Alarm, f *server.Figures) {
	s := a.Figures()
	f.AlertsFiring = map[string]int{}
	for severity, n := range s.Firing {
		f.AlertsFiring[string(severity)] = n
	}
	f.AlertsSent, f.AlertsFailed, f.AlertsDropped = s.Sent, s.Failed, s.Dropped
}

type alertCmd struct {
	Test  alertTestCmd  `cmd:"" help:"Send a test message through each webhook, and say what each answered."`
	Rules alertRulesCmd `cmd:"" help:"Print the alerts as rules for Prometheus 2.42 or later."`
}

type alertRulesCmd struct{}

func (alertRulesCmd) Run() error {
	b, err := alarm.Prometheus(alarm.Rules())
	if err != nil {
		return err
	}
	fmt.Print(string(b))
	return nil
}
