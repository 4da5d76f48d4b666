package alarm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// most is how many bytes of text a robot takes: WeCom 2,048; DingTalk 20,000, of
// which nobody reads that much on a phone.
func (f Format) most() int {
	if f == WeCom {
		return 2048
	}
	return 6000
}

// separator stands between alerts that share a message.
const separator = "\n----\n"

// fit is how many of the messages go into one call, at least one.
func (p *poster) fit(f Format, messages []Message) int {
	size := 0
	for i := range messages {
		size += len(messages[i].Text(p.language, p.host)) + len(separator)
		if i > 0 && size > f.most() {
			return i
		}
	}
	return len(messages)
}

// robotText is the body that both robots understand.
type robotText struct {
	Type string `json:"msgtype"`
	Text struct {
		Content string `json:"content"`
	} `json:"text"`
}

// jsonAlert is one alert in the format of JSON webhooks.
type jsonAlert struct {
	Name     string     `json:"name"`
	Severity Severity   `json:"severity"`
	Kind     Kind       `json:"kind"`
	Title    jsonWords  `json:"title"`
	What     jsonWords  `json:"what"`
	Do       jsonWords  `json:"do"`
	Figure   string     `json:"figure,omitempty"`
	Fen      int64      `json:"fen,omitempty"`
	OrderNo  string     `json:"order_no,omitempty"`
	CaseID   string     `json:"case_id,omitempty"`
	Since    time.Time  `json:"since"`
	Until    *time.Time `json:"until,omitempty"`
	Host     string     `json:"host"`
}

type jsonWords struct {
	ZH string `json:"zh"`
	EN string `json:"en"`
}

func (p *poster) body(f Format, messages []Message) ([]byte, error) {
	if f == JSON {
		var doc struct {
			Alerts []jsonAlert `json:"alerts"`
		}
		for _, m := range messages {
			a := jsonAlert{
				Name: m.Name, Severity: m.Severity, Kind: m.Kind, Title: jsonWords(m.Title), What: jsonWords(m.What), Do: jsonWords(m.Do),
				Figure: m.Figure, Fen: m.Fen, OrderNo: m.OrderNo, CaseID: m.CaseID, Since: m.Since.UTC(), Host: p.host,
			}
			if !m.Until.IsZero() {
				until := m.Until.UTC()
				a.Until = &until
			}
			doc.Alerts = append(doc.Alerts, a)
		}
		return json.Marshal(doc)
	}
	texts := make([]string, len(messages))
	for i := range messages {
		texts[i] = messages[i].Text(p.language, p.host)
	}
	doc := robotText{Type: "text"}
	doc.Text.Content = cut(strings.Join(texts, separator), f.most())
	return json.Marshal(doc)
}

// signature signs as DingTalk asks: HMAC-SHA256 over the milliseconds, a line end
// and the secret, which is the key too.
func signature(secret, stamp string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "\n" + secret))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// jsonSignature signs the seconds, a dot and the body.
func jsonSignature(secret, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// cut bounds a text to so many bytes, at the end of a character.
func cut(s string, most int) string {
	const more = "…"
	if len(s) <= most {
		return s
	}
	s = s[:most-len(more)]
	for !utf8.ValidString(s) && len(s) > 0 {
		s = s[:len(s)-1]
	}
	return s + more
}
