package main

import (
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/hisgate/hisgate/internal/alarm"
)

// Alerts is who is told when a person is needed.
type Alerts struct {
	Webhooks []AlertWebhook `yaml:"webhooks" doc:"Where alerts are sent: robots of WeCom or DingTalk groups, or any other HTTP receiver. docs/alerts.md lists the alerts. Empty = they are lines of the log and metrics alone."`
	Repeat   time.Duration  `yaml:"repeat" doc:"What still stands is told again after this."`
	Language string         `yaml:"language" doc:"both (Chinese, and English below), zh or en."`
}

// AlertWebhook is one place that alerts are sent to.
type AlertWebhook struct {
	Kind       string `yaml:"kind" doc:"wecom (企业微信群机器人), dingtalk (钉钉群机器人), or json."`
	URLFile    string `yaml:"url_file" doc:"A file with the webhook's https:// address. The address holds the key, so it is a secret. Read for every message."`
	SecretFile string `yaml:"secret_file" doc:"A file with the secret that messages are signed with (dingtalk: 加签; json: see docs/alerts.md); empty = they are not."`
}

func (c *Config) validateAlerts(k *checker) {
	a := c.Alerts
	k.between(a.Repeat, "alerts.repeat", time.Minute, 7*24*time.Hour)
	k.oneOf(a.Language, "alerts.language", "both", "zh", "en")
	for i, w := range a.Webhooks {
		p := fmt.Sprintf("alerts.webhooks[%d]", i)
		k.oneOf(w.Kind, p+".kind", "wecom", "dingtalk", "json")
		k.want(w.SecretFile == "" || w.Kind != "wecom", p+".secret_file", "the robots of WeCom know no signature")
		if w.URLFile == "" {
			k.want(false, p+".url_file", "must be set")
			continue
		}
		err := w.webhook().Check()
		k.want(err == nil, p, "%v", err)
		k.want(!slices.ContainsFunc(a.Webhooks[:i], func(o AlertWebhook) bool { return o.URLFile == w.URLFile }), p+".url_file", "stands twice")
	}
}

func (w AlertWebhook) webhook() alarm.Webhook {
	return alarm.Webhook{Format: alarm.Format(w.Kind), URLFile: w.URLFile, SecretFile: w.SecretFile}
}

// alarmSettings is the configuration in the words of the alarm.
func (c *Config) alarmSettings() alarm.Options {
	o := alarm.Options{Repeat: c.Alerts.Repeat, Language: alarm.Language(c.Alerts.Language), Host: "hisgate"}
	if name, err := os.Hostname(); err == nil {
		o.Host += "@" + name
	}
	for _, w := range c.Alerts.Webhooks {
		o.Webhooks = append(o.Webhooks, w.webhook())
	}
	return o
}
