package probe

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// Head is the head of the table that Row's rows stand in.
func Head(chinese bool) string {
	if chinese {
		return row("步骤", "结果", "毫秒", "发出", "收到", "读作")
	}
	return row("step", "result", "ms", "sent", "came back", "read as")
}

func row(step, result, ms, sent, back, read string) string {
	return strings.TrimRight(strings.Join([]string{fit(step, 26), fit(result, 7), fit(ms, 6), fit(sent, 44), fit(back, 26), read}, " "), " ")
}

// Rows writes a step as rows of a table: one for each request, and what it showed.
func (s Step) Rows(chinese bool) []string {
	calls := s.Calls
	if len(calls) == 0 {
		calls = []Call{{}}
	}
	var out []string
	for i, c := range calls {
		name, verdict, ms := "", "", ""
		if i == 0 {
			name, verdict = s.Name.In(chinese), s.Verdict.word().In(chinese)
		}
		if c.Sent != "" {
			ms = fmt.Sprint(c.Took.Round(time.Millisecond).Milliseconds())
		}
		out = append(out, row(name, verdict, ms, c.Sent, c.Back, printable(c.Read)))
	}
	if found := s.Found.In(chinese); found != "" {
		out = append(out, "    → "+printable(found))
	}
	return out
}

func (v Verdict) word() Text {
	return [...]Text{OK: {"通过", "ok"}, Failed: {"失败", "FAILED"}, Noted: {"注意", "note"}, Skipped: {"略过", "skipped"}}[v]
}

// fit cuts or fills a text to a width on the screen, on which a Chinese character
// takes two places.
func fit(s string, width int) string {
	s = strings.Join(strings.Fields(printable(s)), " ")
	var b strings.Builder
	at := 0
	for i, r := range s {
		w := wide(r)
		if at+w > width-1 && i+len(string(r)) < len(s) {
			b.WriteString("…")
			at++
			break
		}
		b.WriteRune(r)
		at += w
	}
	return b.String() + strings.Repeat(" ", max(width-at, 0))
}

// printable keeps what a HIS says from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

func wide(r rune) int {
	if r >= 0x1100 && r != '…' && r != '→' && (r < 0x2000 || r >= 0x2e80) {
		return 2
	}
	return 1
}

// Write writes what follows the table: what is left at the HIS, what is proven,
// and the block to paste.
func (r *Report) Write(w io.Writer, chinese bool) error {
	say := func(zh, en string) string { return Text{zh, en}.In(chinese) }
	var b strings.Builder
	if r.Interrupted {
		b.WriteString("\n" + say("已中断：后面的步骤没有做。", "Cut short: the steps that follow were not taken.") + "\n")
	}
	for i, l := range r.Left {
		if i == 0 {
			b.WriteString("\n" + say("未能还原，请人工处理：", "COULD NOT BE UNDONE, for a person:") + "\n")
		}
		b.WriteString("  " + printable(l.In(chinese)) + "\n")
	}
	if r.Interrupted || len(r.Proofs) == 0 {
		_, err := io.WriteString(w, b.String())
		return err // half a probe proves less than it seems
	}
	b.WriteString("\n" + say("可粘贴到 hisgate.yaml（未证明的保持关闭）：", "To paste into hisgate.yaml (what was not proven stays off):") + "\n\n")
	b.WriteString("his:\n  capabilities:\n")
	outer := ""
	for _, p := range r.Proofs {
		why := p.Why.In(chinese)
		line := fmt.Sprintf("%s: %s", p.Setting, p.Value)
		if p.Setting == "figure_lag" {
			outer += fmt.Sprintf("  %-34s # %s\n", line, why)
			continue
		}
		fmt.Fprintf(&b, "    %-32s # %s\n", line, why)
	}
	b.WriteString(outer)
	if r.Borne > 0 {
		fmt.Fprintf(&b, "  guard:\n    %-32s # %s\n", fmt.Sprintf("concurrency: %d", max(r.Borne, 2)), say(fmt.Sprintf("同时读 %d 路可", r.Borne), fmt.Sprintf("%d reads at once were borne", r.Borne)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
