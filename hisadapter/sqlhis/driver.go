package sqlhis

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/mapfile"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// Driver is a HIS that is spoken to through its database.
type Driver struct {
	m        *Mapping
	caps     hisadapter.Capabilities
	dialect  dialect
	db       *sql.DB
	password string // to be taken out of errors
	session  func(ctx context.Context, op string) (session, error)
	now      func() time.Time
	clock    clock
	watch    func(Statement) // nil = nobody looks
	record   func(Exchange)
}

var _ hisadapter.Driver = (*Driver)(nil)

// Open makes a driver of a mapping, and reads the password. It does not speak to
// the database, and returns an error where the mapping lacks an operation that
// caps claim, where the password is not to be had, or the build lacks the dialect.
func Open(m *Mapping, caps hisadapter.Capabilities, now func() time.Time) (*Driver, error) {
	password, err := m.password()
	if err != nil {
		return nil, err
	}
	d, err := newDriver(m, caps, now, password)
	if err != nil {
		return nil, err
	}
	d.session = d.connect
	return d, nil
}

func newDriver(m *Mapping, caps hisadapter.Capabilities, now func() time.Time, password string) (*Driver, error) {
	if err := m.offers(caps); err != nil {
		return nil, err
	}
	di, err := dialectOf(m.dialect)
	if err != nil {
		return nil, &mapfile.Fault{File: m.file, Line: m.dialectLine, Message: "dialect: " + err.Error()}
	}
	d := &Driver{m: m, caps: caps, dialect: di, password: password, now: now}
	settings := m.settings()
	settings.Password = password
	if d.db, err = sqldb.Open(settings); err != nil {
		return nil, &mapfile.Fault{File: m.file, Line: m.connection.line, Message: "connection: " + d.redacted(err.Error())}
	}
	return d, nil
}

// fault reads the database's own code of an error; ok is false where the database
// did not speak.
func (d *Driver) fault(err error) (f fault, ok bool) {
	if p, ok := errors.AsType[played](err); ok {
		return p.fault()
	}
	return d.dialect.fault(err)
}

// redacted takes the password out of words.
func (d *Driver) redacted(words string) string {
	if d.password == "" {
		return words
	}
	for _, form := range []string{d.password, url.QueryEscape(d.password), url.PathEscape(d.password)} {
		words = strings.ReplaceAll(words, form, "[redacted]")
	}
	return words
}

// redact is redacted for an error, which is what it was where it tells nothing.
func (d *Driver) redact(err error) error {
	if said := err.Error(); d.redacted(said) != said {
		return errors.New(d.redacted(said))
	}
	return err
}

// Close closes the connections.
func (d *Driver) Close() error { return d.db.Close() }

// offers holds the mapping to the capabilities.
func (m *Mapping) offers(caps hisadapter.Capabilities) error {
	var errs []error
	for _, need := range []struct {
		claimed bool
		op      string
	}{{caps.Freeze, opFreeze}, {caps.Find, opFind}, {caps.Cancel, opCancel}, {caps.List, opList}} {
		if need.claimed && m.ops[need.op] == nil {
			errs = append(errs, fmt.Errorf("%s: the capabilities claim %s, which is not mapped", m.file, need.op))
		}
	}
	for _, name := range []string{opFreeze, opPlace} {
		o := m.ops[name]
		if o != nil && (caps.Find || caps.IdempotentByHisNo) && !o.names("his_no") && !(name == opPlace && o.names("lock_id")) {
			errs = append(errs, &mapfile.Fault{File: m.file, Line: o.line, Message: "the capabilities claim find or idempotent_by_his_no, but " + name + " never says :his_no"})
		}
		if !caps.AtomicItems || o == nil || o.tx == "driver" {
			continue
		}
		for _, s := range o.steps {
			if s.perLine && !s.asksRatio() {
				errs = append(errs, &mapfile.Fault{File: m.file, Line: s.line, Message: "the capabilities claim atomic_items, but " + name + " goes line by line without tx: driver"})
			}
		}
	}
	if most := map[string]int{SQLServer: 2000, Oracle: 1000}[m.dialect]; most > 0 && caps.BatchSize > most {
		errs = append(errs, fmt.Errorf("%s: batch_size is %d, a list in %s may have %d", m.file, caps.BatchSize, m.dialect, most))
	}
	return errors.Join(errs...)
}

// Capabilities implements hisadapter.Driver.
func (d *Driver) Capabilities() hisadapter.Capabilities { return d.caps }

// call is one operation with what it is about.
type call struct {
	op         *operation
	values     map[string]value
	lines      []hisadapter.Line
	pharmacyID string
	attributes map[string]string
}

func (d *Driver) call(op string, values map[string]value) *call {
	values = maps.Clone(values)
	values["now"] = momentOf(d.now())
	return &call{op: d.m.ops[op], values: values}
}

// QueryStock implements hisadapter.Driver: one run of the steps for each
// pharmacy among the keys.
func (d *Driver) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	readings := map[hisadapter.Key]hisadapter.Reading{}
	drugs := map[string][]string{}
	var pharmacies []string
	asked := map[hisadapter.Key]bool{}
	for _, k := range keys {
		if asked[k] {
			continue
		}
		asked[k] = true
		if _, ok := drugs[k.PharmacyID]; !ok {
			pharmacies = append(pharmacies, k.PharmacyID)
		}
		drugs[k.PharmacyID] = append(drugs[k.PharmacyID], k.DrugID)
	}
	for _, p := range pharmacies {
		c := d.call(opQuery, map[string]value{"pharmacy_id": textOf(p), "drug_ids": {kind: list, list: drugs[p]}})
		x, err := d.run(ctx, c)
		if err != nil {
			return nil, err
		}
		if err := d.readings(x.table, p, asked, readings); err != nil {
			return nil, unreadable(c.op, err)
		}
	}
	out := make([]hisadapter.Reading, len(keys))
	for i, k := range keys {
		r, ok := readings[k]
		if !ok {
			r = hisadapter.Reading{Key: k, Unknown: true}
		}
		out[i] = r
	}
	return hisadapter.Readable(out)
}

// Freeze implements hisadapter.Driver.
func (d *Driver) Freeze(ctx context.Context, r hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	if !d.caps.Freeze {
		return hisadapter.Freeze{}, hisadapter.Unsupported("Freeze")
	}
	c := d.call(opFreeze, map[string]value{
		"his_no": textOf(r.HisNo), "pharmacy_id": textOf(r.PharmacyID), "until": momentOf(r.Until),
	})
	c.lines, c.pharmacyID, c.attributes = r.Lines, r.PharmacyID, r.Attributes
	x, err := d.run(ctx, c)
	if err != nil {
		return hisadapter.Freeze{}, err
	}
	return x.result.Freeze, nil
}

// Unfreeze implements hisadapter.Driver. Where only the HIS's own number of the
// freeze will do and nobody knows it, FindOrder is asked first.
func (d *Driver) Unfreeze(ctx context.Context, r hisadapter.UnfreezeRequest) error {
	if !d.caps.Freeze {
		return hisadapter.Unsupported("Unfreeze")
	}
	if o := d.m.ops[opUnfreeze]; r.LockID == "" && d.caps.Find && !o.names("his_no") {
		found, err := d.FindOrder(ctx, r.HisNo)
		if err != nil {
			return &hisadapter.Error{Op: "Unfreeze", Outcome: hisadapter.NotSent, Err: fmt.Errorf("looking for the freeze: %w", err)}
		}
		switch found.State {
		case hisadapter.Frozen:
			r.LockID = found.Freeze.LockID
		case hisadapter.Lapsed:
			return &hisadapter.Error{Op: "Unfreeze", Outcome: hisadapter.Refused, Kind: hisadapter.FreezeLapsed}
		default:
			return &hisadapter.Error{Op: "Unfreeze", Outcome: hisadapter.Find, Err: fmt.Errorf("there is no freeze to give back: %v", found.State)}
		}
	}
	c := d.call(opUnfreeze, map[string]value{
		"his_no": textOf(r.HisNo), "lock_id": optional(r.LockID), "pharmacy_id": textOf(r.PharmacyID),
	})
	c.lines, c.pharmacyID = r.Lines, r.PharmacyID
	_, err := d.run(ctx, c)
	return err
}

// PlaceOrder implements hisadapter.Driver.
func (d *Driver) PlaceOrder(ctx context.Context, r hisadapter.PlaceOrderRequest) (hisadapter.HISOrder, error) {
	c := d.call(opPlace, map[string]value{
		"his_no": textOf(r.HisNo), "lock_id": optional(r.LockID), "pharmacy_id": textOf(r.PharmacyID),
		"drugs_fen": wholeOf(r.DrugsFen), "drugs_yuan": yuanOf(r.DrugsFen),
		"transaction_id": textOf(r.TransactionID), "paid_at": momentOf(r.PaidAt),
	})
	c.lines, c.pharmacyID, c.attributes = r.Lines, r.PharmacyID, r.Attributes
	x, err := d.run(ctx, c)
	if err != nil {
		return hisadapter.HISOrder{}, err
	}
	return hisadapter.HISOrder{HisNo: r.HisNo, OrderNo: x.result.OrderNo, DrugsFen: r.DrugsFen, Lines: r.Lines}, nil
}

// FindOrder implements hisadapter.Driver.
func (d *Driver) FindOrder(ctx context.Context, hisNo string) (hisadapter.Found, error) {
	if !d.caps.Find {
		return hisadapter.Found{}, hisadapter.Unsupported("FindOrder")
	}
	x, err := d.run(ctx, d.call(opFind, map[string]value{"his_no": textOf(hisNo)}))
	if err != nil {
		return hisadapter.Found{}, err
	}
	f := x.result
	if f.State != hisadapter.Frozen {
		f.Freeze = hisadapter.Freeze{}
	}
	if f.State != hisadapter.Deducted {
		f.OrderNo = ""
	}
	return f, nil
}

// CancelOrder implements hisadapter.Driver, and asks FindOrder like Unfreeze.
func (d *Driver) CancelOrder(ctx context.Context, hisNo, hisOrderNo string) error {
	if !d.caps.Cancel {
		return hisadapter.Unsupported("CancelOrder")
	}
	if hisOrderNo == "" && d.caps.Find && !d.m.ops[opCancel].names("his_no") {
		found, err := d.FindOrder(ctx, hisNo)
		if err != nil {
			return &hisadapter.Error{Op: "CancelOrder", Outcome: hisadapter.NotSent, Err: fmt.Errorf("looking for the order: %w", err)}
		}
		if found.State != hisadapter.Deducted {
			return &hisadapter.Error{Op: "CancelOrder", Outcome: hisadapter.Find, Err: fmt.Errorf("there is no order to cancel: %v", found.State)}
		}
		hisOrderNo = found.OrderNo
	}
	_, err := d.run(ctx, d.call(opCancel, map[string]value{"his_no": textOf(hisNo), "his_order_no": optional(hisOrderNo)}))
	return err
}

// ListOrders implements hisadapter.Driver. The day is one of the mapping's time
// zone.
func (d *Driver) ListOrders(ctx context.Context, day time.Time) ([]hisadapter.HISOrder, error) {
	if !d.caps.List {
		return nil, hisadapter.Unsupported("ListOrders")
	}
	day = day.In(d.m.zone)
	start := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, d.m.zone)
	c := d.call(opList, map[string]value{
		"day": textOf(start.Format(time.DateOnly)), "day_start": momentOf(start), "day_end": momentOf(start.AddDate(0, 0, 1)),
	})
	x, err := d.run(ctx, c)
	if err != nil {
		return nil, err
	}
	orders, err := d.orders(x.table)
	if err != nil {
		return nil, unreadable(c.op, err)
	}
	return orders, nil
}

// unreadable is the end of a call whose answer fits no rule.
func unreadable(op *operation, err error) error {
	return &hisadapter.Error{Op: portName(op.name), Outcome: hisadapter.Unknown, Err: err}
}

// optional is a text that is NULL when empty.
func optional(s string) value {
	if s == "" {
		return value{kind: null}
	}
	return textOf(s)
}
