package httphis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// The doors of the tools that fit a mapping to a HIS: they show what would be
// sent and how an answer is read, without the ledger behind them.

// Shown is what Render gives for one call of an operation.
type Shown struct {
	Line    int // of the call in the mapping
	Request Request
}

// Render writes the requests of an operation and sends none of them; find_order
// may have several. A session is stood in for. Facts of drugs are those of
// readings that this driver made, or else stand-ins. An error says which value
// cannot be written; the requests before it are shown all the same.
func (d *Driver) Render(op Op, in Input) ([]Shown, error) {
	calls, err := d.m.calls(op)
	if err != nil {
		return nil, err
	}
	var out []Shown
	for _, c := range calls {
		id, err := newIdentity(d.now())
		if err != nil {
			return out, err
		}
		session := map[string]value{}
		if d.m.session != nil && op != OpLogin {
			for name := range d.m.session.fields {
				session["session."+name] = text("SESSION-" + name)
			}
		}
		e := d.m.env(c, in, id, d.secrets, session, d.anyFacts(in))
		e.keyless = d.offline
		m, err := c.write(e, d.base)
		if err != nil {
			return out, err
		}
		out = append(out, Shown{c.line, m.shown(d.m.conn.charset)})
	}
	return out, nil
}

// anyFacts are the facts that are known, and made-up ones for other drugs.
func (d *Driver) anyFacts(in Input) func(string) *lineFacts {
	return func(id string) *lineFacts {
		key := hisadapter.Key{PharmacyID: in.PharmacyID, DrugID: id}
		if f, _ := d.facts.get(key, d.now()); f != nil {
			return f
		}
		out := &lineFacts{facts: map[string]string{}}
		for name := range d.m.factNames() {
			out.facts[name] = "(" + name + ")"
		}
		maps.Copy(out.facts, in.Facts)
		if r, err := units.ParseRatio(in.Facts["ratio"]); err == nil {
			out.ratio = r
		}
		if row, ok := d.m.drugs.Lookup(in.PharmacyID, id); ok {
			out.ratio = row.Ratio
		}
		return out
	}
}

func (m *Mapping) calls(op Op) ([]*call, error) {
	if op == OpLogin && m.session != nil {
		return []*call{m.session.call}, nil
	}
	if len(m.ops[op]) == 0 {
		return nil, fmt.Errorf("the mapping has no %s; it has %v", op, m.Operations())
	}
	return m.ops[op], nil
}

// Answer is an answer of the HIS as it was saved.
type Answer struct {
	Status int // 0 counts as 200
	Header http.Header
	Body   []byte
	Call   int // which call of find_order, from 0
}

// Parsed is how an answer was read.
type Parsed struct {
	Layers  []Layer // step by step
	Rule    Rule    // zero = none fits
	Code    string
	Message string
	Rows    string // of an answer with rows: how many, and where
	// Result is what the operation gives: []hisadapter.Reading, Freeze, HISOrder,
	// Found, []HISOrder, the names of what a login brought, or nil.
	Result any
	Err    error // an *hisadapter.Error for everything but done
}

// Parse reads a saved answer to a call that was made with in, and says how. Of
// an answer with pages it reads the one. Nothing is sent or remembered.
func (d *Driver) Parse(op Op, in Input, a Answer) (Parsed, error) {
	calls, err := d.m.calls(op)
	if err != nil {
		return Parsed{}, err
	}
	if a.Call < 0 || a.Call >= len(calls) {
		return Parsed{}, fmt.Errorf("%s has %d calls", op, len(calls))
	}
	c := calls[a.Call]
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	j := c.judge(&response{a.Status, a.Header, a.Body}, d.m.conn.charset, d.secrets, d.now())
	j.hidden = d.hidden(op, j)
	for i := range j.layers {
		j.layers[i].Text = j.hidden.apply(j.layers[i].Text)
	}
	p := Parsed{Layers: j.layers, Rule: j.matched(), Code: j.hidden.apply(j.code), Message: j.hidden.apply(j.message)}
	if e := j.asError(op); e != nil {
		e.Shortages = j.shortages(c, in, d.anyFacts(in))
		p.Err = e
		return p, nil
	}
	if j.verdict.oneOf("login_again", "next") {
		return p, nil
	}
	if op.rowed() {
		p.Rows = fmt.Sprintf("%d at %s", len(j.rowNodes), *c.ans.rows)
	}
	p.Result, err = d.result(c, in, j)
	if _, told := errors.AsType[*hisadapter.Error](err); told {
		p.Result, p.Err = nil, err
	} else if err != nil {
		p.Result, p.Err = nil, j.misfit(op, err)
	}
	return p, nil
}

// result reads what an operation gives.
func (d *Driver) result(c *call, in Input, j *judgement) (any, error) {
	switch c.op {
	case OpQueryStock:
		rows := newDrugRows(d.m, &c.ans, in.PharmacyID, in.DrugIDs)
		if err := rows.take(j); err != nil {
			return nil, err
		}
		return hisadapter.Readable(rows.readings(j, in.DrugIDs))
	case OpFreeze:
		return j.freeze(&c.ans, in.HisNo)
	case OpPlaceOrder:
		return j.order(&c.ans, in)
	case OpFindOrder:
		return j.found(&c.ans, in.HisNo)
	case OpListOrders:
		return j.list(&c.ans, d.ratioOf)
	case OpLogin:
		t, err := (&session{spec: d.m.session}).read(j, d.now())
		if err != nil {
			return nil, err
		}
		names := []string{}
		for name := range t.values {
			names = append(names, name)
		}
		return names, nil
	default:
		return nil, j.echoes(&c.ans, in.HisNo)
	}
}

// Call sends one call of an operation, logging in first where need be, and
// reads the answer. It blocks until the HIS answered or ctx ended. A write is a
// write: what it does at the HIS stays.
func (d *Driver) Call(ctx context.Context, op Op, in Input) (any, error) {
	switch op {
	case OpQueryStock:
		keys := []hisadapter.Key{}
		for _, id := range in.DrugIDs {
			keys = append(keys, hisadapter.Key{PharmacyID: in.PharmacyID, DrugID: id})
		}
		return d.QueryStock(ctx, keys)
	case OpFreeze:
		return d.Freeze(ctx, hisadapter.FreezeRequest{
			HisNo: in.HisNo, PharmacyID: in.PharmacyID, Lines: in.Lines, Until: in.Until, Attributes: in.Attributes,
		})
	case OpUnfreeze:
		return nil, d.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: in.HisNo, LockID: in.LockID, PharmacyID: in.PharmacyID, Lines: in.Lines})
	case OpPlaceOrder:
		return d.PlaceOrder(ctx, hisadapter.PlaceOrderRequest{
			HisNo: in.HisNo, LockID: in.LockID, PharmacyID: in.PharmacyID, Lines: in.Lines, DrugsFen: in.DrugsFen,
			TransactionID: in.TransactionID, PaidAt: in.PaidAt, Attributes: in.Attributes,
		})
	case OpFindOrder:
		return d.FindOrder(ctx, in.HisNo)
	case OpCancelOrder:
		return nil, d.CancelOrder(ctx, in.HisNo, in.HISOrderNo)
	case OpListOrders:
		return d.ListOrders(ctx, in.Day)
	case OpLogin:
		if d.session == nil {
			return nil, fmt.Errorf("the mapping has no session")
		}
		_, err := d.session.get(ctx)
		return nil, err
	default:
		return nil, fmt.Errorf("there is no operation %q", op)
	}
}

// URL is where the HIS is expected.
func (d *Driver) URL() *url.URL {
	u := *d.base
	return &u
}
