package httphis

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// The values of a mapping. One that does not fit is a fault, and reading goes on.

func listOf[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

// text reads a scalar as it is written; 0000 keeps its zeros.
func (l *loader) text(n *yaml.Node, what string) (string, bool) {
	n = mapfile.Follow(n)
	if n.Kind != yaml.ScalarNode {
		l.At(n, "%s: must be a text", what)
		return "", false
	}
	return n.Value, true
}

// texts reads a text or a list of texts.
func (l *loader) texts(n *yaml.Node, what string) []string {
	n = mapfile.Follow(n)
	if n.Kind != yaml.SequenceNode {
		if s, ok := l.text(n, what); ok {
			return []string{s}
		}
		return nil
	}
	var out []string
	for _, e := range n.Content {
		if s, ok := l.text(e, what); ok {
			out = append(out, s)
		}
	}
	if len(n.Content) == 0 {
		l.At(n, "%s: the list is empty", what)
	}
	return out
}

func (l *loader) boolean(n *yaml.Node, what string) bool {
	s, ok := l.text(n, what)
	if ok && s != "true" && s != "false" {
		l.At(n, "%s: %q is not true or false", what, s)
	}
	return s == "true"
}

func (l *loader) whole(n *yaml.Node, what string, low, high int64) int64 {
	s, ok := l.text(n, what)
	if !ok {
		return low
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < low || v > high {
		l.At(n, "%s: %q is not a whole number from %d to %d", what, s, low, high)
		return low
	}
	return v
}

func (l *loader) duration(n *yaml.Node, what string) time.Duration {
	s, ok := l.text(n, what)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		l.At(n, "%s: %q is not a duration such as 10s or 25m", what, s)
	}
	return d
}

func (l *loader) oneOf(n *yaml.Node, what string, allowed ...string) string {
	s, ok := l.text(n, what)
	if ok && !slices.Contains(allowed, s) {
		l.At(n, "%s: %q is not one of %s", what, s, strings.Join(allowed, ", "))
	}
	return s
}

func (l *loader) regex(n *yaml.Node, what string) *regexp.Regexp {
	s, ok := l.text(n, what)
	if !ok {
		return nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		l.At(n, "%s: %v", what, err)
	}
	return re
}

// constants reads a mapping of names to texts.
func (l *loader) constants(n *yaml.Node, what string) map[string]string {
	out := map[string]string{}
	for _, p := range l.Pairs(n, what) {
		if !isName(p.Key) {
			l.Add(p.Line, "%s: %q is not a name (letters, digits, _)", what, p.Key)
		}
		if s, ok := l.text(p.Value, fmt.Sprintf("%s: %s", what, p.Key)); ok {
			out[p.Key] = s
		}
	}
	return out
}

var namePattern = regexp.MustCompile(`^[\pL_][\pL\pN_]*$`)

func isName(s string) bool { return namePattern.MatchString(s) }
