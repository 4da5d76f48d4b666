package sqlhis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// The doors of the tools that fit a mapping to a database: they show what would
// be sent and how the end of each statement was read.

// File is the mapping file, as Load was given it.
func (m *Mapping) File() string { return m.file }

// Operations are those that the file maps, in the order of an order's life.
func (m *Mapping) Operations() []string {
	all := []string{opQuery, opFreeze, opUnfreeze, opPlace, opFind, opCancel, opList}
	return slices.DeleteFunc(all, func(op string) bool { return m.ops[op] == nil })
}

// Reach opens a connection as the calls do, asks the server for its time (Skew),
// and gives the connection back. It blocks until
// the database answered or ctx ended; its error is an *hisadapter.Error, not sent
// or misconfigured.
func (d *Driver) Reach(ctx context.Context) error {
	conn, err := d.pin(ctx, opQuery)
	if err != nil {
		x := &execution{d: d, call: &call{op: &operation{}}}
		err = x.notBegun(ctx, err)
		if e, ok := errors.AsType[*hisadapter.Error](err); ok {
			e.Op = "Connect"
		}
		return err
	}
	return conn.Close()
}

// Input is what one call of an operation is about. Which of it counts is the
// operation's affair: see the package documentation.
type Input struct {
	PharmacyID    string
	DrugIDs       []string // of query_stock
	HisNo         string
	LockID        string
	HISOrderNo    string
	Lines         []hisadapter.Line
	Until         time.Time
	DrugsFen      int64
	TransactionID string
	PaidAt        time.Time
	Attributes    map[string]string
	Day           time.Time
}

// Render writes the statements of an operation with their parameters and sends
// none of them. What a step would capture is stood in for by its name in
// brackets. An error says which quantity cannot be said in the HIS's unit; the
// statements before it are shown all the same.
func (d *Driver) Render(op string, in Input) ([]Statement, error) {
	if d.m.ops[op] == nil {
		return nil, fmt.Errorf("the mapping has no %s; it has %v", op, d.m.Operations())
	}
	day := in.Day.In(d.m.zone)
	start := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, d.m.zone)
	c := d.call(op, map[string]value{
		"pharmacy_id": textOf(in.PharmacyID), "drug_ids": {kind: list, list: in.DrugIDs}, "his_no": textOf(in.HisNo),
		"lock_id": optional(in.LockID), "his_order_no": optional(in.HISOrderNo), "until": momentOf(in.Until),
		"drugs_fen": wholeOf(in.DrugsFen), "drugs_yuan": yuanOf(in.DrugsFen), "transaction_id": textOf(in.TransactionID),
		"paid_at": momentOf(in.PaidAt),
		"day":     textOf(start.Format(time.DateOnly)), "day_start": momentOf(start), "day_end": momentOf(start.AddDate(0, 0, 1)),
	})
	c.lines, c.pharmacyID, c.attributes = in.Lines, in.PharmacyID, in.Attributes
	x := d.execution(c)
	var out []Statement
	for _, s := range c.op.steps {
		lines := []*lineValues{nil}
		if s.perLine {
			lines = x.lines
		}
		for _, line := range lines {
			words, args, err := expand(d.dialect, s, d.m.zone, func(name string) (value, error) { return x.standIn(s, name, line) }, map[string]*string{})
			if err != nil {
				return out, &mapfile.Fault{File: d.m.file, Line: s.line, Message: err.Error()}
			}
			out = append(out, x.seen(s, line, words, args, answer{count: -1}, nil, nil, 0))
		}
	}
	return out, nil
}

// standIn finds a parameter, or the name of what a step would capture.
func (x *execution) standIn(s *step, name string, line *lineValues) (value, error) {
	for _, before := range x.call.op.steps {
		if before == s {
			break
		}
		if _, ok := before.capture[name]; ok || before.out[name] {
			return textOf("(" + name + ")"), nil
		}
	}
	return x.lookup(name, line)
}
