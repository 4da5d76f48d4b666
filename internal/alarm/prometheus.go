package alarm

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v4"
)

// promFile is a file of rules of Prometheus.
type promFile struct {
	Groups []promGroup `yaml:"groups"`
}

type promGroup struct {
	Name  string     `yaml:"name"`
	Rules []promRule `yaml:"rules"`
}

type promRule struct {
	Alert       string          `yaml:"alert"`
	Expr        string          `yaml:"expr"`
	For         string          `yaml:"for,omitempty"`
	Keep        string          `yaml:"keep_firing_for,omitempty"`
	Labels      promLabels      `yaml:"labels"`
	Annotations promAnnotations `yaml:"annotations"`
}

type promLabels struct {
	Severity string `yaml:"severity"`
}

type promAnnotations struct {
	Summary   string `yaml:"summary"`
	SummaryEN string `yaml:"summary_en"`
	What      string `yaml:"what"`
	Action    string `yaml:"action"`
	ActionEN  string `yaml:"action_en"`
	Value     string `yaml:"value,omitempty"`
	Money     string `yaml:"money_yuan,omitempty"`
	ActWithin string `yaml:"act_within"`
}

// moneyQuery is the money that is owed at the hisgate that the alert is about.
const moneyQuery = "{{ range printf \"sum(" + owedMetric + "{instance='%s'}) / 100\" $labels.instance | query }}{{ printf \"%.2f\" .Value }}{{ end }}"

// downRule is what only somebody outside can see.
func downRule() Rule {
	return Rule{
		Name: "HisgateDown", Severity: P0, For: keep / 5, Unit: Flag,
		Title: Words{"hisgate 没有运行或无法采集", "hisgate is down or cannot be read"},
		What:  Words{"采集不到 hisgate 的指标：进程停止、主机或网络故障，或 job 配置有误。", "No metrics of hisgate: the process, its host or the network is down, or the job is wrong."},
		Do:    Words{"检查进程与主机并启动 hisgate；数据在盘上，重启后继续。", "Look at process and host, start hisgate; it goes on where it was."},
	}
}

// Prometheus writes the rules as a file of rules for Prometheus 2.42 or later,
// with one more: that hisgate is down.
func Prometheus(rules []Rule) ([]byte, error) {
	down := downRule()
	group := promGroup{Name: "hisgate", Rules: []promRule{down.prom("absent(hisgate_build_info)")}}
	for i := range rules {
		group.Rules = append(group.Rules, rules[i].prom(rules[i].Expr()))
	}
	var b bytes.Buffer
	b.WriteString("# Alerts of hisgate; docs/alerts.md explains each. Written by: hisgate alert rules\n")
	body, err := yaml.Dump(promFile{Groups: []promGroup{group}}, yaml.WithLineWidth(-1))
	if err != nil {
		return nil, err
	}
	b.Write(body)
	return b.Bytes(), nil
}

func (r *Rule) prom(expr string) promRule {
	p := promRule{
		Alert: r.Name, Expr: expr, Labels: promLabels{string(r.Severity)},
		Annotations: promAnnotations{
			Summary: r.Title.ZH, SummaryEN: r.Title.EN, What: r.What.ZH, Action: r.Do.ZH, ActionEN: r.Do.EN,
			ActWithin: promDuration(r.Severity.Within()),
		},
	}
	if r.For > 0 {
		p.For = promDuration(r.For)
	}
	if r.Keep > 0 {
		p.Keep = promDuration(r.Keep)
	}
	switch r.Unit {
	case Percent:
		p.Annotations.Value = fmt.Sprintf("{{ $value | humanizePercentage }} (%s)", r.Threshold())
	case Count:
		p.Annotations.Value = fmt.Sprintf("{{ $value | humanize }} (%s)", r.Threshold())
	case Seconds:
		p.Annotations.Value = fmt.Sprintf("{{ $value | humanizeDuration }} (%s)", r.Threshold())
	}
	if r.Money {
		p.Annotations.Money = moneyQuery
	}
	return p
}
