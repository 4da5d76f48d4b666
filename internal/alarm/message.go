package alarm

import (
	"fmt"
	"strings"
	"time"
)

// Kind is what a message says of its alert.
type Kind string

// The kinds of messages.
const (
	Firing   Kind = "firing"   // it stands since now
	Repeated Kind = "repeated" // it stands still
	Resolved Kind = "resolved" // it is over
	Happened Kind = "happened" // an event, which has no end
	Trial    Kind = "test"
)

// Message is one alert, as people get it.
type Message struct {
	Name     string
	Severity Severity
	Kind     Kind
	Title    Words
	What     Words
	Do       Words
	Figure   string // of a rule: the figure and its threshold
	Fen      int64  // the money concerned; 0 = none, or not known
	OrderNo  string
	CaseID   string
	Since    time.Time
	Until    time.Time // by when a person should have acted; zero = nobody need
}

// Language is in which languages messages are written.
type Language string

// The languages.
const (
	Both    Language = "both" // Chinese, and English below
	Chinese Language = "zh"
	English Language = "en"
)

// beijing is the time of messages.
var beijing = time.FixedZone("CST", 8*3600)

func clock(t time.Time) string { return t.In(beijing).Format("2006-01-02 15:04") }

// Text writes the message for people; host says which hisgate it is.
func (m *Message) Text(l Language, host string) string {
	switch l {
	case Chinese:
		return m.chinese(host)
	case English:
		return m.english(host)
	default:
		return m.chinese(host) + "\n" + m.english(host)
	}
}

// yuan writes fen as yuan, exactly.
func yuan(fen int64) string {
	if fen < 0 {
		return "-" + yuan(-fen)
	}
	return fmt.Sprintf("%d.%02d", fen/100, fen%100)
}

func (m *Message) chinese(host string) string {
	head := map[Kind]string{Repeated: "【仍在】", Resolved: "【已恢复】", Trial: "【测试】"}[m.Kind]
	urgency := map[Severity]string{P0: "P0 立即处理", P1: "P1 尽快处理", P2: "P2 工作日处理"}[m.Severity]
	var b strings.Builder
	fmt.Fprintf(&b, "%s【%s】%s", head, urgency, m.Title.ZH)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "\n%s：%s", name, text)
		}
	}
	if m.Kind == Resolved {
		line("持续", lasted(m.Since, m.Until))
		line("实例", host)
		return b.String()
	}
	line("情况", m.What.ZH)
	line("数值", m.Figure)
	line("订单", m.OrderNo)
	line("事件", m.CaseID)
	if m.Fen != 0 {
		line("涉及金额", yuan(m.Fen)+" 元")
	}
	if !m.Until.IsZero() {
		line("处理时限", clock(m.Until)+" 之前")
	}
	line("处理", m.Do.ZH)
	line("开始", clock(m.Since))
	line("实例", host)
	return b.String()
}

func (m *Message) english(host string) string {
	head := map[Kind]string{Repeated: "[STILL] ", Resolved: "[OVER] ", Trial: "[TEST] "}[m.Kind]
	var b strings.Builder
	fmt.Fprintf(&b, "%s[%s] %s", head, m.Severity, m.Title.EN)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "\n%s: %s", name, text)
		}
	}
	if m.Kind == Resolved {
		line("Lasted", lasted(m.Since, m.Until))
		line("Host", host)
		return b.String()
	}
	line("What", m.What.EN)
	line("Figure", m.Figure)
	line("Order", m.OrderNo)
	line("Case", m.CaseID)
	if m.Fen != 0 {
		line("Money", yuan(m.Fen)+" yuan")
	}
	if !m.Until.IsZero() {
		line("Act before", clock(m.Until)+" (Beijing)")
	}
	line("Do", m.Do.EN)
	line("Since", clock(m.Since)+" (Beijing)")
	line("Host", host)
	return b.String()
}

// lasted is how long an alert stood.
func lasted(since, until time.Time) string {
	return until.Sub(since).Round(time.Second).String()
}
