package httphis

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// rules reads an outcome table. A node that stands for nothing divides the
// operation's own rules from the defaults'.
func (q *answerLoader) rules(n *yaml.Node, what string, early bool) []rule {
	if n.Kind != yaml.SequenceNode {
		q.at(n, "%s: must be a list of rules", what)
		return []rule{}
	}
	out := []rule{}
	ownFrom, inDefaults := 0, false
	for _, e := range n.Content {
		if e.Kind == yaml.DocumentNode {
			ownFrom, inDefaults = len(out), true
			continue
		}
		e = follow(e)
		r, ok := q.rule(e, what, early, inDefaults)
		if !ok {
			continue
		}
		for _, earlier := range out[ownFrom:] {
			if earlier.shadows(r) {
				q.add(r.line, "%s: this rule is never reached: the one of line %d fits whenever it does", what, earlier.line)
				break
			}
		}
		out = append(out, r)
	}
	return out
}

// rule reads one rule. Of the defaults' rules those whose word the operation
// does not have are left out: a done for find_order, say.
func (q *answerLoader) rule(n *yaml.Node, what string, early, inDefaults bool) (rule, bool) {
	var then, name string
	var thenAt *yaml.Node
	r, ok := q.conditions(n, what, keys{
		"name": func(n *yaml.Node) { name, _ = q.text(n, what+": name") },
		"then": func(n *yaml.Node) { then, _ = q.text(n, what+": then"); thenAt = n },
	})
	r.name = name
	if thenAt == nil {
		q.at(n, "%s: then is missing", what)
		return r, false
	}
	v, err := parseVerdict(then, q.op, early)
	if word, _, _ := strings.Cut(then, " "); err != nil && inDefaults && isWord(word) {
		return r, false
	}
	if err != nil {
		q.at(thenAt, "%s: then: %v", what, err)
		return r, false
	}
	r.then = v
	if v.word == "next" && !q.more {
		q.at(thenAt, "%s: then: next, but no other call follows", what)
	}
	if len(r.conds) == 0 && ok {
		q.at(n, "%s: a rule without a condition would fit anything; what fits no rule is unknown by itself", what)
		return r, false
	}
	if v.positive() && ok && !slices.ContainsFunc(r.conds, cond.evidence) && !(v.word != "done" && r.names("rows")) {
		q.at(n, "%s: %s needs a word of the HIS that says so: a code, a message, or a field that is there", what, v.word)
	}
	return r, ok
}

func isWord(word string) bool {
	for _, op := range append(Ops(), OpLogin) {
		if slices.Contains(op.verdicts(false), word) {
			return true
		}
	}
	return false
}

// conditions reads the conditions of a rule, beside the keys in also.
func (q *answerLoader) conditions(n *yaml.Node, what string, also keys) (rule, bool) {
	r := rule{line: n.Line}
	before := len(q.list)
	var at *path
	looks := 0
	words := func(subject string, t test) func(n *yaml.Node) {
		return func(n *yaml.Node) {
			list := q.texts(n, what+": "+subject)
			if slices.Contains(list, "") && t == contains {
				q.at(n, "%s: %s: an empty text is in every text", what, subject)
			}
			r.conds = append(r.conds, cond{subject: subject, test: t, words: list})
		}
	}
	pattern := func(subject string) func(n *yaml.Node) {
		return func(n *yaml.Node) {
			if re := q.regex(n, what+": "+subject); re != nil {
				r.conds = append(r.conds, cond{subject: subject, test: matches, re: re})
			}
		}
	}
	look := func(c cond, read func(n *yaml.Node, c *cond)) func(n *yaml.Node) {
		return func(n *yaml.Node) {
			looks++
			c.subject = "at"
			read(n, &c)
			r.conds = append(r.conds, c)
		}
	}
	listed := func(n *yaml.Node, c *cond) { c.words = q.texts(n, what+": "+string(c.test)) }
	known := keys{
		"code":            words("code", is),
		"code_matches":    pattern("code"),
		"message":         words("message", contains),
		"message_matches": pattern("message"),
		"status": func(n *yaml.Node) {
			r.conds = append(r.conds, cond{subject: "status", test: is, words: q.statuses(n, what+": status")})
		},
		"at":       func(n *yaml.Node) { at = q.path(n, what+": at") },
		"is":       look(cond{test: is}, listed),
		"not":      look(cond{test: isNot}, listed),
		"contains": look(cond{test: contains}, listed),
		"matches": look(cond{test: matches}, func(n *yaml.Node, c *cond) {
			c.re = q.regex(n, what+": matches")
		}),
		"empty": look(cond{test: isEmpty}, func(n *yaml.Node, c *cond) { c.empty = q.boolean(n, what+": empty") }),
		"not_expired": look(cond{test: unexpired}, func(n *yaml.Node, c *cond) {
			s, _ := q.text(n, what+": not_expired")
			var err error
			if c.format, err = parseTimeFormat(s); err != nil {
				q.at(n, "%s: not_expired: %v", what, err)
			}
		}),
	}
	if q.op.rowed() {
		known["rows"] = func(n *yaml.Node) {
			r.conds = append(r.conds, cond{subject: "rows", test: is, words: []string{q.oneOf(n, what+": rows", "0", "some")}})
		}
	}
	for k, v := range also {
		known[k] = v
	}
	q.group(n, what, known)
	switch {
	case n.Kind == yaml.MappingNode && hasKey(n, "at") && looks != 1:
		q.at(n, "%s: at needs one of is, not, contains, matches, empty", what)
	case looks > 0 && !hasKey(n, "at"):
		q.at(n, "%s: is, not, contains, matches and empty look at something: at is missing", what)
	}
	for i := range r.conds {
		if r.conds[i].subject == "at" && at != nil {
			r.conds[i].path = *at
		}
	}
	return r, len(q.list) == before
}

// where reads the conditions that a row must meet to count.
func (q *answerLoader) where(n *yaml.Node) {
	what := string(q.op) + ": answer: where"
	if n.Kind != yaml.SequenceNode {
		q.at(n, "%s: must be a list of conditions", what)
		return
	}
	for _, e := range n.Content {
		e = follow(e)
		r, ok := q.conditions(e, what, nil)
		if !ok {
			continue
		}
		if slices.ContainsFunc(r.conds, func(c cond) bool { return c.subject != "at" }) || len(r.conds) != 1 {
			q.at(e, "%s: a row is judged by at and one of is, not, contains, matches, empty, not_expired", what)
			continue
		}
		q.a.where = append(q.a.where, r.conds...)
	}
}

// steps reads unwrap and checks that each step can follow the one before.
func (q *answerLoader) steps(n *yaml.Node, what string) []step {
	if n.Kind != yaml.SequenceNode {
		q.at(n, "%s: must be a list of steps", what)
		return []step{}
	}
	out := []step{}
	has := "bytes"
	for _, e := range n.Content {
		s, ok := q.step(follow(e), what)
		if !ok {
			return append(out, s)
		}
		needs, gives := s.turns()
		if !slices.Contains(needs, has) {
			q.add(s.line, "%s: %s works on %s, but there is %s here", what, s.do, strings.Join(needs, " or "), has)
		}
		has = gives
		out = append(out, s)
	}
	if has != "a document" {
		q.at(n, "%s: ends with %s; the last step must be xml, json, lenient_json or delimited", what, has)
	}
	return out
}

// turns is what a step works on and what it leaves.
func (s step) turns() (needs []string, gives string) {
	switch s.do {
	case "text":
		return []string{"a document"}, "text"
	case "outcome":
		return []string{"a document"}, "a document"
	case "base64", "hex":
		return []string{"bytes", "text"}, "bytes"
	case "decrypt":
		return []string{"bytes"}, "bytes"
	case "charset":
		return []string{"bytes"}, "text"
	default:
		return []string{"bytes", "text"}, "a document"
	}
}

func (q *answerLoader) step(n *yaml.Node, what string) (step, bool) {
	s := step{line: n.Line}
	plain := []string{"xml", "json", "lenient_json", "base64", "hex"}
	if n.Kind == yaml.ScalarNode {
		s.do = n.Value
		if !slices.Contains(plain, s.do) {
			q.at(n, "%s: no such step %q; there is %s, and with a value text, delimited, decrypt, charset, outcome", what, s.do, strings.Join(plain, ", "))
			return s, false
		}
		return s, true
	}
	before := len(q.list)
	set := func(do string, read func(n *yaml.Node)) func(n *yaml.Node) {
		return func(n *yaml.Node) {
			if s.do != "" {
				q.at(n, "%s: one step an entry: write - before %s", what, do)
			}
			s.do = do
			read(n)
		}
	}
	q.group(n, what, keys{
		"text": set("text", func(n *yaml.Node) {
			if p := q.path(n, what+": text"); p != nil {
				s.path = *p
			}
		}),
		"charset":   set("charset", func(n *yaml.Node) { s.charset = charset(q.oneOf(n, what+": charset", charsetNames()...)) }),
		"outcome":   set("outcome", func(n *yaml.Node) { s.rules = q.rules(n, what+": outcome", true) }),
		"delimited": set("delimited", func(n *yaml.Node) { s.layout = q.layout(n, what+": delimited") }),
		"decrypt":   set("decrypt", func(n *yaml.Node) { q.decrypt(n, what+": decrypt", &s) }),
	})
	return s, len(q.list) == before && s.do != ""
}

func (q *answerLoader) layout(n *yaml.Node, what string) layout {
	out := layout{rows: "\n", columns: "|"}
	q.group(n, what, keys{
		"rows":    func(n *yaml.Node) { out.rows, _ = q.text(n, what+": rows") },
		"columns": func(n *yaml.Node) { out.columns, _ = q.text(n, what+": columns") },
		"names":   func(n *yaml.Node) { out.names = q.texts(n, what+": names") },
	})
	if out.rows == "" || out.columns == "" {
		q.at(n, "%s: rows and columns must not be empty", what)
	}
	for _, name := range out.names {
		if !isName(name) {
			q.at(n, "%s: names: %q is not a name (letters, digits, _)", what, name)
		}
	}
	return out
}

func (q *answerLoader) decrypt(n *yaml.Node, what string, s *step) {
	named := func(n *yaml.Node, key string) string {
		name, _ := q.text(n, what+": "+key)
		secret, ok := strings.CutPrefix(name, "secret.")
		if _, known := q.m.secrets[secret]; !ok || !known {
			q.at(n, "%s: %s: %q is not the name of a secret, such as secret.aes_key", what, key, name)
		}
		return name
	}
	var cipher string
	q.group(n, what, keys{
		"cipher": func(n *yaml.Node) { cipher = q.oneOf(n, what+": cipher", "aes_ecb", "aes_cbc") },
		"key":    func(n *yaml.Node) { s.key = named(n, "key") },
		"iv":     func(n *yaml.Node) { s.iv = named(n, "iv") },
	})
	if cipher == "" || s.key == "" || (cipher == "aes_cbc") != (s.iv != "") {
		q.at(n, "%s: cipher and key are needed, and an iv for aes_cbc alone", what)
	}
}
