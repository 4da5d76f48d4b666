package main

import (
	"fmt"
	"reflect"
	"strings"
)

const configIntro = `# Configuration

` + "`hisgate serve -c hisgate.yaml`" + `. Every setting has a safe default; only the HIS and the merchant account must be given. Later ones win:

1. the YAML file,
2. the environment: ` + "`HISGATE_`" + ` and the setting's path in capitals with ` + "`_`" + ` for the dots, as ` + "`HISGATE_LISTEN_HTTP=127.0.0.1:0`" + `,
3. flags: ` + "`--set listen.http=127.0.0.1:0`" + `, which may be repeated.

Durations are written ` + "`10s`, `5m`, `2h30m`" + `. Ids (merchant number, certificate serial, pharmacy, drug) must be quoted: unquoted, YAML would drop
leading zeros. An unknown key or a bad value is an error that names the setting and its line. Secrets are never settings: a setting names the
file that holds one. ` + "`hisgate config check`" + ` loads everything and prints nothing when it is good; ` + "`hisgate config show`" + ` prints what counts.

`

// configDoc is docs/configuration.md: every setting with its default and what
// it means.
func configDoc() string {
	var b strings.Builder
	b.WriteString(configIntro)
	b.WriteString("| setting | default | meaning |\n| --- | --- | --- |\n")
	values := reflect.ValueOf(Default())
	for _, s := range settingsOf(values.Type(), "") {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", s.Path, lookup(values, s.Path), s.Doc)
	}
	b.WriteString("\nFields of an entry of `safety.drugs`:\n\n| field | meaning |\n| --- | --- |\n")
	for _, s := range settingsOf(reflect.TypeFor[SafetyDrug](), "") {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s.Path, s.Doc)
	}
	b.WriteString("\nFields of an entry of `alerts.webhooks`:\n\n| field | meaning |\n| --- | --- |\n")
	for _, s := range settingsOf(reflect.TypeFor[AlertWebhook](), "") {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s.Path, s.Doc)
	}
	b.WriteString("\nFields of an entry of `feeds`:\n\n| field | meaning |\n| --- | --- |\n")
	for _, s := range settingsOf(reflect.TypeFor[Feed](), "") {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s.Path, s.Doc)
	}
	return b.String()
}

// configExample is hisgate.example.yaml: a site behind a real merchant account,
// with every other setting at its default and explained.
func configExample() string {
	c := Default()
	c.DataDir = "/var/lib/hisgate"
	c.Listen.Webhook = "0.0.0.0:8081"
	c.HIS.SimHIS.URL = "http://127.0.0.1:9480"
	c.Safety.Drugs = []SafetyDrug{{PharmacyID: "HLWYF", DrugID: "00010041", Units: 100, Percent: 10}}
	c.WeChat.MchID = "1900000109"
	c.WeChat.AppIDs = []string{"wx8888888888888888"}
	c.WeChat.MerchantSerial = "3775B6A45ACD588826D15E583A95F5DD00000000"
	c.WeChat.MerchantKeyFile = "/etc/hisgate/apiclient_key.pem"
	c.WeChat.APIv3KeyFile = "/etc/hisgate/apiv3.key"
	c.WeChat.PublicKeyID = "PUB_KEY_ID_0119000001092024000000000000000000"
	c.WeChat.PublicKeyFile = "/etc/hisgate/pub_key.pem"
	c.WeChat.NotifyURL = "https://pay.example.cn"
	var b strings.Builder
	b.WriteString("# Every setting of hisgate. Those of his and wechat, and wechat.notify_url, are for you to\n# fill in; the others stand at their defaults and may be left out.\n")
	writeExample(&b, reflect.ValueOf(c), 0)
	return b.String()
}

func writeExample(b *strings.Builder, v reflect.Value, depth int) {
	indent := strings.Repeat("  ", depth)
	for f, value := range v.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if depth == 0 {
			b.WriteString("\n")
		}
		if doc := f.Tag.Get("doc"); doc != "" {
			fmt.Fprintf(b, "%s# %s\n", indent, doc)
		}
		fmt.Fprintf(b, "%s%s:", indent, name)
		switch f.Type.Kind() {
		case reflect.Struct:
			b.WriteString("\n")
			writeExample(b, value, depth+1)
		case reflect.Slice:
			if value.Len() == 0 {
				b.WriteString(" []\n")
				continue
			}
			b.WriteString("\n")
			for i := range value.Len() {
				e := value.Index(i)
				if e.Kind() != reflect.Struct {
					fmt.Fprintf(b, "%s  - %s\n", indent, scalar(e))
					continue
				}
				var entry strings.Builder
				writeExample(&entry, e, depth+2)
				fmt.Fprintf(b, "%s  - %s", indent, strings.TrimLeft(entry.String(), " "))
			}
		default:
			fmt.Fprintf(b, " %s\n", scalar(value))
		}
	}
}

// lookup renders the value of a setting as it would stand in a file.
func lookup(v reflect.Value, path string) string {
	head, rest, nested := strings.Cut(path, ".")
	for f, value := range v.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != head {
			continue
		}
		if nested {
			return lookup(value, rest)
		}
		return scalar(value)
	}
	return ""
}

// scalar renders a leaf; a text that is empty or could be read as a number or
// an id is quoted.
func scalar(v reflect.Value) string {
	if v.Type() == reflect.TypeFor[ID]() || v.Kind() == reflect.String && v.String() == "" {
		return fmt.Sprintf("%q", v.String())
	}
	return fmt.Sprint(v.Interface())
}
