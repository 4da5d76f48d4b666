package sqlhis

import (
	"fmt"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// orders reads a day's orders; rows of one his_no are its lines.
func (d *Driver) orders(t table) ([]hisadapter.HISOrder, error) {
	o := d.m.ops[opList]
	var out []hisadapter.HISOrder
	at := map[string]int{}
	for _, row := range t.rows {
		f := fields{o, t, row}
		no, err := f.text("his_no")
		if err != nil {
			return nil, err
		}
		i, ok := at[no]
		if !ok {
			order, err := f.order(no)
			if err != nil {
				return nil, fmt.Errorf("order %s: %w", no, err)
			}
			i = len(out)
			at[no], out = i, append(out, order)
		}
		line, ok, err := d.orderLine(f)
		if err != nil {
			return nil, fmt.Errorf("order %s: %w", no, err)
		}
		if ok {
			out[i].Lines = append(out[i].Lines, line)
		}
	}
	return out, nil
}

func (f fields) order(no string) (hisadapter.HISOrder, error) {
	order := hisadapter.HISOrder{HisNo: no}
	var err error
	if order.OrderNo, err = f.text("order_no"); err != nil {
		return order, err
	}
	if order.Canceled, err = f.yes("canceled"); err != nil {
		return order, err
	}
	if order.DrugsFen, err = f.count("drugs_fen"); err != nil {
		return order, err
	}
	yuan, ok, err := f.number("drugs_yuan")
	if ok {
		order.DrugsFen, err = units.Fen(yuan)
	}
	return order, err
}

// count reads a whole number; NULL is 0.
func (f fields) count(field string) (int64, error) {
	d, ok, err := f.number(field)
	if err != nil || !ok {
		return 0, err
	}
	n, ok := d.Int64()
	if !ok {
		return 0, fmt.Errorf("%s: %s is no whole number", field, d)
	}
	return n, nil
}

func (d *Driver) orderLine(f fields) (line hisadapter.Line, ok bool, err error) {
	if line.DrugID, err = f.text("drug_id"); err != nil || line.DrugID == "" {
		return line, false, err
	}
	q, ok, err := f.number("quantity")
	if err != nil || !ok {
		return line, false, err
	}
	ratio, err := f.ratio("ratio", d.ratioOf("", line.DrugID))
	if err != nil {
		return line, false, err
	}
	if line.Quantity, err = ratio.Reading(q); err != nil {
		return line, false, err
	}
	line.LineFen, err = f.count("line_fen")
	return line, true, err
}
