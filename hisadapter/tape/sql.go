package tape

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// sqlEntry is one attempt of a call to a database.
type sqlEntry struct {
	Op         string        `yaml:"op,omitempty"`
	At         time.Time     `yaml:"at,omitempty"`
	Duration   time.Duration `yaml:"duration,omitempty"`
	Connect    *failure      `yaml:"connect,omitempty"` // no connection was had
	Begin      *failure      `yaml:"begin,omitempty"`   // BEGIN failed
	Statements []statement   `yaml:"statements,omitempty"`
	Ended      bool          `yaml:"ended,omitempty"`  // the transaction was over before
	Commit     *failure      `yaml:"commit,omitempty"` // COMMIT was sent, and this came back
	Outcome    string        `yaml:"outcome,omitempty"`
	Error      string        `yaml:"error,omitempty"`
}

// statement is one statement with its answer: columns and rows, or a count, or an
// error. Only those are needed where somebody writes it by hand.
type statement struct {
	Line    int               `yaml:"line,omitempty"` // of the mapping
	DrugID  string            `yaml:"drug_id,omitempty"`
	SQL     string            `yaml:"sql,omitempty"`
	Args    []string          `yaml:"bound,omitempty,flow"`
	Took    time.Duration     `yaml:"took,omitempty"`
	Columns []string          `yaml:"columns,omitempty,flow"`
	Rows    []yaml.Node       `yaml:"rows,omitempty"` // lists of cells
	Count   *int64            `yaml:"count,omitempty"`
	Outs    map[string]string `yaml:"out,omitempty"`
	Error   *failure          `yaml:"error,omitempty"`
	Rule    int               `yaml:"rule,omitempty"` // line of the mapping
	End     string            `yaml:"end,omitempty"`
}

// failure is an error; without state and number it is not of the database.
type failure struct {
	State   string `yaml:"sqlstate,omitempty"`
	Number  string `yaml:"number,omitempty"`
	Message string `yaml:"message"`
}

// SQL keeps one attempt; it fits sqlhis.Driver.Record.
func (r *Recorder) SQL(x sqlhis.Exchange) {
	m := newMasks(r.hide)
	e := sqlEntry{
		Op: x.Op, At: x.At, Duration: x.Duration, Connect: m.failure(x.Connect), Begin: m.failure(x.Begin), Commit: m.failure(x.Commit), Ended: x.Ended,
		Outcome: x.Outcome.String(), Error: m.hide(x.Err),
	}
	for _, st := range x.Statements {
		s := statement{
			Line: st.Line, DrugID: st.DrugID, SQL: st.SQL, Args: m.hideAll(st.Args), Took: st.Took, Columns: st.Columns,
			Error: m.failure(st.Failure), Rule: st.Rule, End: m.hide(st.End),
		}
		for _, row := range st.Rows {
			s.Rows = append(s.Rows, m.row(row))
		}
		if st.Failure == nil && st.Columns == nil {
			s.Count = &st.Count
		}
		for name, v := range st.Outs {
			if s.Outs == nil {
				s.Outs = map[string]string{}
			}
			s.Outs[name] = m.hide(v)
		}
		e.Statements = append(e.Statements, s)
	}
	r.keep(x.Op, e, nil)
}

func (m masks) hideAll(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, m.hide(s))
	}
	return out
}

func (m masks) failure(f *sqlhis.Failure) *failure {
	if f == nil {
		return nil
	}
	return &failure{f.State, f.Number, m.hide(f.Message)}
}

func (f *failure) read() *sqlhis.Failure {
	if f == nil {
		return nil
	}
	return &sqlhis.Failure{State: f.State, Number: f.Number, Message: f.Message}
}

// row is cells as YAML: texts in quotes, moments without, null.
func (m masks) row(cells []sqlhis.Cell) yaml.Node {
	out := yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Tag: "!!seq"}
	for _, c := range cells {
		n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: m.hide(c.Text)}
		switch {
		case c.Null:
			n = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
		case c.Time:
			n = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!timestamp", Value: c.Text}
		}
		out.Content = append(out.Content, n)
	}
	return out
}

// ParseSQL reads an attempt of a tape, or one that somebody wrote by hand:
// statements with columns and rows, a count, or an error. file names it in errors.
func ParseSQL(file string, doc []byte) (sqlhis.Exchange, error) {
	var e sqlEntry
	if err := parseYAML(file, doc, &e); err != nil {
		return sqlhis.Exchange{}, err
	}
	x := sqlhis.Exchange{Op: e.Op, At: e.At, Duration: e.Duration, Connect: e.Connect.read(), Begin: e.Begin.read(), Commit: e.Commit.read(), Ended: e.Ended}
	for i, s := range e.Statements {
		st := sqlhis.Statement{
			Op: e.Op, Line: s.Line, DrugID: s.DrugID, SQL: s.SQL, Columns: s.Columns, Count: -1, Outs: s.Outs, Failure: s.Error.read(), Took: s.Took,
		}
		if s.Count != nil {
			st.Count = *s.Count
		}
		for _, row := range s.Rows {
			cells, err := readRow(row)
			if err != nil {
				return x, fmt.Errorf("%s:%d: statement %d: %w", file, row.Line, i+1, err)
			}
			st.Rows = append(st.Rows, cells)
		}
		x.Statements = append(x.Statements, st)
	}
	return x, nil
}

// readRow reads cells; what stands there without quotes is taken as it is
// written, so that 00010041 keeps its zeros.
func readRow(row yaml.Node) ([]sqlhis.Cell, error) {
	if row.Kind != yaml.SequenceNode {
		return nil, errors.New("a row is a list of cells, such as [\"00010041\", 12.5]")
	}
	var out []sqlhis.Cell
	for _, n := range row.Content {
		if n.Kind != yaml.ScalarNode {
			return nil, errors.New("a cell is a text, a number, a moment or null")
		}
		c := sqlhis.Cell{Text: n.Value}
		switch n.ShortTag() {
		case "!!null":
			c = sqlhis.Cell{Null: true}
		case "!!timestamp":
			_, err := time.Parse(time.RFC3339Nano, n.Value)
			c.Time = err == nil // one without a zone is read as the mapping's clock has it
		}
		out = append(out, c)
	}
	return out, nil
}

// SQL gives the attempt that an operation met next; it fits sqlhis.Offline.
func (p *Player) SQL(op string) (sqlhis.Exchange, error) {
	x, err := p.take(op)
	if err != nil {
		return sqlhis.Exchange{}, err
	}
	return *x.sql, nil
}

// readSQL reads an attempt of a tape.
func readSQL(dir, name string) (*sqlhis.Exchange, error) {
	file := filepath.Join(dir, name+".yaml")
	doc, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	x, err := ParseSQL(file, doc)
	return &x, err
}
