package httphis

import (
	"fmt"
	"strings"

	"github.com/antchfx/xpath"
)

// node is one place of a document, whatever it was written in: XML, JSON or
// delimited text. An element has a name and children; a text has text only.
type node struct {
	name, prefix string
	text         string // of texts and attributes
	isText       bool
	attrs        []attr
	parent       *node
	first, last  *node
	prev, next   *node
}

type attr struct{ name, prefix, value string }

// The most that a document may have. An answer beyond it is unknown.
const (
	maxDepth = 100
	maxNodes = 500_000
)

// builder makes a document within its bounds.
type builder struct {
	root  *node
	nodes int
}

func newBuilder() *builder { return &builder{root: &node{}} }

func (b *builder) append(parent, child *node) error {
	if b.nodes++; b.nodes > maxNodes {
		return fmt.Errorf("the document has more than %d parts", maxNodes)
	}
	child.parent = parent
	if parent.last == nil {
		parent.first = child
	} else {
		child.prev, parent.last.next = parent.last, child
	}
	parent.last = child
	return nil
}

func (b *builder) element(parent *node, name string) (*node, error) {
	n := &node{name: name}
	return n, b.append(parent, n)
}

// leaf is an element that holds one text.
func (b *builder) leaf(parent *node, name, text string) error {
	n, err := b.element(parent, name)
	if err == nil && text != "" {
		err = b.append(n, &node{isText: true, text: text})
	}
	return err
}

// value is all text below the node.
func (n *node) value() string {
	s, _ := n.counted()
	return s
}

// counted is value, and how many nodes were looked at for it.
func (n *node) counted() (s string, visited int) {
	if n.isText {
		return n.text, 1
	}
	if n.first != nil && n.first == n.last && n.first.isText {
		return n.first.text, 1
	}
	var sb strings.Builder
	visited = n.write(&sb)
	return sb.String(), visited
}

func (n *node) write(sb *strings.Builder) (visited int) {
	if n.isText {
		sb.WriteString(n.text)
	}
	for c := n.first; c != nil; c = c.next {
		visited += c.write(sb)
	}
	return visited + 1
}

// holders is how many elements, of the node and those below it, hold a text of their
// own that is not blank.
func (n *node) holders() int {
	sum, own := 0, n.isText
	for c := n.first; c != nil; c = c.next {
		if c.isText {
			own = own || strings.TrimSpace(c.text) != ""
		} else {
			sum += c.holders()
		}
	}
	if own {
		sum++
	}
	return sum
}

func (n *node) root() *node {
	for n.parent != nil {
		n = n.parent
	}
	return n
}

// cursor walks a document for the XPath engine.
type cursor struct {
	at   *node
	attr int   // index into at.attrs, -1 = the node itself
	left *work // all cursors of one answer share it
}

// work is how many steps may still be taken to read an answer. Some paths take
// as many as the square of its rows: position() counts all that come before.
type work int

// maxWork is a second or two.
const maxWork work = 50_000_000

func (w *work) take(n int) {
	if *w -= work(n); *w < 0 {
		panic("takes too long on so long an answer") // the way of the engine's own faults
	}
}

var _ xpath.NodeNavigator = (*cursor)(nil)

func cursorAt(n *node, left *work) *cursor { return &cursor{at: n, attr: -1, left: left} }

func (c *cursor) NodeType() xpath.NodeType {
	switch {
	case c.attr >= 0:
		return xpath.AttributeNode
	case c.at.isText:
		return xpath.TextNode
	case c.at.parent == nil:
		return xpath.RootNode
	default:
		return xpath.ElementNode
	}
}

func (c *cursor) LocalName() string {
	if c.attr >= 0 {
		return c.at.attrs[c.attr].name
	}
	return c.at.name
}

func (c *cursor) Prefix() string {
	if c.attr >= 0 {
		return c.at.attrs[c.attr].prefix
	}
	return c.at.prefix
}

func (c *cursor) Value() string {
	if c.attr >= 0 {
		return c.at.attrs[c.attr].value
	}
	s, visited := c.at.counted()
	c.left.take(visited + len(s)/16)
	return s
}

func (c *cursor) Copy() xpath.NodeNavigator {
	d := *c
	return &d
}

func (c *cursor) MoveToRoot() { c.at, c.attr = c.at.root(), -1 }

func (c *cursor) MoveToParent() bool {
	if c.attr >= 0 {
		c.attr = -1
		return true
	}
	return c.move(c.at.parent)
}

func (c *cursor) MoveToNextAttribute() bool {
	c.left.take(1)
	if c.attr+1 >= len(c.at.attrs) {
		return false
	}
	c.attr++
	return true
}

func (c *cursor) MoveToChild() bool { return c.attr < 0 && c.move(c.at.first) }

func (c *cursor) MoveToFirst() bool {
	if c.attr >= 0 || c.at.prev == nil {
		return false
	}
	return c.move(c.at.parent.first)
}

func (c *cursor) MoveToNext() bool     { return c.attr < 0 && c.move(c.at.next) }
func (c *cursor) MoveToPrevious() bool { return c.attr < 0 && c.move(c.at.prev) }

func (c *cursor) MoveTo(to xpath.NodeNavigator) bool {
	d, ok := to.(*cursor)
	if ok {
		*c = *d
	}
	return ok
}

func (c *cursor) move(to *node) bool {
	c.left.take(1)
	if to == nil {
		return false
	}
	c.at = to
	return true
}
