package httphis

import (
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// request is how a call is written.
type request struct {
	method  string
	path    *template
	query   []named
	headers []named
	parts   []part
	body    *part
	values  map[string]string
	uses    map[string]bool // what its templates name
	strict  map[string]bool // what it cannot be written without
}

// named is a template under a name: a header, a query parameter.
type named struct {
	name string
	tmpl *template
}

// part is a text that is rendered before the body, or the body itself.
type part struct {
	name       string
	format     format
	line       int
	tmpl       *template // of xml, json, text, delimited
	fields     []named   // of form and join
	separators []string  // of delimited
	join       joining
}

// format is what a part is written in.
type format string

const (
	asXML       format = "xml"
	asJSON      format = "json"
	asText      format = "text"
	asDelimited format = "delimited"
	asForm      format = "form"
	asJoin      format = "join"
)

// joining puts fields into one text, as signatures are taken over.
type joining struct {
	sorted, skipEmpty bool
	pair, between     string
}

// overlaid is the request or answer of an operation over that of the defaults:
// keys of the operation win; of those in both, values, parts, headers and query
// are laid over each other entry by entry, the operation's first.
func (l *loader) overlaid(base, own *yaml.Node, what string) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	for _, n := range []*yaml.Node{own, base} {
		if n == nil {
			continue
		}
		for _, p := range l.Pairs(n, what) {
			first, ok := out[p.Key]
			if !ok && p.Key == "outcome" && n == base {
				first, ok = &yaml.Node{Kind: yaml.SequenceNode, Line: p.Value.Line}, true
			}
			switch {
			case !ok:
				out[p.Key] = p.Value
			case p.Key == "outcome" && first.Kind == yaml.SequenceNode && p.Value.Kind == yaml.SequenceNode:
				both := *first
				both.Content = slices.Concat(first.Content, []*yaml.Node{{Kind: yaml.DocumentNode}}, p.Value.Content)
				out[p.Key] = &both
			case slices.Contains([]string{"values", "parts", "headers", "query"}, p.Key) &&
				first.Kind == yaml.MappingNode && p.Value.Kind == yaml.MappingNode:
				both := *first
				both.Content = slices.Clone(first.Content)
				for i := 0; i+1 < len(p.Value.Content); i += 2 {
					if !hasKey(first, p.Value.Content[i].Value) {
						both.Content = append(both.Content, p.Value.Content[i], p.Value.Content[i+1])
					}
				}
				out[p.Key] = &both
			}
		}
	}
	return out
}

func hasKey(n *yaml.Node, key string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if strings.EqualFold(n.Content[i].Value, key) {
			return true
		}
	}
	return false
}

// requestLoader reads the request of one operation.
type requestLoader struct {
	*loader
	op    Op
	scope *scope
	r     request
}

func (l *loader) request(op Op, line int, n *yaml.Node) request {
	what := string(op) + ": request"
	nodes := l.overlaid(l.defaults.request, n, what)
	known := []string{"method", "path", "query", "headers", "parts", "body", "values"}
	for key, n := range nodes {
		if !slices.Contains(known, key) {
			l.At(n, "%s: no such key %q; possible are %s", what, key, strings.Join(known, ", "))
		}
	}
	q := &requestLoader{loader: l, op: op}
	q.r = request{method: http.MethodPost, uses: map[string]bool{}, strict: map[string]bool{}, values: map[string]string{}}
	for name, v := range l.m.values {
		q.r.values[name] = v
	}
	if n := nodes["values"]; n != nil {
		for name, v := range l.constants(n, what+": values") {
			q.r.values[name] = v
		}
	}
	q.scope = newScope(op, l.m, q.r.values)
	if n := nodes["method"]; n != nil {
		q.r.method = l.oneOf(n, what+": method", http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete)
	}
	if n := nodes["parts"]; n != nil {
		for _, p := range l.Pairs(n, what+": parts") {
			q.part(p)
		}
	}
	if n := nodes["path"]; n != nil {
		q.r.path = q.template(n, "path", free(segment))
		if s, _ := l.text(n, "path"); s != "" && !strings.HasPrefix(s, "/") || strings.ContainsAny(s, "?#") {
			l.At(n, "%s: path: begins with / and has no ? (use query)", what)
		}
	}
	q.r.query = q.named(nodes["query"], "query")
	q.r.headers = q.named(nodes["headers"], "headers")
	q.headers(nodes["headers"])
	if n := nodes["body"]; n != nil {
		b := q.formatted(mapfile.Pair{Line: n.Line, Value: n}, "body", asXML, asJSON, asText, asDelimited, asForm)
		q.r.body = &b
	}
	if n == nil && l.defaults.request == nil {
		l.Add(line, "%s: is missing", what)
	}
	return q.r
}

func (q *requestLoader) headers(n *yaml.Node) {
	for _, h := range q.r.headers {
		if strings.ContainsFunc(h.name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) }) {
			q.At(n, "%s: headers: %q is not the name of a header", q.op, h.name)
		}
		if slices.Contains([]string{"content-length", "transfer-encoding", "connection", "host", "idempotency-key", "x-idempotency-key"}, strings.ToLower(h.name)) {
			// The last two would let the transport send a write again by itself [C2].
			q.At(n, "%s: headers: %s is not for the mapping to set", q.op, h.name)
		}
	}
}

// template compiles one template of the request.
func (q *requestLoader) template(n *yaml.Node, what string, g grammar) *template {
	src, ok := q.text(n, string(q.op)+": "+what)
	if !ok {
		return nil
	}
	line := mapfile.Follow(n).Line
	if mapfile.Follow(n).Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		line++ // the text begins below its key
		src = strings.TrimSuffix(src, "\n")
	}
	t := compile(src, line, q.scope, g, func(line int, format string, args ...any) {
		q.Add(line, string(q.op)+": "+what+": "+format, args...)
	})
	for name := range t.uses {
		q.r.uses[name] = true
	}
	for name := range t.strict {
		q.r.strict[name] = true
	}
	return t
}

func (q *requestLoader) named(n *yaml.Node, what string) (out []named) {
	if n == nil {
		return nil
	}
	for _, p := range q.Pairs(n, string(q.op)+": "+what) {
		if t := q.template(p.Value, what+": "+p.Key, free(plain)); t != nil {
			out = append(out, named{p.Key, t})
		}
	}
	return out
}

func (q *requestLoader) part(p mapfile.Pair) {
	if !isName(p.Key) {
		q.Add(p.Line, "%s: parts: %q is not a name (letters, digits, _)", q.op, p.Key)
	}
	made := q.formatted(p, "parts: "+p.Key, asXML, asJSON, asText, asDelimited, asJoin)
	made.name = p.Key
	q.r.parts = append(q.r.parts, made)
	full := "part." + p.Key
	q.scope.names[full] = kText
	q.scope.tainted[full] = made.tainted(q.scope)
}

// tainted reports whether the part's text can give a secret away.
func (p part) tainted(sc *scope) bool {
	var inside func(nodes []tnode) bool
	inside = func(nodes []tnode) bool {
		return slices.ContainsFunc(nodes, func(n tnode) bool {
			return n.print != nil && n.print.reveals || n.each != nil && inside(n.each.body) ||
				n.branch != nil && (inside(n.branch.then) || inside(n.branch.els))
		})
	}
	return p.tmpl != nil && inside(p.tmpl.nodes) ||
		slices.ContainsFunc(p.fields, func(f named) bool { return inside(f.tmpl.nodes) })
}

// formatted reads {xml: …}, {json: …} and so on.
func (q *requestLoader) formatted(p mapfile.Pair, what string, allowed ...format) part {
	out := part{line: p.Line, join: joining{pair: "=", between: "&"}}
	full := string(q.op) + ": " + what
	set := func(f format, read func(n *yaml.Node)) func(n *yaml.Node) {
		return func(n *yaml.Node) {
			if out.format != "" {
				q.At(n, "%s: is %s already", full, out.format)
				return
			}
			out.format, out.line = f, n.Line
			read(n)
		}
	}
	known := mapfile.Keys{}
	for _, f := range allowed {
		switch f {
		case asXML:
			known["xml"] = set(f, func(n *yaml.Node) { out.tmpl = q.template(n, what, xText) })
		case asJSON:
			known["json"] = set(f, func(n *yaml.Node) { out.tmpl = q.template(n, what, jValue) })
		case asText:
			known["text"] = set(f, func(n *yaml.Node) {
				out.tmpl = q.template(n, what, free(plain))
				if s, _ := q.text(n, what); strings.HasPrefix(strings.TrimSpace(s), "<") ||
					strings.HasPrefix(strings.TrimSpace(s), "{") && !strings.HasPrefix(strings.TrimSpace(s), "{{") {
					q.At(n, "%s: looks like XML or JSON; under text nothing is escaped, write it under xml or json", full)
				}
			})
		case asDelimited:
			known["delimited"] = set(f, func(n *yaml.Node) { out.tmpl = q.template(n, what, free(column)) })
			known["separators"] = func(n *yaml.Node) { out.separators = q.texts(n, full+": separators") }
		case asForm:
			known["form"] = set(f, func(n *yaml.Node) { out.fields = q.named(n, what) })
		case asJoin:
			known["join"] = set(f, func(n *yaml.Node) { out.fields = q.named(n, what) })
			known["sort"] = func(n *yaml.Node) { out.join.sorted = q.boolean(n, full+": sort") }
			known["skip_empty"] = func(n *yaml.Node) { out.join.skipEmpty = q.boolean(n, full+": skip_empty") }
			known["pair"] = func(n *yaml.Node) { out.join.pair, _ = q.text(n, full+": pair") }
			known["between"] = func(n *yaml.Node) { out.join.between, _ = q.text(n, full+": between") }
		}
	}
	q.Group(p.Value, full, known)
	if out.format == "" {
		q.Add(p.Line, "%s: say what it is written in: %v", full, allowed)
	}
	if out.format == asDelimited && len(out.separators) == 0 {
		q.Add(out.line, "%s: separators are missing: the texts that no value may hold", full)
	}
	return out
}
