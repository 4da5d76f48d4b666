package httphis

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// The strict reading of YAML: a key that is not known, a value that does not
// fit and a key without a value are faults, and reading goes on after each.

// yamlHint says what is mostly the matter where a line is not YAML.
func yamlHint(doc []byte, line int) string {
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

// keys says what a mapping may hold, and what reads each value.
type keys map[string]func(n *yaml.Node)

// follow takes an alias to what it stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// pair is one entry of a mapping.
type pair struct {
	key   string
	line  int
	value *yaml.Node
}

// pairs lists a mapping in the order written.
func (f *faults) pairs(n *yaml.Node, what string) []pair {
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		f.at(n, "%s: must be a group of settings (name: value)", what)
		return nil
	}
	var out []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], follow(n.Content[i+1])
		if v.Kind == yaml.ScalarNode && v.Tag == "!!null" {
			hint := ""
			if strings.Contains(k.Value, " ") {
				hint = " (within { } a text with a comma stands in quotes)"
			}
			f.at(k, "%s: %s has no value%s", what, k.Value, hint)
			continue
		}
		if slices.ContainsFunc(out, func(p pair) bool { return p.key == k.Value }) {
			f.at(k, "%s: %s stands here twice", what, k.Value)
			continue
		}
		out = append(out, pair{k.Value, k.Line, v})
	}
	return out
}

// group reads a mapping of known keys.
func (f *faults) group(n *yaml.Node, what string, known keys) {
	for _, p := range f.pairs(n, what) {
		read, ok := known[p.key]
		if !ok {
			f.add(p.line, "%s: no such key %q; possible are %s", what, p.key, listOf(known))
			continue
		}
		read(p.value)
	}
}

func listOf[V any](m map[string]V) string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// text reads a scalar as it is written; 0000 keeps its zeros.
func (f *faults) text(n *yaml.Node, what string) (string, bool) {
	n = follow(n)
	if n.Kind != yaml.ScalarNode {
		f.at(n, "%s: must be a text", what)
		return "", false
	}
	return n.Value, true
}

// texts reads a text or a list of texts.
func (f *faults) texts(n *yaml.Node, what string) []string {
	n = follow(n)
	if n.Kind != yaml.SequenceNode {
		if s, ok := f.text(n, what); ok {
			return []string{s}
		}
		return nil
	}
	var out []string
	for _, e := range n.Content {
		if s, ok := f.text(e, what); ok {
			out = append(out, s)
		}
	}
	if len(n.Content) == 0 {
		f.at(n, "%s: the list is empty", what)
	}
	return out
}

func (f *faults) boolean(n *yaml.Node, what string) bool {
	s, ok := f.text(n, what)
	if ok && s != "true" && s != "false" {
		f.at(n, "%s: %q is not true or false", what, s)
	}
	return s == "true"
}

func (f *faults) whole(n *yaml.Node, what string, low, high int64) int64 {
	s, ok := f.text(n, what)
	if !ok {
		return low
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < low || v > high {
		f.at(n, "%s: %q is not a whole number from %d to %d", what, s, low, high)
		return low
	}
	return v
}

func (f *faults) duration(n *yaml.Node, what string) time.Duration {
	s, ok := f.text(n, what)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		f.at(n, "%s: %q is not a duration such as 10s or 25m", what, s)
	}
	return d
}

func (f *faults) oneOf(n *yaml.Node, what string, allowed ...string) string {
	s, ok := f.text(n, what)
	if ok && !slices.Contains(allowed, s) {
		f.at(n, "%s: %q is not one of %s", what, s, strings.Join(allowed, ", "))
	}
	return s
}

func (f *faults) regex(n *yaml.Node, what string) *regexp.Regexp {
	s, ok := f.text(n, what)
	if !ok {
		return nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		f.at(n, "%s: %v", what, err)
	}
	return re
}

// constants reads a mapping of names to texts.
func (f *faults) constants(n *yaml.Node, what string) map[string]string {
	out := map[string]string{}
	for _, p := range f.pairs(n, what) {
		if !isName(p.key) {
			f.add(p.line, "%s: %q is not a name (letters, digits, _)", what, p.key)
		}
		if s, ok := f.text(p.value, fmt.Sprintf("%s: %s", what, p.key)); ok {
			out[p.key] = s
		}
	}
	return out
}

var namePattern = regexp.MustCompile(`^[\pL_][\pL\pN_]*$`)

func isName(s string) bool { return namePattern.MatchString(s) }
