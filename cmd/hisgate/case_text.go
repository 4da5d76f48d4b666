package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// caseTable prints cases one below the other; as JSON each stands for itself.
type caseTable struct {
	outputFlags
	out  io.Writer
	rows []*hisgatev1.Case
}

func (t *caseTable) row(c *hisgatev1.Case) error {
	if t.JSON {
		return printJSON(c)
	}
	t.rows = append(t.rows, c)
	return nil
}

// end prints what was gathered; nothing is said as such, so that an empty list
// cannot be taken for a failure.
func (t *caseTable) end() error {
	if t.JSON {
		return nil
	}
	if len(t.rows) == 0 {
		_, err := fmt.Fprintln(t.out, t.say("没有个案。", "No cases."))
		return err
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, t.say("个案\t级别\t状态\t原因\t负责\t期限\t金额(元)\t说明", "CASE\tSEVERITY\tSTATUS\tREASON\tOWNER\tDEADLINE\tYUAN\tWHAT"))
	for _, c := range t.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.GetCaseId(), c.GetSeverity(), c.GetStatus(), c.GetReason(),
			c.GetOwner(), clock(c.GetDeadline()), inYuan(c.GetAmountFen()), t.words(c.GetMessage()))
	}
	return w.Flush()
}

// show prints a case with all that is known of it.
func (o outputFlags) show(out io.Writer, c *hisgatev1.Case) error {
	if o.JSON {
		return printJSON(c)
	}
	var b strings.Builder
	line := func(zh, en, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", o.say(zh, en), value)
		}
	}
	line("个案", "case", c.GetCaseId())
	line("订单", "order", c.GetOrderNo())
	line("订单状态", "order status", named(c.GetOrderStatus()))
	line("原因", "reason", c.GetReason())
	line("级别", "severity", named(c.GetSeverity()))
	line("状态", "status", named(c.GetStatus()))
	line("结果", "outcome", c.GetOutcome())
	line("负责", "owner", c.GetOwner())
	line("期限", "deadline", clock(c.GetDeadline()))
	line("微信交易号", "transaction", c.GetTransactionId())
	line("金额(元)", "yuan", inYuan(c.GetAmountFen()))
	line("说明", "what to do", o.words(c.GetMessage()))
	line("事实", "facts", c.GetDetail())
	var verbs []string
	for _, v := range c.GetAllowedVerbs() {
		verbs = append(verbs, verbCommand(v))
	}
	line("可用操作", "may be done", strings.Join(verbs, ", "))
	line("etag", "etag", c.GetEtag())
	for _, a := range c.GetAudit() {
		what := strings.TrimSpace(named(a.GetVerb()) + " " + a.GetNote())
		fmt.Fprintf(&b, "  %s  %s  %s\n", clock(a.GetTime()), a.GetActor(), what)
		if next := o.words(a.GetNext()); next != "" {
			fmt.Fprintf(&b, "      → %s\n", next)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// answer prints what a verb led to: first what happens next.
func (o outputFlags) answer(out io.Writer, c *hisgatev1.Case) error {
	if o.JSON {
		return printJSON(c)
	}
	next := o.words(c.GetNext())
	if next == "" {
		next = o.words(c.GetMessage())
	}
	_, err := fmt.Fprintf(out, "%s %s: %s\n", c.GetCaseId(), c.GetStatus(), next)
	return err
}

// verbCommand is the word under hisgate case that does it.
func verbCommand(v hisgatev1.Case_Verb) string {
	switch v {
	case hisgatev1.Case_HAND_OVER:
		return "handover"
	case hisgatev1.Case_RETRY_FULFILMENT:
		return "retry"
	case hisgatev1.Case_RESOLVE_LOCK:
		return "resolve"
	default:
		return strings.ReplaceAll(strings.ToLower(v.String()), "_", "-")
	}
}

// named is an enum's name, "" for what was never set.
func named(e fmt.Stringer) string {
	if s := e.String(); !strings.HasSuffix(s, "_UNSPECIFIED") {
		return s
	}
	return ""
}

// clock shows a moment in the zone of whoever reads it.
func clock(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Local().Format(time.DateTime)
}

// inYuan shows fen as yuan, "" for nothing.
func inYuan(fen int64) string {
	switch {
	case fen == 0:
		return ""
	case fen < 0:
		return "-" + inYuan(-fen)
	default:
		return fmt.Sprintf("%d.%02d", fen/100, fen%100)
	}
}
