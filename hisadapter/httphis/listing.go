package httphis

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// ListOrders implements hisadapter.Driver.
func (d *Driver) ListOrders(ctx context.Context, day time.Time) ([]hisadapter.HISOrder, error) {
	if !d.caps.List {
		return nil, hisadapter.Unsupported(OpListOrders.name())
	}
	c := d.m.ops[OpListOrders][0]
	out := []hisadapter.HISOrder{}
	_, err := d.pages(ctx, c, Input{Day: day}, func(j *judgement) error {
		page, err := j.list(&c.ans, d.ratioOf)
		out = append(out, page...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// list reads the orders of one page.
func (j *judgement) list(a *answer, ratioOf func(drugID string) units.Ratio) (out []hisadapter.HISOrder, err error) {
	for i, row := range j.rowNodes {
		o, counts, err := j.listed(a, row, ratioOf)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		if counts {
			out = append(out, o)
		}
	}
	return out, nil
}

func (j *judgement) listed(a *answer, row *node, ratioOf func(string) units.Ratio) (o hisadapter.HISOrder, counts bool, err error) {
	for _, c := range a.where {
		if ok, err := c.holds(j.observed, row); err != nil || !ok {
			return o, false, err
		}
	}
	if o.HisNo, err = j.optional(a, "his_no", row); err != nil {
		return o, false, err
	}
	if o.OrderNo, err = j.optional(a, "his_order_no", row); err != nil {
		return o, false, err
	}
	if o.OrderNo == "" {
		o.OrderNo = o.HisNo
	}
	if o.DrugsFen, err = j.fen(a.fields["amount"], row); err != nil {
		return o, false, err
	}
	if o.Canceled, err = j.boolean(a, "canceled", row); err != nil {
		return o, false, err
	}
	o.Lines, err = j.listedLines(a.lines, row, ratioOf)
	return o, true, err
}

// ratioOf is a drug's ratio where only the drug is told.
func (d *Driver) ratioOf(drugID string) units.Ratio {
	if row, ok := d.m.drugs.Lookup("", drugID); ok && row.Ratio.IsSet() {
		return row.Ratio
	}
	return d.facts.ratioOf(drugID)
}

// listedLines are an order's lines, none where they cannot be said in smallest
// units.
func (j *judgement) listedLines(t *table, row *node, ratioOf func(string) units.Ratio) ([]hisadapter.Line, error) {
	if t == nil {
		return nil, nil
	}
	nodes, err := j.read.nodes(row, t.rows)
	if err != nil {
		return nil, err
	}
	var out []hisadapter.Line
	for _, n := range nodes {
		var l hisadapter.Line
		if l.DrugID, err = j.must(t.fields["drug_id"], n); err != nil {
			return nil, err
		}
		quantity, ratio := t.fields["quantity"], ratioOf(l.DrugID)
		if quantity.in == "pack" && !ratio.IsSet() {
			return nil, nil // nobody has read this drug yet; the order itself is what counts
		}
		if l.Quantity, err = j.quantity(quantity, n, ratio); err != nil {
			return nil, err
		}
		if f, ok := t.fields["amount"]; ok {
			if l.LineFen, err = j.fen([]field{f}, n); err != nil {
				return nil, err
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// shortages are the lines that the HIS could not serve, as far as its answer
// can be read: what cannot is left out, since the refusal itself stands.
func (j *judgement) shortages(c *call, in Input, facts func(string) *lineFacts) []hisadapter.Shortage {
	t := c.ans.shortages
	if t == nil || j.doc == nil || !j.verdict.oneOf("refused") || j.verdict.kind != hisadapter.Insufficient {
		return nil
	}
	nodes, err := j.read.nodes(j.doc, t.rows)
	if err != nil {
		return nil
	}
	var out []hisadapter.Shortage
	for _, n := range nodes {
		id, err := j.must(t.fields["drug_id"], n)
		i := slices.IndexFunc(in.Lines, func(l hisadapter.Line) bool { return l.DrugID == id })
		if err != nil || i < 0 {
			continue
		}
		s := hisadapter.Shortage{DrugID: id, Requested: in.Lines[i].Quantity, Available: -1}
		if f, ok := t.fields["available"]; ok {
			var ratio units.Ratio
			if facts != nil && facts(id) != nil {
				ratio = facts(id).ratio
			}
			if n, err := j.quantity(f, n, ratio); err == nil {
				s.Available = n
			}
		}
		out = append(out, s)
	}
	return out
}
