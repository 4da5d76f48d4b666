package httphis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/hisgate/hisgate/hisadapter"
)

// pages asks for one page after the other and hands each to take. none is true
// where the first says that there is nothing.
func (d *Driver) pages(ctx context.Context, c *call, in Input, take func(*judgement) error) (none bool, err error) {
	p := c.ans.pages
	seen := map[string]bool{}
	for in.Page = 1; ; in.Page++ {
		if p != nil && in.Page > p.max {
			return false, &hisadapter.Error{
				Op: c.op.name(), Outcome: hisadapter.Unknown, Err: fmt.Errorf("the answer has more than %d pages (pages: max)", p.max),
			}
		}
		j, err := d.perform(ctx, c, in)
		if err != nil {
			return false, err
		}
		if j.verdict.oneOf("unknown_drug", "none") {
			if in.Page == 1 {
				return true, nil
			}
			return false, nil // a page behind the last one
		}
		// A HIS that does not heed the page asked for would have its stock added up.
		text := j.rowsText()
		if text != "" && seen[text] {
			return false, j.misfit(c.op, fmt.Errorf("page %d is one that came before", in.Page))
		}
		seen[text] = true
		if err := take(j); err != nil {
			return false, j.misfit(c.op, err)
		}
		more, err := p.goesOn(j, in.Page)
		if err != nil {
			return false, j.misfit(c.op, err)
		}
		if !more {
			return false, nil
		}
	}
}

// rowsText is all that the rows of a page say.
func (j *judgement) rowsText() string {
	var sb strings.Builder
	for _, row := range j.rowNodes {
		for n := row.first; n != nil; n = n.next {
			sb.WriteString(n.value() + "\x00")
		}
		for _, a := range row.attrs {
			sb.WriteString(a.value + "\x00")
		}
		sb.WriteString("\x01")
	}
	return sb.String()
}

func (p *paging) goesOn(j *judgement, page int) (bool, error) {
	switch {
	case p == nil:
		return false, nil
	case p.size > 0:
		return j.rows >= p.size, nil
	case p.more != nil:
		return p.more.holds(j.observed, j.doc)
	}
	s, found, err := j.read.sole(j.doc, *p.total)
	if err != nil {
		return false, err
	}
	total, err := strconv.Atoi(s)
	if !found || err != nil || total < 0 {
		return false, fmt.Errorf("pages: total: %q is not a number of pages", s)
	}
	return page < total, nil
}
