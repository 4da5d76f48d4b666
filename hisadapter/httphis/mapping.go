package httphis

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// Mapping is a mapping file that was read and found right. It holds no secret:
// New reads those.
type Mapping struct {
	file     string
	conn     connection
	secrets  map[string]secretSource
	values   map[string]string
	tables   map[string]map[string]string
	drugs    *units.Table // nil = no drugs_file
	factsMax time.Duration
	session  *sessionSpec
	ops      map[Op][]*call // more than one for find_order only
}

// sessionSpec is how to log in.
type sessionSpec struct {
	life   time.Duration // 0 = until the HIS says otherwise
	call   *call
	fields map[string][]field
}

// call is one exchange of an operation: what is sent and how the answer is read.
type call struct {
	op   Op
	line int
	req  request
	ans  answer
}

// Load reads a mapping file. All that is wrong with it is reported at once, each
// fault as a *mapfile.Fault with file, line and reason, joined. Files that the mapping
// names (drugs_file, certificates) are read too; secrets are not.
func Load(file string) (*Mapping, error) {
	doc, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("mapping file: %w", err)
	}
	return parse(file, doc)
}

func parse(file string, doc []byte) (*Mapping, error) {
	l := newLoader(file)
	if n := l.Document(doc); n != nil {
		l.read(n)
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	l.rehearse()
	if err := l.Err(); err != nil {
		return nil, err
	}
	return l.m, nil
}

func newLoader(file string) *loader {
	r := mapfile.Reader{File: file}
	for _, op := range append(Ops(), OpLogin) {
		r.Operations = append(r.Operations, string(op))
	}
	return &loader{Reader: r, m: &Mapping{
		file: file, secrets: map[string]secretSource{}, values: map[string]string{},
		tables: map[string]map[string]string{}, factsMax: 10 * time.Minute, ops: map[Op][]*call{},
		conn: connection{charset: utf8Charset, answerMax: 8 << 20, login: 10 * time.Second},
	}}
}

// File is the mapping file, as Load was given it.
func (m *Mapping) File() string { return m.file }

// Operations are those that the file maps, in the order of an order's life.
func (m *Mapping) Operations() []Op {
	return slices.DeleteFunc(Ops(), func(op Op) bool { return len(m.ops[op]) == 0 })
}

// Warnings are settings that weaken protection, in words for the log of each
// start.
func (m *Mapping) Warnings() []string {
	var out []string
	if m.conn.tls.insecure {
		out = append(out, "connection.tls.insecure_skip_verify: the HIS's certificate is not checked; anybody on the way can pose as the HIS")
	}
	if m.conn.tls.legacy() {
		out = append(out, "connection.tls.min: TLS before 1.2 can be read by others on the way")
	}
	return out
}

// loader reads one file.
type loader struct {
	mapfile.Reader
	m        *Mapping
	defaults struct{ request, answer *yaml.Node }
}

func (l *loader) read(n *yaml.Node) {
	var session, operations *yaml.Node
	l.Group(n, "mapping", mapfile.Keys{
		"connection":    l.connection,
		"secrets":       l.secretSources,
		"values":        func(n *yaml.Node) { l.m.values = l.constants(n, "values") },
		"tables":        l.tables,
		"drugs_file":    l.drugsFile,
		"facts_max_age": func(n *yaml.Node) { l.m.factsMax = l.duration(n, "facts_max_age") },
		"session":       func(n *yaml.Node) { session = n },
		"defaults": func(n *yaml.Node) {
			l.Group(n, "defaults", mapfile.Keys{
				"request": func(n *yaml.Node) { l.defaults.request = n },
				"answer":  func(n *yaml.Node) { l.defaults.answer = n },
			})
		},
		"operations": func(n *yaml.Node) { operations = n },
	})
	if l.m.conn.url == nil {
		l.At(n, "mapping: connection with the url of the HIS is missing")
	}
	if operations == nil {
		l.At(n, "mapping: operations are missing")
		return
	}
	l.operations(session, operations)
}

// tables reads the tables of texts that templates and fields look up.
func (l *loader) tables(n *yaml.Node) {
	for _, p := range l.Pairs(n, "tables") {
		table := map[string]string{}
		for _, e := range l.Pairs(p.Value, "tables: "+p.Key) {
			table[e.Key], _ = l.text(e.Value, "tables: "+p.Key+": "+e.Key)
		}
		l.m.tables[p.Key] = table
	}
}

// piece is an exchange before its request is read.
type piece struct {
	call    *call
	request *yaml.Node
}

// operations reads all answers and then all requests: templates may name what
// the answers of the login and of query_stock bring.
func (l *loader) operations(session, operations *yaml.Node) {
	var pieces []piece
	if session != nil {
		pieces = append(pieces, l.sessionSpec(session))
	}
	known := mapfile.Keys{}
	for _, op := range Ops() {
		known[string(op)] = func(n *yaml.Node) {
			list := []*yaml.Node{n}
			if n.Kind == yaml.SequenceNode && op == OpFindOrder {
				list = n.Content
			}
			for i, e := range list {
				p := l.piece(op, mapfile.Follow(e), i+1 < len(list))
				l.m.ops[op] = append(l.m.ops[op], p.call)
				pieces = append(pieces, p)
			}
		}
	}
	l.Group(operations, "operations", known)
	for _, op := range []Op{OpQueryStock, OpPlaceOrder} {
		if len(l.m.ops[op]) == 0 {
			l.At(operations, "operations: %s is missing", op)
		}
	}
	if (len(l.m.ops[OpFreeze]) == 0) != (len(l.m.ops[OpUnfreeze]) == 0) {
		l.At(operations, "operations: freeze and unfreeze belong together")
	}
	for _, p := range pieces {
		p.call.req = l.request(p.call.op, p.call.line, p.request)
		uses := p.call.req.uses
		switch {
		case (p.call.op == OpFreeze || p.call.op == OpPlaceOrder) && !uses["lines"]:
			l.Add(p.call.line, "%s: request: never says what is ordered: {{ each lines }} is missing", p.call.op)
		case p.call.op == OpQueryStock && !uses["keys"] && !uses["drug_id"]:
			l.Add(p.call.line, "%s: request: never says which drug: {{ each keys }} or {{ drug_id }} is missing", p.call.op)
		case p.call.ans.pages != nil && !uses["page"]:
			l.Add(p.call.line, "%s: request: never says which page, though the answer has pages: {{ page }} is missing", p.call.op)
		}
		if names := p.call.op.subject(); names != nil && !p.call.names(names...) {
			l.Add(p.call.line, "%s: request: never says which one it is about: {{ %s }} is missing", p.call.op, names[0])
		}
	}
	l.numbersFound()
}

// subject is by which of its values an operation says what it is about.
func (op Op) subject() []string {
	switch op {
	case OpUnfreeze:
		return []string{"his_no", "lock_id"}
	case OpFindOrder:
		return []string{"his_no"}
	case OpCancelOrder:
		return []string{"his_no", "his_order_no"}
	case OpListOrders:
		return []string{"day"}
	default:
		return nil
	}
}

// names reports whether the request names one of these values.
func (c *call) names(any ...string) bool {
	return slices.ContainsFunc(any, func(name string) bool { return c.req.uses[name] })
}

// numbersFound demands of find_order the numbers of the HIS that unfreeze and
// cancel_order cannot do without: where the answer that brought them was lost,
// ours would be taken for them.
func (l *loader) numbersFound() {
	for _, x := range []struct {
		field, state string
		from, to     Op
	}{{"lock_id", "frozen", OpFreeze, OpUnfreeze}, {"his_order_no", "deducted", OpPlaceOrder, OpCancelOrder}} {
		uses := func(c *call) bool { return c.req.strict[x.field] }
		gives := func(c *call) bool { return len(c.ans.fields[x.field]) > 0 }
		if !slices.ContainsFunc(l.m.ops[x.to], uses) || !slices.ContainsFunc(l.m.ops[x.from], gives) {
			continue
		}
		for _, c := range l.m.ops[OpFindOrder] {
			says := slices.ContainsFunc(c.ans.rules, func(r rule) bool { return r.then.word == x.state })
			if says && !gives(c) {
				l.Add(c.line, "find_order: answer: fields: %s is missing: %s needs it, and the answer of %s may be lost", x.field, x.to, x.from)
			}
		}
	}
}

func (l *loader) piece(op Op, n *yaml.Node, more bool) piece {
	p := piece{call: &call{op: op, line: n.Line}}
	var answer *yaml.Node
	l.Group(n, string(op), mapfile.Keys{
		"request": func(n *yaml.Node) { p.request = n },
		"answer":  func(n *yaml.Node) { answer = n },
	})
	p.call.ans = l.answer(op, n.Line, answer, more)
	return p
}

func (l *loader) sessionSpec(n *yaml.Node) piece {
	s := &sessionSpec{call: &call{op: OpLogin, line: n.Line}}
	p := piece{call: s.call}
	var answer *yaml.Node
	l.Group(n, "session", mapfile.Keys{
		"life":    func(n *yaml.Node) { s.life = l.duration(n, "session: life") },
		"request": func(n *yaml.Node) { p.request = n },
		"answer":  func(n *yaml.Node) { answer = n },
	})
	s.call.ans = l.answer(OpLogin, n.Line, answer, false)
	s.fields = s.call.ans.fields
	if len(s.fields) == 0 {
		l.At(n, "session: answer: fields: at least one is needed, such as token")
	}
	l.m.session = s
	return p
}

func (l *loader) drugsFile(n *yaml.Node) {
	name, ok := l.text(n, "drugs_file")
	if !ok {
		return
	}
	t, err := units.OpenTable(l.m.beside(name))
	if err != nil {
		l.At(n, "drugs_file: %v", err)
		return
	}
	l.m.drugs = t
}

// beside finds a file that the mapping names: relative to the mapping file.
func (m *Mapping) beside(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(m.file), name)
}

// factNames are what line.fact. may be followed by.
func (m *Mapping) factNames() map[string]bool {
	out := map[string]bool{}
	for _, c := range m.ops[OpQueryStock] {
		for _, name := range []string{"name", "unit", "price", "ratio", "multiple"} {
			if len(c.ans.fields[name]) > 0 {
				out[name] = true
			}
		}
		for name := range c.ans.facts {
			out[name] = true
		}
	}
	if m.drugs != nil {
		out["ratio"], out["multiple"] = true, true
	}
	return out
}

func (m *Mapping) knowsRatio() bool { return m.factNames()["ratio"] }
