package httphis

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// rules reads an outcome table. A node that stands for nothing divides the
// operation's own rules from the defaults'.
func (q *answerLoader) rules(n *yaml.Node, what string, early bool) []rule {
	if n.Kind != yaml.SequenceNode {
		q.At(n, "%s: must be a list of rules", what)
		return []rule{}
	}
	out := []rule{}
	ownFrom, inDefaults := 0, false
	for _, e := range n.Content {
		if e.Kind == yaml.DocumentNode {
			ownFrom, inDefaults = len(out), true
			continue
		}
		e = mapfile.Follow(e)
		r, ok := q.rule(e, what, early, inDefaults)
		if !ok {
			continue
		}
		for _, earlier := range out[ownFrom:] {
			if earlier.shadows(r) {
				q.Add(r.line, "%s: this rule is never reached: the one of line %d fits whenever it does", what, earlier.line)
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
	r, ok := q.conditions(n, what, mapfile.Keys{
		"name": func(n *yaml.Node) { name, _ = q.text(n, what+": name") },
		"then": func(n *yaml.Node) { then, _ = q.text(n, what+": then"); thenAt = n },
	})
	r.name = name
	if thenAt == nil {
		q.At(n, "%s: then is missing", what)
		return r, false
	}
	v, err := parseVerdict(then, q.op, early)
	if word, _, _ := strings.Cut(then, " "); err != nil && inDefaults && isWord(word) {
		return r, false
	}
	if err != nil {
		q.At(thenAt, "%s: then: %v", what, err)
		return r, false
	}
	r.then = v
	if v.word == "next" && !q.more {
		q.At(thenAt, "%s: then: next, but no other call follows", what)
	}
	if len(r.conds) == 0 && ok {
		q.At(n, "%s: a rule without a condition would fit anything; what fits no rule is unknown by itself", what)
		return r, false
	}
	if v.positive() && ok && !r.hasEvidence() && (v.word == "done" || !r.names("rows")) {
		q.At(n, "%s: %s needs a word of the HIS that says so: a code, or a field that is there or is something (a text that holds another is too little, and a pattern speaks of the whole text: ^…$)", what, v.word)
	}
	if ok {
		q.certain(n, what, r)
	}
	return r, ok
}

// certain holds what says that nothing was done to the HIS's own words: a refusal
// gives money back, and the others send a write again.
func (q *answerLoader) certain(n *yaml.Node, what string, r rule) {
	word := r.then.word
	if r.spoken() || !slices.Contains([]string{"refused", "busy", "misconfigured", "login_again"}, word) {
		return
	}
	switch failing := r.failing(); {
	case word == "refused":
		q.At(n, "%s: refused needs a word of the HIS that says so, such as a code; a status alone may be that of a proxy", what)
	case len(failing) > 0 && !q.op.reads() && q.op != OpLogin:
		q.At(n, "%s: %s: the status %s alone does not say that nothing was done; leave it out, and the answer is unknown", what, word, strings.Join(failing, ", "))
	}
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
func (q *answerLoader) conditions(n *yaml.Node, what string, also mapfile.Keys) (rule, bool) {
	r := rule{line: n.Line}
	before := q.Count()
	var at *path
	looks := 0
	words := func(subject string, t test) func(n *yaml.Node) {
		return func(n *yaml.Node) {
			list := q.texts(n, what+": "+subject)
			if slices.Contains(list, "") && t == contains {
				q.At(n, "%s: %s: an empty text is in every text", what, subject)
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
	known := mapfile.Keys{
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
				q.At(n, "%s: not_expired: %v", what, err)
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
	q.Group(n, what, known)
	switch {
	case n.Kind == yaml.MappingNode && hasKey(n, "at") && looks != 1:
		q.At(n, "%s: at needs one of is, not, contains, matches, empty", what)
	case looks > 0 && !hasKey(n, "at"):
		q.At(n, "%s: is, not, contains, matches and empty look at something: at is missing", what)
	}
	for i := range r.conds {
		if r.conds[i].subject == "at" && at != nil {
			r.conds[i].path = *at
		}
	}
	return r, q.Count() == before
}

// where reads the conditions that a row must meet to count.
func (q *answerLoader) where(n *yaml.Node) {
	what := q.op.reading() + ": where"
	if n.Kind != yaml.SequenceNode {
		q.At(n, "%s: must be a list of conditions", what)
		return
	}
	for _, e := range n.Content {
		e = mapfile.Follow(e)
		r, ok := q.conditions(e, what, nil)
		if !ok {
			continue
		}
		if slices.ContainsFunc(r.conds, func(c cond) bool { return c.subject != "at" }) || len(r.conds) != 1 {
			q.At(e, "%s: a row is judged by at and one of is, not, contains, matches, empty, not_expired", what)
			continue
		}
		q.a.where = append(q.a.where, r.conds...)
	}
}
