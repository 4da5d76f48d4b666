package httphis

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// opMessage is the reading of a message that nobody asked for. It is no
// operation of a driver, and stands in a file of its own: see LoadChanges.
const opMessage Op = "message"

// ChangeMapping is a mapping file for messages about changed stock. Read may be
// called by several goroutines at once.
type ChangeMapping struct {
	m        *Mapping
	call     *call
	skip     []rule
	reread   bool                // whatever a row says, it means "read again"
	noFigure bool                // a row without a figure does
	source   bool                // the sequence is the source's
	here     map[string][]string // what messages call a pharmacy → our names of it
	secrets  map[string]value
	readers  sync.Pool // of *reader: a message is small, and paths are dear to compile
}

// Message is a message as its source gave it.
type Message struct {
	Body       []byte
	Attributes map[string]string // header: NAME reads header.NAME, or NAME; letter case does not count
	Sequence   int64             // for a mapping that says `sequence: source`; 0 = the source has none
}

// StockChange is one change of stock that a message tells of.
type StockChange struct {
	Key      hisadapter.Key
	OnHand   *int64    // absolute, in smallest dispensing units; nil = changed, to be read again
	Sequence *int64    // nil = unordered
	At       time.Time // when it changed, as the message says; zero = it does not
}

// Changes is what a message says.
type Changes struct {
	List    []StockChange // in the order of the rows
	Skipped string        // why the message as a whole is about no change; "" = it is not so
	Ignored int           // rows that are nobody's here: left out by where, or of a pharmacy that the table does not name
	Layers  []Layer       // how it was read, step by step
}

// The bounds of what a message may say; those of the API are the same.
const (
	maxIDLength = 64
	maxFigure   = 1_000_000_000_000
)

// Read reads a message. The changes that could be read are returned with an error
// that names, joined, each row that could not; where the message as a whole
// cannot be read there are none. now is for not_expired. It does not block.
func (c *ChangeMapping) Read(msg Message, now time.Time) (Changes, error) {
	var out Changes
	if len(strings.TrimSpace(string(msg.Body))) == 0 {
		out.Skipped = "the message is empty" // a tombstone
		return out, nil
	}
	j := &judgement{header: headerOf(msg.Attributes)}
	read, ok := c.readers.Get().(*reader)
	if !ok {
		read = newReader()
	}
	read.left = maxWork
	defer c.readers.Put(read)
	j.observed = observed{status: http.StatusOK, rows: -1, read: read, now: now}
	_, err := j.unwrap(c.call, msg.Body, c.m.conn.charset, c.secrets)
	out.Layers = j.layers
	if err != nil {
		return out, err
	}
	for i := range c.skip {
		fits, err := c.skip[i].fits(j.observed)
		if err != nil {
			return out, err
		}
		if fits {
			out.Skipped = fmt.Sprintf("skip: the rule of line %d fits", c.skip[i].line)
			return out, nil
		}
	}
	rows, err := j.read.nodes(j.doc, *c.call.ans.rows)
	if err != nil {
		return out, err
	}
	if len(rows) == 0 {
		return out, fmt.Errorf("there are no rows at %s; a message that is about no change is left out by a rule of skip", c.call.ans.rows.src)
	}
	r := changeReader{c: c, j: j, sequence: msg.Sequence, lots: map[hisadapter.Key]*lot{}}
	var errs []error
	for i, row := range rows {
		if err := r.row(row, &out); err != nil {
			errs = append(errs, fmt.Errorf("row %d: %w", i+1, err))
		}
	}
	if len(errs) == 0 { // a sum that may lack a lot is no figure: those drugs are read again
		errs = r.sums(out.List)
	}
	return out, errors.Join(errs...)
}

// headerOf makes the attributes what fields with header: read. What the source
// itself says goes before a header of that name.
func headerOf(attributes map[string]string) http.Header {
	h := make(http.Header, len(attributes))
	for name, v := range attributes {
		if named, ok := strings.CutPrefix(name, "header."); ok && attributes[named] == "" {
			h.Set(named, v)
		}
		h.Set(name, v)
	}
	return h
}

// changeReader reads the rows of one message.
type changeReader struct {
	c        *ChangeMapping
	j        *judgement
	sequence int64
	lots     map[hisadapter.Key]*lot // of lots: sum
}

// lot is a drug whose rows are added up.
type lot struct {
	drug  *drugRow
	index int // of its change in the list
}

// row adds what one row says: a change for each pharmacy that it is about.
func (r *changeReader) row(row *node, out *Changes) error {
	a := &r.c.call.ans
	for _, c := range a.where {
		ok, err := c.holds(r.j.observed, row)
		if err != nil {
			return err
		}
		if !ok {
			out.Ignored++
			return nil
		}
	}
	pharmacies, err := r.pharmacies(row)
	if err != nil {
		return err
	}
	if len(pharmacies) == 0 {
		out.Ignored++
		return nil
	}
	drug, err := r.id("drug_id", row)
	if err != nil {
		return err
	}
	change := StockChange{Key: hisadapter.Key{DrugID: drug}}
	if change.Sequence, err = r.number(row); err != nil {
		return err
	}
	if change.At, err = r.j.moment(a, "time", row); err != nil {
		return err
	}
	figure := !r.c.reread
	if figure && r.c.noFigure {
		figure = r.hasFigure(row)
	}
	for _, p := range pharmacies {
		change.Key.PharmacyID = p
		if err := r.add(row, change, figure, out); err != nil {
			return err
		}
	}
	return nil
}

// add puts a change into the list, or its figure to the other lots of its drug.
// A change whose figure cannot be read is one all the same: to be read again.
func (r *changeReader) add(row *node, change StockChange, figure bool, out *Changes) error {
	l, seen := r.lots[change.Key]
	if !seen {
		l = &lot{drug: &drugRow{}, index: len(out.List)}
		out.List = append(out.List, change)
	}
	if !figure {
		return nil
	}
	if r.c.call.ans.sumLots {
		r.lots[change.Key] = l
	}
	if seen {
		last := &out.List[l.index]
		if change.Sequence != nil && last.Sequence != nil && *change.Sequence > *last.Sequence {
			last.Sequence = change.Sequence
		}
		if change.At.After(last.At) {
			last.At = change.At
		}
	} else {
		var err error
		if l.drug.ratio, err = r.ratio(row, change.Key); err != nil {
			return err
		}
	}
	if err := (&drugRows{m: r.c.m, a: &r.c.call.ans}).count(r.j, row, l.drug); err != nil {
		return err
	}
	if r.c.call.ans.sumLots {
		return nil // when all are there
	}
	return l.figure(out.List)
}

// figure sets the change's figure from what was counted.
func (l *lot) figure(list []StockChange) error {
	if err := l.drug.sum(); err != nil {
		return err
	}
	n := l.drug.reading.OnHand
	if n > maxFigure || n < -maxFigure {
		return units.ErrRange
	}
	list[l.index].OnHand = &n
	return nil
}

// sums sets the figures of drugs whose rows were added up.
func (r *changeReader) sums(list []StockChange) []error {
	var errs []error
	for i := range list {
		l := r.lots[list[i].Key]
		if l == nil || l.index != i {
			continue
		}
		if err := l.figure(list); err != nil {
			errs = append(errs, fmt.Errorf("drug %s: %w", list[i].Key.DrugID, err))
		}
	}
	return errs
}

// hasFigure reports whether a row says all parts of its figure; one that cannot be
// read is said, and found out when it is counted.
func (r *changeReader) hasFigure(row *node) bool {
	for _, f := range r.c.call.ans.fields["on_hand"] {
		if _, there, err := r.j.raw(f, row); err == nil && !there {
			return false
		}
	}
	return true
}

// id reads a field that names something.
func (r *changeReader) id(name string, row *node) (string, error) {
	s, err := r.j.must(r.c.call.ans.fields[name][0], row)
	if err == nil && len(s) > maxIDLength {
		err = fmt.Errorf("%s: %.20q… is longer than %d bytes", name, s, maxIDLength)
	}
	return s, err
}

// pharmacies are those that a row is about: with a table every one whose entry
// is what the row says, because several may share one store.
func (r *changeReader) pharmacies(row *node) ([]string, error) {
	s, err := r.id("pharmacy_id", row)
	if err != nil {
		return nil, err
	}
	table := r.c.call.ans.fields["pharmacy_id"][0].table
	if table == "" {
		return []string{s}, nil
	}
	return r.c.here[s], nil
}

// number is the row's sequence, nil where there is none.
func (r *changeReader) number(row *node) (*int64, error) {
	if r.c.source {
		if r.sequence == 0 {
			return nil, nil
		}
		return &r.sequence, nil
	}
	f := r.c.call.ans.fields["sequence"]
	if len(f) == 0 {
		return nil, nil
	}
	s, err := r.j.must(f[0], row)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("sequence: %.20q is not a whole number", s)
	}
	return &n, nil
}

func (r *changeReader) ratio(row *node, key hisadapter.Key) (units.Ratio, error) {
	if known, _ := r.c.m.drugs.Lookup(key.PharmacyID, key.DrugID); known.Ratio.IsSet() {
		return known.Ratio, nil
	}
	f := r.c.call.ans.fields["ratio"]
	if len(f) == 0 {
		return units.Ratio{}, nil
	}
	s, there, err := r.j.raw(f[0], row)
	if err != nil || !there {
		return units.Ratio{}, err
	}
	return units.ParseRatio(s)
}
