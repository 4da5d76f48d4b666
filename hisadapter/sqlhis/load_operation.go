package sqlhis

import (
	"database/sql"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

func (l *loader) operation(name string, line int, n *yaml.Node) *operation {
	o := &operation{name: name, line: line, isolation: sql.LevelReadCommitted}
	isolation := ""
	var skip *yaml.Node
	known := mapfile.Keys{
		"tx":        l.oneOf(&o.tx, name+": tx", "driver", "own", "none"),
		"isolation": l.oneOf(&isolation, name+": isolation", "read_committed", "repeatable_read", "snapshot", "serializable"),
		"steps":     func(n *yaml.Node) { l.steps(o, n) },
	}
	if fields := o.results(); fields != nil {
		known["result"] = func(n *yaml.Node) { o.result = l.names(n, name+": result", fields) }
	}
	if required, possible := o.fields(); required != nil {
		known["rows"] = func(n *yaml.Node) { l.rows(o, n, required, possible) }
	}
	if name == opQuery {
		known["lots"] = l.boolean(&o.lots, name+": lots")
		known["skip"] = func(n *yaml.Node) { skip = n }
	}
	l.Group(n, name, known)
	switch isolation {
	case "repeatable_read":
		o.isolation = sql.LevelRepeatableRead
	case "snapshot":
		o.isolation = sql.LevelSnapshot
	case "serializable":
		o.isolation = sql.LevelSerializable
	}
	if skip != nil {
		l.list(skip, name+": skip", func(n *yaml.Node) {
			m := match{line: n.Line}
			l.Group(n, name+": skip", mapfile.Keys{"column": l.text(&m.name, name+": skip: column"), "is": l.texts(&m.is, name+": skip: is")})
			if m.name == "" || m.is == nil {
				l.Add(n.Line, "%s: skip: needs column and is", name)
			}
			o.skip = append(o.skip, m)
		})
	}
	l.checkOperation(o)
	return o
}

// checkOperation holds what can be told only with the whole operation at hand.
func (l *loader) checkOperation(o *operation) {
	if len(o.steps) == 0 {
		l.Add(o.line, "%s: steps is missing", o.name)
		return
	}
	switch {
	case o.writes() && o.tx != "driver" && o.tx != "own":
		l.Add(o.line, "%s: say tx: driver (one transaction of ours) or tx: own (the procedure commits by itself)", o.name)
	case o.tx == "":
		o.tx = "none"
	case !o.writes() && o.tx == "own":
		l.Add(o.line, "%s: a read has tx: none or driver", o.name)
	}
	if !o.writes() && o.name != opFind {
		if o.rows == nil {
			l.Add(o.line, "%s: rows is missing", o.name)
		}
		o.steps[len(o.steps)-1].query = true
	} else if !slices.ContainsFunc(o.steps, (*step).judged) {
		l.Add(o.line, "%s: no outcome says what success is; where it is enough that a statement does not fail, write {rows: 0+, then: done}", o.name)
	}
	l.checkNames(o)
	if subject := o.subject(); subject != nil && !o.names(subject...) {
		l.Add(o.line, "%s: no statement says which one it is about: :%s is missing", o.name, subject[0])
	}
	l.checkHalves(o)
	for i, s := range o.steps {
		if o.tx == "driver" && slices.Contains(endsTransaction(l.m.dialect), s.sql.verb) {
			l.Add(s.line, "%s: step %d: %s ends the transaction of tx: driver, which hisgate begins and ends itself", o.name, i+1, s.sql.verb)
		}
	}
}

// checkHalves finds mappings that would leave an order half done, or call it done
// when nothing was.
func (l *loader) checkHalves(o *operation) {
	alone := 0 // statements that commit by themselves
	for i, s := range o.steps {
		if s.perLine && slices.ContainsFunc(s.rules, func(r rule) bool { return r.outcome == hisadapter.Done && r.then == finish }) {
			l.Add(s.line, "%s: step %d: then: done would end the order after its first line; write next, and it is done after the last step", o.name, i+1)
		}
		if o.writes() && s.sql.verb == "update" && !s.judged() {
			l.Add(s.line, "%s: step %d: an UPDATE that finds no row is no error of the database: say in outcomes how many it must find, "+
				"such as {rows: 1, then: next}, or {rows: 0+, then: next} where any number will do", o.name, i+1)
		}
		if slices.Contains([]string{"call", "exec", "execute", "begin", "insert", "update", "delete", "merge"}, s.sql.verb) {
			alone++
		}
	}
	if o.tx == "own" && alone > 1 {
		l.Add(o.line, "%s: tx: own with %d statements that each commit by themselves would leave the order half done between them; "+
			"call one procedure that does it all, or write tx: driver", o.name, alone)
	}
}

// endsTransaction are the words after which a transaction is over, or another.
func endsTransaction(dialect string) []string {
	words := []string{"commit", "rollback", "start"}
	switch dialect {
	case Postgres:
		return append(words, "begin", "end", "abort")
	case MySQL: // which commits by itself before these
		return append(words, "begin", "create", "alter", "drop", "truncate", "rename", "grant", "revoke", "lock", "unlock")
	case Oracle: // likewise; begin is a block
		return append(words, "create", "alter", "drop", "truncate", "rename", "grant", "revoke")
	default:
		return words
	}
}

// rows reads the columns of a row-wise answer.
func (l *loader) rows(o *operation, n *yaml.Node, required, possible []string) {
	what := o.name + ": rows"
	o.rows = map[string]source{}
	for _, p := range l.Pairs(n, what) {
		field, line, v := p.Key, p.Line, p.Value
		if !slices.Contains(required, field) && !slices.Contains(possible, field) {
			l.Add(line, "%s: no such field %q; possible are %s", what, field, strings.Join(slices.Concat(required, possible), ", "))
			continue
		}
		s := source{line: line}
		if v.Kind == yaml.ScalarNode {
			s.column = v.Value
		} else {
			l.Group(v, what+": "+field, mapfile.Keys{
				"column": l.text(&s.column, what+": column"), "is": l.texts(&s.is, what+": is"), "value": l.text(&s.value, what+": value"),
			})
		}
		switch yesNo := field == "stopped" || field == "canceled"; {
		case (s.column == "") == (s.value == ""):
			l.Add(line, "%s: %s: needs a column or a value", what, field)
		case yesNo && s.is == nil, !yesNo && s.is != nil:
			l.Add(line, "%s: %s: is: [...] belongs to stopped and canceled, and they need it", what, field)
		}
		o.rows[field] = s
	}
	for _, field := range required {
		if _, ok := o.rows[field]; !ok {
			l.Add(n.Line, "%s: %s is missing", what, field)
		}
	}
}

// names reads field: name.
func (l *loader) names(n *yaml.Node, what string, fields []string) map[string]string {
	out := map[string]string{}
	for _, p := range l.Pairs(n, what) {
		if fields != nil && !slices.Contains(fields, p.Key) {
			l.Add(p.Line, "%s: no such field %q; possible are %s", what, p.Key, strings.Join(fields, ", "))
			continue
		}
		s := ""
		l.text(&s, what+": "+p.Key)(p.Value)
		out[p.Key] = s
	}
	return out
}

func (l *loader) steps(o *operation, n *yaml.Node) {
	l.list(n, o.name+": steps", func(n *yaml.Node) {
		s := &step{line: n.Line}
		what := o.name + ": step " + strconv.Itoa(len(o.steps)+1)
		var out []string
		asks := ""
		l.Group(n, what, mapfile.Keys{
			"sql": func(n *yaml.Node) {
				doc := ""
				l.text(&doc, what+": sql")(n)
				s.line = n.Line
				if n.Style == yaml.LiteralStyle || n.Style == yaml.FoldedStyle {
					s.line++
				}
				var err error
				if s.sql, err = parseStatement(doc, l.m.dialect); err != nil && doc != "" {
					l.Add(s.line, "%s: sql: %v", what, err)
				}
			},
			"for_each": func(n *yaml.Node) {
				if n.Value != "line" || !o.hasLines() {
					l.Add(n.Line, "%s: for_each: line, of freeze, unfreeze and place_order, is all there is", what)
				}
				s.perLine = true
			},
			"capture":  func(n *yaml.Node) { s.capture = l.names(n, what+": capture", nil) },
			"out":      l.texts(&out, what+": out"),
			"answer":   l.oneOf(&asks, what+": answer", "rows", "count"),
			"outcomes": func(n *yaml.Node) { l.list(n, what+": outcomes", func(n *yaml.Node) { l.rule(o, s, what, n) }) },
		})
		if s.sql.verb == "" {
			l.Add(n.Line, "%s: sql is missing", what)
		}
		s.query = asks == "rows" || asks == "" && (s.sql.asksRows() || len(s.capture) > 0)
		if len(out) > 0 && l.m.dialect != SQLServer && l.m.dialect != Oracle {
			l.Add(n.Line, "%s: out belongs to sqlserver and oracle; with mysql use @name and a step that selects it", what)
		}
		s.out = map[string]bool{}
		for _, name := range out {
			s.out[name] = true
		}
		o.steps = append(o.steps, s)
	})
}

var rowsPattern = regexp.MustCompile(`^[0-9]{1,9}\+?$`)

func (l *loader) rule(o *operation, s *step, what string, n *yaml.Node) {
	r := rule{line: n.Line, outcome: hisadapter.Unknown}
	what += ": outcome"
	then, kindName, stateName, null := "", "", "", ""
	l.Group(n, what, mapfile.Keys{
		"rows":      l.text(&r.rows, what+": rows"),
		"value":     l.text(&r.value.name, what+": value"),
		"is":        l.texts(&r.value.is, what+": is"),
		"null":      l.oneOf(&null, what+": null", "true", "false"),
		"sqlstate":  l.texts(&r.sqlState, what+": sqlstate"),
		"error":     l.texts(&r.errors, what+": error"),
		"message":   l.text(&r.message, what+": message"),
		"then":      l.oneOf(&then, what+": then", "next", "done", "refused", "find", "busy", "misconfigured", "unknown"),
		"kind":      l.oneOf(&kindName, what+": kind", kindNames()...),
		"state":     l.oneOf(&stateName, what+": state", "none", "frozen", "deducted", "released", "lapsed"),
		"available": l.text(&r.available, what+": available"),
		"code":      l.text(&r.code, what+": code"),
		"words":     l.text(&r.words, what+": words"),
	})
	if null != "" {
		isNull := null == "true"
		r.value.null = &isNull
	}
	if r.rows != "" && !rowsPattern.MatchString(r.rows) {
		l.Add(n.Line, "%s: rows: %q is not a number such as 1, or 1+ for at least one", what, r.rows)
	}
	if r.rows == "" && r.value.name == "" && !r.aboutError() {
		l.Add(n.Line, "%s: a rule without a condition would fit anything; what fits no rule is unknown by itself (rows: 0+ is any number of rows)", what)
	}
	if (r.value.name != "") != (r.value.is != nil || r.value.null != nil) {
		l.Add(n.Line, "%s: value goes with is or null", what)
	}
	if then == "" {
		l.Add(n.Line, "%s: then is missing", what)
	}
	l.actionOf(o, &r, what, n.Line, then, kindName, stateName)
	if r.aboutError() && (then == "next" || then == "done") {
		l.Add(n.Line, "%s: a statement that failed can never lead to %s; a duplicate is then: find", what, then)
	}
	if r.aboutError() && (r.rows != "" || r.value.name != "") {
		l.Add(n.Line, "%s: a statement that failed has neither rows nor values", what)
	}
	s.rules = append(s.rules, r)
}

func (l *loader) actionOf(o *operation, r *rule, what string, line int, then, kindName, stateName string) {
	r.then = finish
	switch then {
	case "next":
		r.then = next
	case "done":
		r.outcome = hisadapter.Done
	case "refused":
		r.outcome = hisadapter.Refused
	case "find":
		r.outcome = hisadapter.Find
	case "busy":
		r.outcome = hisadapter.Busy
	case "misconfigured":
		r.outcome = hisadapter.Misconfigured
	}
	if !o.writes() && (then == "refused" || then == "find") {
		l.Add(line, "%s: a read is neither refused nor a duplicate", what)
	}
	if (then == "refused") != (kindName != "") {
		l.Add(line, "%s: kind goes with then: refused (kind: other when nothing fits)", what)
	}
	if i := slices.Index(kindNames(), kindName); i >= 0 {
		r.refusal = hisadapter.Kind(i)
	}
	if o.name == opFind && (then == "done") != (stateName != "") || o.name != opFind && stateName != "" {
		l.Add(line, "%s: state goes with then: done of find_order", what)
	}
	for s := hisadapter.None; s <= hisadapter.Lapsed; s++ {
		if s.String() == stateName {
			r.state = s
		}
	}
}

// kindNames are the kinds of refusal in the order of their constants.
func kindNames() []string {
	var out []string
	for k := hisadapter.KindOther; k <= hisadapter.NotDivisible; k++ {
		out = append(out, k.String())
	}
	return out
}
