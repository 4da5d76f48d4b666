package httphis

import (
	"fmt"
	"strconv"
	"strings"
)

// template is a text with places for values, ready to be rendered.
type template struct {
	src   string
	nodes []tnode
	// uses names what the template prints or asks for, as "root" or "root.name".
	uses map[string]bool
	// strict are those of them without which it cannot be rendered.
	strict map[string]bool
}

// tnode is one piece of a template. Exactly one of its parts is set.
type tnode struct {
	literal string
	print   *printing
	each    *turns
	branch  *branch
}

type printing struct {
	expr  expr
	place place
	line  int
	// reveals: what is printed is, or can be turned back into, a secret.
	reveals bool
}

type turns struct {
	over    string // lines or keys
	between string
	body    []tnode
}

type branch struct {
	cond      expr
	negate    bool
	then, els []tnode
}

// expr is a value and the filters it goes through.
type expr struct {
	src     string
	literal *string // a text in quotes
	ref     string  // or a name
	filters []filterCall
	kind    kind // of the result
}

type filterCall struct {
	name string
	args []argument
}

type argument struct {
	text  string
	isRef bool
}

// parser compiles one template.
type parser struct {
	src     string
	line    int // of the first line of src in its file
	pos     int
	scope   *scope
	grammar grammar
	t       *template
	problem func(line int, format string, args ...any)
	broken  bool
}

// compile reads a template. What is wrong goes to problem, with its line; the
// template is usable only when nothing was.
func compile(src string, line int, sc *scope, g grammar, problem func(line int, format string, args ...any)) *template {
	p := &parser{src: src, line: line, scope: sc, grammar: g, problem: problem}
	p.t = &template{src: src, uses: map[string]bool{}, strict: map[string]bool{}}
	nodes, end := p.until("")
	if end != "" {
		p.fault(p.pos, "{{ %s }} without a beginning", end)
	}
	p.t.nodes = nodes
	return p.t
}

func (p *parser) lineAt(pos int) int {
	return p.line + strings.Count(p.src[:min(pos, len(p.src))], "\n")
}

func (p *parser) fault(pos int, format string, args ...any) {
	p.broken = true
	p.problem(p.lineAt(pos), format, args...)
}

// until reads pieces up to the {{ else }} or {{ end }} that closes what was
// opened, and returns which it was.
func (p *parser) until(opened string) (nodes []tnode, end string) {
	for {
		open := strings.Index(p.src[p.pos:], "{{")
		if open < 0 {
			p.literal(&nodes, p.src[p.pos:])
			p.pos = len(p.src)
			if opened != "" {
				p.fault(p.pos, "{{ %s }} without {{ end }}", opened)
			}
			return nodes, ""
		}
		lit := p.src[p.pos : p.pos+open]
		start := p.pos + open
		length := strings.Index(p.src[start:], "}}")
		if length < 0 {
			p.fault(start, "{{ is not closed by }}")
			p.pos = len(p.src)
			return nodes, ""
		}
		inner := p.src[start+2 : start+length]
		p.pos = start + length + 2
		if strings.HasPrefix(inner, "-") {
			inner, lit = inner[1:], strings.TrimRight(lit, " \t\r\n")
		}
		p.literal(&nodes, lit)
		if strings.HasSuffix(inner, "-") {
			inner = inner[:len(inner)-1]
			p.pos += len(p.src[p.pos:]) - len(strings.TrimLeft(p.src[p.pos:], " \t\r\n"))
		}
		words, err := split(inner)
		if err != nil || len(words) == 0 {
			p.fault(start, "{{%s}}: %v", inner, orEmpty(err))
			continue
		}
		switch words[0].text {
		case "end", "else":
			if len(words) > 1 || opened == "" {
				p.fault(start, "{{%s}} does not belong here", inner)
				continue
			}
			return nodes, words[0].text
		case "each":
			nodes = append(nodes, p.each(start, inner, words[1:]))
		case "if":
			nodes = append(nodes, p.branch(start, inner, words[1:]))
		default:
			if n, ok := p.print(start, words); ok {
				nodes = append(nodes, n)
			}
		}
	}
}

func orEmpty(err error) error {
	if err == nil {
		return fmt.Errorf("is empty")
	}
	return err
}

func (p *parser) literal(nodes *[]tnode, s string) {
	if s == "" {
		return
	}
	p.grammar = p.grammar.feed(s)
	*nodes = append(*nodes, tnode{literal: s})
}

func (p *parser) print(start int, words []word) (tnode, bool) {
	e, ok := p.expression(start, words, true)
	if !ok {
		return tnode{}, false
	}
	pl, err := p.grammar.place()
	if err != nil {
		p.fault(start, "%v", err)
		return tnode{}, false
	}
	if e.kind == kTime {
		p.fault(start, "%s is a time; say how it is written: | time \"yyyy-MM-dd HH:mm:ss\"", e.src)
		return tnode{}, false
	}
	if n := len(e.filters); n > 0 && e.filters[n-1].name == "raw" {
		e.filters, pl = e.filters[:n-1], plain
	}
	return tnode{print: &printing{expr: e, place: pl, line: p.lineAt(start), reveals: p.scope.reveals(e)}}, true
}

func (p *parser) each(start int, inner string, words []word) tnode {
	t := &turns{}
	if len(words) == 0 || len(words) > 2 || words[0].quoted || len(words) == 2 && !words[1].quoted {
		p.fault(start, `{{%s}}: write {{ each lines }} or {{ each lines ", " }}`, inner)
	} else {
		t.over = words[0].text
		if !p.scope.lists(t.over) {
			p.fault(start, "{{%s}}: this operation has no %s", inner, t.over)
		}
		if len(words) == 2 {
			t.between = words[1].text
		}
		p.t.uses[t.over] = true
	}
	before, scope := p.grammar, p.scope
	p.scope = scope.inside(t.over)
	var end string
	t.body, end = p.until("each")
	p.scope = scope
	if end == "else" {
		p.fault(p.pos, "{{ else }} belongs to {{ if }}")
		p.until("each")
	}
	if p.grammar != before || before.feed(t.between) != before {
		p.fault(start, "{{%s}}: one turn must end where the next can begin: a quote, tag or CDATA is left open", inner)
	}
	p.grammar = before
	return tnode{each: t}
}

func (p *parser) branch(start int, inner string, words []word) tnode {
	b := &branch{}
	if len(words) > 0 && words[0].text == "not" && !words[0].quoted {
		b.negate, words = true, words[1:]
	}
	if len(words) == 0 {
		p.fault(start, "{{%s}}: asks for nothing", inner)
	} else if e, ok := p.expression(start, words, false); ok {
		b.cond = e
	}
	before := p.grammar
	var end string
	b.then, end = p.until("if")
	after := p.grammar
	p.grammar = before
	if end == "else" {
		if b.els, end = p.until("if"); end == "else" {
			p.fault(p.pos, "a second {{ else }}")
		}
	}
	if p.grammar != after {
		p.fault(start, "{{%s}}: both ways must end at the same place: a quote, tag or CDATA is left open", inner)
	}
	p.grammar = after
	return tnode{branch: b}
}

// word is a piece of what stands in {{ }}.
type word struct {
	text   string
	quoted bool
}

// split cuts what stands in {{ }} into names, numbers, quoted texts and |.
func split(s string) (out []word, err error) {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " \t\r\n") {
		switch s[0] {
		case '"', '\'':
			if s[0] == '\'' {
				return nil, fmt.Errorf(`texts stand in double quotes: "…"`)
			}
			q, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, fmt.Errorf("a text is not closed")
			}
			t, err := strconv.Unquote(q)
			if err != nil {
				return nil, err
			}
			out, s = append(out, word{t, true}), s[len(q):]
		case '|':
			out, s = append(out, word{text: "|"}), s[1:]
		default:
			n := strings.IndexAny(s, " \t\r\n|\"'")
			if n < 0 {
				n = len(s)
			}
			out, s = append(out, word{text: s[:n]}), s[n:]
		}
	}
	return out, nil
}
