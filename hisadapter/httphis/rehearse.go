package httphis

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// rehearse writes every request with made-up values, with one line and with
// two, with all that may be missing and without it. So a comma too many in JSON
// or a tag that is not closed is found when the file is loaded.
func (l *loader) rehearse() {
	calls := []*call{}
	for _, op := range Ops() {
		calls = append(calls, l.m.ops[op]...)
	}
	if l.m.session != nil {
		calls = append(calls, l.m.session.call)
	}
	for _, c := range calls {
		for i := range 4 {
			if !l.rehearseCall(c, 1+i/2, i%2 == 0) {
				break
			}
		}
	}
}

// rehearseCall reports whether one request could be written.
func (l *loader) rehearseCall(c *call, n int, full bool) bool {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, china)
	in := Input{
		PharmacyID: "1", HisNo: "1", LockID: "1", HISOrderNo: "1", TransactionID: "1", DrugsFen: 24, Until: at, PaidAt: at, Day: at,
		Attributes: map[string]string{},
	}
	for i := range n {
		id := strconv.Itoa(i + 1)
		in.DrugIDs = append(in.DrugIDs, id)
		in.Lines = append(in.Lines, hisadapter.Line{DrugID: id, Quantity: 1, LineFen: 1})
	}
	for name := range c.req.uses {
		if attr, ok := strings.CutPrefix(name, "attr."); ok && (full || c.req.strict[name]) {
			in.Attributes[attr] = "1"
		}
	}
	for name, empty := range map[string]func(){
		"lock_id":        func() { in.LockID = "" },
		"his_order_no":   func() { in.HISOrderNo = "" },
		"transaction_id": func() { in.TransactionID = "" },
		"until":          func() { in.Until = time.Time{} },
		"paid_at":        func() { in.PaidAt = time.Time{} },
	} {
		if !full && !c.req.strict[name] {
			empty()
		}
	}
	if c.req.strict["drug_id"] {
		in.DrugIDs = in.DrugIDs[:1]
	}
	session := map[string]value{}
	if l.m.session != nil && (full || c.op != OpLogin) {
		for name := range l.m.session.fields {
			session["session."+name] = text("1")
		}
	}
	ratio, _ := units.ParseRatio("1")
	facts := func(string) *lineFacts {
		known := &lineFacts{ratio: ratio, facts: map[string]string{}}
		for name := range l.m.factNames() {
			known.facts[name] = "1"
		}
		return known
	}
	e := l.m.env(c, in, identity{at, "0", "0"}, l.m.standIns(), session, facts)
	e.rehearsing = true
	_, err := c.write(e, l.m.conn.url)
	bad, malformed := errors.AsType[*malformedError](err)
	if malformed {
		l.Add(bad.line, "%s: request: with made-up values, for %d drugs: %v", c.op, n, bad.err)
	}
	return !malformed
}
