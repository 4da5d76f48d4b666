package sqlhis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Offline makes a driver that speaks to no database: next gives it what an
// attempt of an operation met, as it was recorded; its error means that there is
// nothing, and that the call was not sent. Without next nothing is ever sent, which
// does for Render. The password is not read.
//
// A step is answered by the statement recorded in its place. Where that one says
// otherwise what it was sent with, another question was answered, and the call is
// unknown; one that says nothing of it answers whatever is asked.
//
// Its errors are those of Open.
func Offline(m *Mapping, caps hisadapter.Capabilities, now func() time.Time, next func(op string) (Exchange, error)) (*Driver, error) {
	d, err := newDriver(m, caps, now, "")
	if err != nil {
		return nil, err
	}
	if err := d.db.Close(); err != nil {
		return nil, err
	}
	d.session = func(_ context.Context, op string) (session, error) {
		if next == nil {
			return nil, errors.New("there is no database here")
		}
		x, err := next(op)
		if err != nil {
			return nil, err
		}
		if x.Connect != nil {
			return nil, played{x.Connect}
		}
		return &recalled{x: x}, nil
	}
	return d, nil
}

// played is a failure that was recorded.
type played struct{ *Failure }

func (p played) Error() string { return p.String() }

// fault is what the database said then; ok is false where it did not speak.
func (p played) fault() (f fault, ok bool) {
	return fault{state: p.State, number: p.Number, message: p.Message}, p.State+p.Number != ""
}

// recalled is a connection as it was recorded.
type recalled struct {
	x  Exchange
	at int // the statement that answers next
}

func (r *recalled) begin(context.Context, *operation) error { return failed(r.x.Begin) }
func (r *recalled) commit(context.Context) error            { return failed(r.x.Commit) }
func (r *recalled) rollback(context.Context) error          { return nil }
func (r *recalled) stands(context.Context) bool             { return !r.x.Ended }
func (r *recalled) close(bool)                              {}

func failed(f *Failure) error {
	if f == nil {
		return nil
	}
	return played{f}
}

func (r *recalled) ask(_ context.Context, s *step, words string, _ []any) (answer, error) {
	if r.at == len(r.x.Statements) {
		return answer{}, errors.New("nothing more was recorded of this call")
	}
	st := r.x.Statements[r.at]
	r.at++
	if st.SQL != "" && folded(st.SQL) != folded(words) {
		return answer{}, fmt.Errorf("what was recorded answers another statement: %s", cut(folded(st.SQL)))
	}
	if st.Failure != nil {
		return answer{}, played{st.Failure}
	}
	a := answer{count: st.Count, outs: map[string]*string{}}
	for name := range s.out {
		v := st.Outs[name]
		a.outs[name] = &v
	}
	if !s.query {
		return a, nil
	}
	a.table.columns, a.count = st.Columns, int64(len(st.Rows))
	for i, row := range st.Rows {
		if len(row) != len(st.Columns) {
			return answer{}, fmt.Errorf("row %d has %d cells, there are %d columns", i+1, len(row), len(st.Columns))
		}
		values := make([]value, len(row))
		for k, c := range row {
			var err error
			if values[k], err = c.value(); err != nil {
				return answer{}, fmt.Errorf("row %d: %w", i+1, err)
			}
		}
		a.table.rows = append(a.table.rows, values)
	}
	return a, nil
}

// folded is a statement as far as its words go.
func folded(words string) string { return strings.Join(strings.Fields(words), " ") }

func (c Cell) value() (value, error) {
	switch {
	case c.Null:
		return value{kind: null}, nil
	case c.Time:
		t, err := time.Parse(time.RFC3339Nano, c.Text)
		return momentOf(t), err
	default:
		return textOf(c.Text), nil
	}
}
