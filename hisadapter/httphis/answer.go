package httphis

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// answer is how the answer to a call is read.
type answer struct {
	line          int
	statuses      []string // whose body is read
	charset       charset  // "" = the connection's
	steps         []step
	code, message *path
	rules         []rule
	rows          *path
	where         []cond
	sumLots       bool
	missing       string // unknown_drug, zero
	soldInPacks   bool
	pages         *paging
	fields        map[string][]field
	facts         map[string]field
	shortages     *table
	lines         *table
}

// step is one step from the bytes of an answer to its document.
type step struct {
	do      string
	line    int
	path    path
	layout  layout
	key, iv string // names of secrets; no iv = ECB
	charset charset
	rules   []rule
	inner   []step // of inside
}

// paging is how an answer of several pages is asked for.
type paging struct {
	total *path // the number of pages
	more  *cond // there is another one
	size  int   // a page with fewer rows is the last one
	max   int
}

// table is rows within an answer that are not its own: shortages, lines.
type table struct {
	rows   path
	fields map[string]field
}

// field is where a value of an answer stands and how it is written.
type field struct {
	name     string
	line     int
	at       *path
	header   string
	match    *regexp.Regexp
	def      *string
	fixed    *string
	format   timeFormat
	in       string // smallest or pack; yuan or fen
	per      string // smallest, pack, or a number
	truths   []string
	falses   []string
	subtract bool
	table    string
}

// answerLoader reads the answer of one operation.
type answerLoader struct {
	*loader
	op   Op
	more bool // another call follows, which a rule may hand on to
	a    answer
}

func (l *loader) answer(op Op, line int, n *yaml.Node, more bool) answer {
	what := string(op) + ": answer"
	q := &answerLoader{loader: l, op: op, more: more}
	q.a = answer{line: line, statuses: []string{"200"}, missing: "unknown_drug", fields: map[string][]field{}, facts: map[string]field{}}
	if n != nil {
		q.a.line = n.Line
	}
	nodes := l.overlaid(l.defaults.answer, n, what)
	known := mapfile.Keys{
		"status":  func(n *yaml.Node) { q.a.statuses = q.statuses(n, what+": status") },
		"charset": func(n *yaml.Node) { q.a.charset = charset(q.oneOf(n, what+": charset", charsetNames()...)) },
		"unwrap":  func(n *yaml.Node) { q.a.steps = q.steps(n, what+": unwrap", "bytes") },
		"code":    func(n *yaml.Node) { q.a.code = q.path(n, what+": code") },
		"message": func(n *yaml.Node) { q.a.message = q.path(n, what+": message") },
		"outcome": func(n *yaml.Node) { q.a.rules = q.rules(n, what+": outcome", false) },
		"fields":  q.fields,
	}
	if op.rowed() {
		known["rows"] = func(n *yaml.Node) { q.a.rows = q.path(n, what+": rows") }
		known["where"] = q.where
		known["pages"] = q.pages
	}
	switch op {
	case OpQueryStock:
		known["lots"] = func(n *yaml.Node) { q.a.sumLots = q.oneOf(n, what+": lots", "sum", "refuse") == "sum" }
		known["missing"] = func(n *yaml.Node) { q.a.missing = q.oneOf(n, what+": missing", "unknown_drug", "zero") }
		known["sold_in"] = func(n *yaml.Node) { q.a.soldInPacks = q.oneOf(n, what+": sold_in", "smallest", "pack") == "pack" }
		known["facts"] = func(n *yaml.Node) {
			for _, p := range q.Pairs(n, what+": facts") {
				if !isName(p.Key) {
					q.Add(p.Line, "%s: facts: %q is not a name (letters, digits, _)", what, p.Key)
				}
				q.a.facts[p.Key] = q.field(p, what+": facts", true)
			}
		}
	case OpFreeze, OpPlaceOrder:
		known["shortages"] = func(n *yaml.Node) { q.a.shortages = q.table(n, "shortages", "drug_id", "available") }
	case OpListOrders:
		known["lines"] = func(n *yaml.Node) { q.a.lines = q.table(n, "lines", "drug_id", "quantity", "amount") }
	}
	// Paths that rules rest on come first, and always in the same order.
	for _, key := range slices.Sorted(sortedKeys(nodes)) {
		read, ok := known[key]
		if !ok {
			l.At(nodes[key], "%s: no such key %q; possible are %s", what, key, listOf(known))
			continue
		}
		read(nodes[key])
	}
	q.complete(what, nodes)
	return q.a
}

func sortedKeys(m map[string]*yaml.Node) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// complete checks what can be said only of the whole; given is what was written,
// of which what could not be read is a fault already.
func (q *answerLoader) complete(what string, given map[string]*yaml.Node) {
	a := &q.a
	if a.rules == nil {
		q.Add(a.line, "%s: outcome is missing: what says that it was done?", what)
	}
	if a.steps == nil && slices.ContainsFunc(a.rules, rule.readsDocument) {
		q.Add(a.line, "%s: unwrap is missing: say what the answer is written in, such as [xml] or [json]", what)
	}
	for _, r := range a.allRules() {
		if r.names("code") && a.code == nil && given["code"] == nil {
			q.Add(r.line, "%s: outcome: a rule names code, but the answer says not where the code stands", what)
		}
		if r.names("message") && a.message == nil && given["message"] == nil {
			q.Add(r.line, "%s: outcome: a rule names message, but the answer says not where the message stands", what)
		}
		if r.names("rows") && a.rows == nil && given["rows"] == nil {
			q.Add(r.line, "%s: outcome: a rule names rows, but the answer says not where the rows stand", what)
		}
		if r.then.word == "login_again" && !q.logsIn() {
			q.Add(r.line, "%s: outcome: login_again, but there is no session to log in", what)
		}
	}
	for _, r := range a.rules {
		if r.then.positive() && r.names("rows") && !r.hasEvidence() && a.rows != nil {
			if _, plain := a.rows.holder(); !plain {
				q.Add(r.line, "%s: outcome: rows alone cannot tell that the answer is one: name a code too, or write rows as a plain path such as /data/list/item", what)
			}
		}
	}
	if q.op.rowed() && a.rows == nil {
		q.Add(a.line, "%s: rows is missing: where does a row of the answer stand?", what)
	}
	need := map[Op][]string{OpQueryStock: {"drug_id", "on_hand"}, OpListOrders: {"his_no"}}[q.op]
	for _, name := range need {
		if len(a.fields[name]) == 0 {
			q.Add(a.line, "%s: fields: %s is missing", what, name)
		}
	}
	q.completeUnits(what)
}

// allRules are the rules of all layers.
func (a *answer) allRules() []rule {
	out := slices.Clone(a.rules)
	for steps := a.steps; len(steps) > 0; {
		var inner []step
		for _, s := range steps {
			out, inner = append(out, s.rules...), append(inner, s.inner...)
		}
		steps = inner
	}
	return out
}

// logsIn reports whether the file has a session; it is read before all
// operations.
func (q *answerLoader) logsIn() bool { return q.op == OpLogin || q.m.session != nil }

func (q *answerLoader) completeUnits(what string) {
	if q.op != OpQueryStock {
		return
	}
	known := len(q.a.fields["ratio"]) > 0 || q.m.drugs != nil
	packs := q.a.soldInPacks
	for _, f := range slices.Concat(q.a.fields["on_hand"], q.a.fields["price"]) {
		packs = packs || f.in == "pack" || f.per == "pack"
	}
	if packs && !known {
		q.Add(q.a.line, "%s: something is counted in packs, but no ratio is known: map the field ratio, or name a drugs_file", what)
	}
}

func (r rule) names(subject string) bool {
	return slices.ContainsFunc(r.conds, func(c cond) bool { return c.subject == subject })
}

func (r rule) readsDocument() bool {
	return slices.ContainsFunc(r.conds, func(c cond) bool { return c.subject != "status" })
}

func (q *answerLoader) path(n *yaml.Node, what string) *path {
	s, ok := q.text(n, what)
	if !ok {
		return nil
	}
	p := path{src: s, line: n.Line}
	if _, err := compilePath(s); err != nil {
		q.At(n, "%s: %q is no XPath: %v", what, s, err)
		return nil
	}
	// The XPath engine finds wrong arguments only when it is at work.
	empty := newBuilder().root
	if _, _, err := newReader().text(empty, p); err != nil {
		q.At(n, "%s: %v", what, err)
		return nil
	}
	return &p
}

func (q *answerLoader) statuses(n *yaml.Node, what string) []string {
	list := q.texts(n, what)
	for _, s := range list {
		v, err := strconv.Atoi(strings.ReplaceAll(s, "xx", "00"))
		if err != nil || v < 100 || v > 599 || len(s) != 3 {
			q.At(n, "%s: %q is not a status such as 503 or 5xx", what, s)
		}
	}
	return list
}

func (q *answerLoader) pages(n *yaml.Node) {
	what := string(q.op) + ": answer: pages"
	p := &paging{max: 50}
	q.Group(n, what, mapfile.Keys{
		"total": func(n *yaml.Node) { p.total = q.path(n, what+": total") },
		"more": func(n *yaml.Node) {
			if r, ok := q.conditions(n, what+": more", nil); ok && len(r.conds) == 1 {
				p.more = &r.conds[0]
			} else if ok {
				q.At(n, "%s: more: exactly one condition", what)
			}
		},
		"size": func(n *yaml.Node) { p.size = int(q.whole(n, what+": size", 1, 100_000)) },
		"max":  func(n *yaml.Node) { p.max = int(q.whole(n, what+": max", 1, 1000)) },
	})
	said := 0
	for _, b := range []bool{p.total != nil, p.more != nil, p.size > 0} {
		if b {
			said++
		}
	}
	if said != 1 {
		q.At(n, "%s: one of total, more and size says when the last page was read", what)
	}
	q.a.pages = p
}

func (q *answerLoader) table(n *yaml.Node, name string, known ...string) *table {
	what := string(q.op) + ": answer: " + name
	t := &table{fields: map[string]field{}}
	for _, p := range q.Pairs(n, what) {
		switch {
		case p.Key == "rows":
			if at := q.path(p.Value, what+": rows"); at != nil {
				t.rows = *at
			}
		case slices.Contains(known, p.Key):
			t.fields[p.Key] = q.field(p, what, false)
		default:
			q.Add(p.Line, "%s: no such key %q; possible are rows, %s", what, p.Key, strings.Join(known, ", "))
		}
	}
	if t.rows.src == "" {
		q.At(n, "%s: rows is missing", what)
	}
	if _, ok := t.fields["drug_id"]; !ok {
		q.At(n, "%s: drug_id is missing", what)
	}
	if _, ok := t.fields["quantity"]; !ok && name == "lines" {
		q.At(n, "%s: quantity is missing", what)
	}
	return t
}

func (p path) String() string { return fmt.Sprintf("XPath %s (mapping line %d)", p.src, p.line) }
