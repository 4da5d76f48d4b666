package sqlhis

import (
	"context"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Exchange is one attempt of a call, with all that went over its connection. A
// deadlock that is tried again makes a second one.
type Exchange struct {
	Op         string // as in the mapping file
	At         time.Time
	Duration   time.Duration
	Connect    *Failure // no connection was had: nothing was sent
	Begin      *Failure // the transaction did not begin: nothing was sent
	Statements []Statement
	Ended      bool     // the transaction was over before anybody here ended it
	Commit     *Failure // COMMIT was sent, and this came back
	Outcome    hisadapter.Outcome
	Err        string // what the end is, "" = done
}

// Statement is a statement as it would be sent, or as it was, with its end.
type Statement struct {
	Op     string // as in the mapping file
	Line   int    // of the step in the mapping file
	DrugID string // of a step that runs for each line, "" = for the order
	SQL    string // in the words of the dialect
	Args   []string

	Took    time.Duration
	Columns []string // of an answer with rows
	Rows    [][]Cell
	Count   int64             // rows answered or affected, -1 = not told
	Outs    map[string]string // OUT parameters
	Failure *Failure          // nil = it was answered
	Rule    int               // line of the outcome that fits, 0 = none
	End     string            // what the statement means, where the operation ended with it
	Started time.Time
}

// Cell is one value of a row.
type Cell struct {
	Text string // blanks at its end taken off
	Time bool   // the text is a moment, RFC 3339
	Null bool
}

// String is the cell for people.
func (c Cell) String() string {
	if c.Null {
		return "NULL"
	}
	return c.Text
}

// Failure is an error: of the database, with its codes, or of the way to it.
type Failure struct {
	State   string // the SQL state, where the database has them
	Number  string // its own number of the error; "" with no State = it did not speak
	Message string // the password taken out
}

// String is the failure for people.
func (f *Failure) String() string {
	if code := (fault{state: f.State, number: f.Number}).code(); code != "" {
		return fmt.Sprintf("[%s] %s", code, f.Message)
	}
	return f.Message
}

// Watch hands every statement to see from now on. It is for the tools and must
// be called before the first call; see must be safe for concurrent use.
func (d *Driver) Watch(see func(Statement)) { d.watch = see }

// Record is Watch for whole attempts, each when it has ended.
func (d *Driver) Record(see func(Exchange)) { d.record = see }

// failure is an error for those who look. Where the caller gave up, what the
// database may have said then is not its word.
func (x *execution) failure(ctx context.Context, err error) *Failure {
	if err == nil {
		return nil
	}
	f, spoke := x.d.fault(err)
	if !spoke || ctx.Err() != nil {
		return &Failure{Message: x.d.redact(because(ctx, err)).Error()}
	}
	return &Failure{State: f.state, Number: f.number, Message: x.d.redacted(f.message)}
}

// seen is a statement for those who look.
func (x *execution) seen(s *step, line *lineValues, words string, args []any, a answer, failed *Failure, end error, took time.Duration) Statement {
	out := Statement{
		Op: x.call.op.name, Line: s.line, SQL: words, Took: took, Columns: a.table.columns, Count: a.count, Started: x.d.now().Add(-took),
		Failure: failed,
	}
	if line != nil {
		out.DrugID = line.DrugID
	}
	for _, arg := range args {
		switch v := arg.(type) {
		case nil:
			out.Args = append(out.Args, "NULL")
		case string:
			out.Args = append(out.Args, v)
		default:
			out.Args = append(out.Args, fmt.Sprint(v))
		}
	}
	for _, row := range a.table.rows {
		cells := make([]Cell, len(row))
		for i, v := range row {
			cells[i] = Cell{Null: v.kind == null, Time: v.kind == moment}
			if v.kind != null {
				cells[i].Text = v.string()
			}
		}
		out.Rows = append(out.Rows, cells)
	}
	for name, v := range a.outs {
		if out.Outs == nil {
			out.Outs = map[string]string{}
		}
		out.Outs[name] = *v
	}
	if end != nil {
		out.End = end.Error()
	}
	if x.fitting != nil {
		out.Rule = x.fitting.line
	}
	return out
}
