package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// shower prints what a tool has to show, and remembers the first failure to
// write.
type shower struct {
	out io.Writer
	err error
}

func (s *shower) line(format string, args ...any) {
	if _, err := fmt.Fprintf(s.out, format+"\n", args...); s.err == nil {
		s.err = err
	}
}

// block prints a text of several lines under a heading.
func (s *shower) block(heading, text string) {
	s.line("  %s:", heading)
	for l := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		s.line("    %s", strings.TrimRight(l, "\r"))
	}
}

// request prints a request as it is or would be sent.
func (s *shower) request(r httphis.Request, bytes bool) {
	s.line("  %s %s", r.Method, r.URL)
	s.header(r.Header)
	for _, p := range r.Parts {
		s.block("part "+p.Name, p.Text)
	}
	if r.Body == nil {
		return
	}
	s.block("body", r.Text)
	if bytes {
		s.block(fmt.Sprintf("bytes (%d, secrets masked)", len(r.Body)), hex.Dump(r.Body))
	}
}

func (s *shower) header(h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			s.line("  %s: %s", name, v)
		}
	}
}

// parsed prints how an answer was read.
func (s *shower) parsed(file string, p httphis.Parsed, placed func(error) string) {
	for _, l := range p.Layers {
		if l.Text != "" {
			s.block(fmt.Sprintf("after %s (%s:%d)", l.Step, file, l.Line), l.Text)
		} else {
			s.line("  after %s (%s:%d): a document", l.Step, file, l.Line)
		}
	}
	if p.Code != "" || p.Message != "" {
		s.line("  code %q, message %q", p.Code, p.Message)
	}
	s.rule(file, p.Rule)
	if p.Rows != "" {
		s.line("  rows: %s", placedIn(file, p.Rows))
	}
	if p.Err != nil {
		s.line("  outcome: %s", placed(p.Err))
		return
	}
	s.result(p.Result)
}

func (s *shower) rule(file string, r httphis.Rule) {
	if r.Line == 0 {
		s.line("  rule: none fits")
		return
	}
	name := ""
	if r.Name != "" {
		name = " " + r.Name
	}
	s.line("  rule:%s %s:%d, then %s", name, file, r.Line, r.Then)
}

// result prints what an operation gave.
func (s *shower) result(v any) {
	switch v := v.(type) {
	case nil:
		s.line("  outcome: done")
	case []hisadapter.Reading:
		for _, r := range v {
			s.line("  reading: %s", readingText(r))
		}
	case hisadapter.Freeze:
		s.line("  freeze: lock_id %q, expires %s", v.LockID, timeText(v.Expires))
	case hisadapter.HISOrder:
		s.line("  order: his_order_no %q, his_no %q, %d fen", v.OrderNo, v.HisNo, v.DrugsFen)
	case hisadapter.Found:
		s.line("  state: %s", v.State)
		if v.State == hisadapter.Frozen {
			s.line("  freeze: lock_id %q, expires %s", v.Freeze.LockID, timeText(v.Freeze.Expires))
		}
		if v.OrderNo != "" {
			s.line("  order: his_order_no %q", v.OrderNo)
		}
	case []hisadapter.HISOrder:
		s.line("  %d orders", len(v))
		for _, o := range v {
			s.line("  order: his_order_no %q, his_no %q, %d fen, canceled %v, lines %v", o.OrderNo, o.HisNo, o.DrugsFen, o.Canceled, o.Lines)
		}
	case []string: // what a login brought; its values are nobody's business
		slices.Sort(v)
		s.line("  session: %s", strings.Join(v, ", "))
	}
}

func readingText(r hisadapter.Reading) string {
	if r.Unknown {
		return r.Key.DrugID + ": unknown drug"
	}
	f := r.Facts
	out := fmt.Sprintf("%s: on_hand %d %s, name %q, multiple %d", r.Key.DrugID, r.OnHand, f.Unit, f.Name, max(f.Multiple, 1))
	if f.Price != "" {
		out += fmt.Sprintf(", %s yuan for %d", f.Price, max(f.PricePer, 1))
	}
	if f.Stopped {
		out += ", stopped"
	}
	return out
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "not told"
	}
	return t.In(china).Format(time.RFC3339)
}

// statement prints a statement, and its end where it was sent.
func (s *shower) statement(file string, st sqlhis.Statement, sent bool) {
	about := ""
	if st.DrugID != "" {
		about = ", drug " + st.DrugID
	}
	s.line("%s (%s:%d%s)", st.Op, file, st.Line, about)
	s.block("statement", st.SQL)
	for i, a := range st.Args {
		s.line("  bound %d: %q", i+1, a)
	}
	if !sent {
		return
	}
	switch {
	case st.Failure != nil:
		s.line("  answer: error: %s", st.Failure)
	case st.Columns != nil:
		s.line("  answer: %d rows (%s)", len(st.Rows), strings.Join(st.Columns, " | "))
		for _, row := range st.Rows {
			cells := make([]string, len(row))
			for i, c := range row {
				cells[i] = c.String()
			}
			s.line("    %s", strings.Join(cells, " | "))
		}
	default:
		s.line("  answer: %d rows affected", st.Count)
	}
	if st.End != "" {
		s.line("  outcome: %s", st.End)
	}
	switch {
	case st.Rule > 0:
		s.line("  rule: %s:%d", file, st.Rule)
	case st.End != "":
		s.line("  rule: none fits")
	}
}
