package sqlhis

import (
	"slices"
	"strings"
)

// scope is which names stand at a step.
type scope struct {
	order map[string]bool // known for the whole order
	line  map[string]bool // known for each line
}

// checkNames holds every parameter and every captured name that is used to be
// known where it is used.
func (l *loader) checkNames(o *operation) {
	sc := scope{order: map[string]bool{}, line: map[string]bool{}}
	for _, name := range o.params() {
		sc.order[name] = true
	}
	if o.hasLines() {
		for _, name := range lineParams() {
			sc.line[name] = true
		}
	}
	for i, s := range o.steps {
		outs := map[string]bool{}
		for _, p := range s.sql.parts {
			switch {
			case p.name == "":
			case s.out[p.name]:
				outs[p.name] = true
			case o.hasAttributes() && strings.HasPrefix(p.name, "attr_"), sc.knows(p.name, s.perLine):
			case sc.line[p.name]:
				l.Add(s.line+p.line, "%s: :%s is known for each line only; the step needs for_each: line", o.name, p.name)
			default:
				l.Add(s.line+p.line, "%s: no such parameter :%s; known here are %s", o.name, p.name, sc.names(s.perLine))
			}
		}
		for name := range s.out {
			if !outs[name] {
				l.Add(s.line, "%s: out %s does not stand in the statement as :%s", o.name, name, name)
			}
		}
		l.define(o, s, &sc)
		for _, r := range s.rules {
			for _, name := range []string{r.value.name, r.available, r.code, r.words} {
				if name != "" && !sc.knows(name, s.perLine) {
					l.Add(s.line, "%s: outcome of step %d: nothing is captured as %q", o.name, i+1, name)
				}
			}
		}
	}
	for field, name := range o.result {
		if !sc.order[name] {
			l.Add(o.line, "%s: result: %s: nothing is captured as %q for the whole order", o.name, field, name)
		}
	}
}

// define adds what a step captures.
func (l *loader) define(o *operation, s *step, sc *scope) {
	if len(s.capture) > 0 && !s.query {
		l.Add(s.line, "%s: a step with answer: count captures nothing", o.name)
	}
	names := make([]string, 0, len(s.capture)+len(s.out))
	for name := range s.capture {
		names = append(names, name)
	}
	for name := range s.out {
		names = append(names, name)
	}
	for _, name := range names {
		if !isParam(name) || slices.Contains(o.params(), name) || slices.Contains(lineParams(), name) {
			l.Add(s.line, "%s: %q cannot be captured: names are of a-z, 0-9 and _, and no parameter has them", o.name, name)
		}
		if s.perLine {
			sc.line[name] = true
		} else {
			sc.order[name] = true
		}
	}
}

func isParam(name string) bool {
	return name != "" && isNameStart(name[0]) && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

func (s *scope) knows(name string, perLine bool) bool {
	return s.order[name] || perLine && s.line[name]
}

func (s *scope) names(perLine bool) string {
	var out []string
	for name := range s.order {
		out = append(out, ":"+name)
	}
	if perLine {
		for name := range s.line {
			out = append(out, ":"+name)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
