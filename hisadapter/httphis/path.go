package httphis

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/antchfx/xpath"
)

// path is an XPath of the mapping, known to compile.
type path struct {
	src  string
	line int
}

// holder is the path of what holds the places of a plain path such as
// /data/list/item; "" is the document itself.
func (p path) holder() (string, bool) {
	if !plainPath.MatchString(p.src) {
		return "", false
	}
	return p.src[:strings.LastIndexByte(p.src, '/')], true
}

var plainPath = regexp.MustCompile(`^(/[\pL_][\pL\pN_.:-]*)+$`)

// reader reads one document. It keeps its own compiled paths, because a
// compiled one has a state and answers are read concurrently.
type reader struct {
	compiled map[string]*xpath.Expr
	left     work
}

func newReader() *reader { return &reader{compiled: map[string]*xpath.Expr{}, left: maxWork} }

func compilePath(src string) (expr *xpath.Expr, err error) {
	defer recovered(src, &err)
	return xpath.Compile(src)
}

// recovered turns a panic of the XPath engine, which is how it reports a wrong
// argument of a function, into an error.
func recovered(src string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("XPath %s: %v", src, p)
	}
}

func (r *reader) expr(p path) (*xpath.Expr, error) {
	if e, ok := r.compiled[p.src]; ok {
		return e, nil
	}
	e, err := compilePath(p.src)
	if err == nil {
		r.compiled[p.src] = e
	}
	return e, err
}

// nodes are the elements that a path selects from a node, at most maxNodes.
func (r *reader) nodes(from *node, p path) (out []*node, err error) {
	e, err := r.expr(p)
	if err != nil {
		return nil, err
	}
	defer recovered(p.src, &err)
	for it := e.Select(cursorAt(from, &r.left)); it.MoveNext(); {
		c, ok := it.Current().(*cursor)
		if !ok || c.attr >= 0 || c.at.isText {
			return nil, fmt.Errorf("XPath %s: selects no elements", p.src)
		}
		out = append(out, c.at)
	}
	return out, nil
}

// reading is how much must be sure of what a path says.
type reading uint8

const (
	first  reading = iota // the first place that it selects
	agreed                // all its places say the same
	single                // and the text is that of one element
)

// sole is text, of a path whose places must all say the same: a code of success
// above one of failure is no success, and one of two numbers is nobody's.
func (r *reader) sole(from *node, p path) (s string, found bool, err error) {
	return r.read(from, p, agreed)
}

// value is sole, of a place that holds one text: the parts of a list, or of an
// object, put together are a number that nobody said.
func (r *reader) value(from *node, p path) (s string, found bool, err error) {
	return r.read(from, p, single)
}

// text is what a path says of a node: the text of the first place that it
// selects, or the value of its function. found is false where there is no such
// place.
func (r *reader) text(from *node, p path) (s string, found bool, err error) {
	return r.read(from, p, first)
}

func (r *reader) read(from *node, p path, sure reading) (s string, found bool, err error) {
	e, err := r.expr(p)
	if err != nil {
		return "", false, err
	}
	defer recovered(p.src, &err)
	switch v := e.Evaluate(cursorAt(from, &r.left)).(type) {
	case string:
		return v, true, nil
	case bool:
		return strconv.FormatBool(v), true, nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true, nil
	case *xpath.NodeIterator:
		if !v.MoveNext() {
			return "", false, nil
		}
		s = v.Current().Value()
		if at, ok := v.Current().(*cursor); sure == single && ok && at.attr < 0 && at.at.holders() > 1 {
			return "", false, fmt.Errorf("XPath %s (mapping line %d): holds several values, %.40q together; name the one that is meant", p.src, p.line, s)
		}
		for sure >= agreed && v.MoveNext() {
			if more := v.Current().Value(); strings.TrimSpace(more) != strings.TrimSpace(s) {
				hint := ""
				if from.parent != nil && strings.HasPrefix(p.src, "/") {
					hint = "; in a row ." + p.src + " looks at the row alone"
				}
				return "", false, fmt.Errorf("XPath %s (mapping line %d): stands for several places that say different things, %.20q and %.20q%s", p.src, p.line, s, more, hint)
			}
		}
		return s, true, nil
	default:
		return "", false, errors.New("XPath " + p.src + ": gives no text")
	}
}
