package mapfile

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Reader reads one file and collects what is wrong with it, each thing once.
type Reader struct {
	File string
	// Operations are names with which a fault may begin. A piece of YAML that
	// several operations share is read once for each, and what is wrong with it is
	// told once, with all their names.
	Operations []string
	// KeyLine is where the key stands whose value Group has read.
	KeyLine int

	faults []*Fault
	seen   map[string]*Fault
}

// Document reads doc as one YAML document, or notes why it is none and returns
// nil.
func (r *Reader) Document(doc []byte) *yaml.Node {
	if len(bytes.TrimSpace(doc)) == 0 {
		r.Add(0, "the file is empty")
		return nil
	}
	if !utf8.Valid(doc) {
		r.Add(0, "is not UTF-8; save it as UTF-8 (编码选 UTF-8)")
		return nil
	}
	var root yaml.Node
	if err := yaml.Load(bytes.TrimPrefix(doc, []byte("\ufeff")), &root); err != nil {
		if e, ok := errors.AsType[*yaml.LoadError](err); ok {
			r.Add(e.Mark.Line, "not YAML: %s%s", e.Message, hint(doc, e.Mark.Line))
		} else {
			r.Add(0, "not YAML: %v", err)
		}
		return nil
	}
	if len(root.Content) == 0 {
		r.Add(1, "the file is empty")
		return nil
	}
	return Follow(root.Content[0])
}

// hint says what is mostly the matter where a line is not YAML.
func hint(doc []byte, line int) string {
	lines := strings.Split(string(doc), "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	text := lines[line-1]
	if indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]; strings.Contains(indent, "\t") {
		return " (the line is indented by a tab; use blanks)"
	}
	return " (perhaps a quote or bracket above is not closed, or the indentation differs)"
}

// Follow takes an alias to what it stands for.
func Follow(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// Pair is one entry of a group.
type Pair struct {
	Key   string
	Line  int // of the key
	Value *yaml.Node
}

// Pairs lists a group in the order written.
func (r *Reader) Pairs(n *yaml.Node, what string) []Pair {
	n = Follow(n)
	if n.Kind != yaml.MappingNode {
		r.At(n, "%s: must be a group of settings (name: value)", what)
		return nil
	}
	var out []Pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], Follow(n.Content[i+1])
		if v.Kind == yaml.ScalarNode && v.Tag == "!!null" {
			hint := ""
			if strings.Contains(k.Value, " ") {
				hint = " (within { } a text with a comma stands in quotes)"
			}
			r.At(k, "%s: %s has no value%s", what, k.Value, hint)
			continue
		}
		if slices.ContainsFunc(out, func(p Pair) bool { return p.Key == k.Value }) {
			r.At(k, "%s: %s stands here twice", what, k.Value)
			continue
		}
		out = append(out, Pair{k.Value, k.Line, v})
	}
	return out
}

// Keys says what a group may hold, and what reads each value.
type Keys map[string]func(n *yaml.Node)

// Group reads a group of known keys.
func (r *Reader) Group(n *yaml.Node, what string, known Keys) {
	for _, p := range r.Pairs(n, what) {
		read, ok := known[p.Key]
		if !ok {
			r.Add(p.Line, "%s: no such key %q; possible are %s", what, p.Key, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			continue
		}
		r.KeyLine = p.Line
		read(p.Value)
	}
}
