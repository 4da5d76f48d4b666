package sqlhis

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// The values of a mapping. One that does not fit is a fault, and reading goes on.

// list reads a sequence.
func (l *loader) list(n *yaml.Node, what string, each func(n *yaml.Node)) {
	n = mapfile.Follow(n)
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		l.At(n, "%s: must be a list (- …) that is not empty", what)
		return
	}
	for _, e := range n.Content {
		each(mapfile.Follow(e))
	}
}

// text reads a scalar as it is written: 0000 keeps its zeros.
func (l *loader) text(to *string, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			l.At(n, "%s: must be a text that is not empty", what)
			return
		}
		*to = n.Value
	}
}

// texts reads one text or a list of texts.
func (l *loader) texts(to *[]string, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			*to = []string{n.Value}
			return
		}
		l.list(n, what, func(e *yaml.Node) {
			if e.Kind != yaml.ScalarNode {
				l.At(e, "%s: must be texts", what)
				return
			}
			*to = append(*to, e.Value)
		})
	}
}

func (l *loader) oneOf(to *string, what string, allowed ...string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if !slices.Contains(allowed, n.Value) {
			l.At(n, "%s: %q is not one of %s", what, n.Value, strings.Join(allowed, ", "))
			return
		}
		*to = n.Value
	}
}

func (l *loader) whole(to *int, what string, low, high int) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v, err := strconv.Atoi(n.Value)
		if err != nil || v < low || v > high {
			l.At(n, "%s: %q is not a whole number from %d to %d", what, n.Value, low, high)
			return
		}
		*to = v
	}
}

func (l *loader) boolean(to *bool, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Value != "true" && n.Value != "false" {
			l.At(n, "%s: %q is not true or false", what, n.Value)
		}
		*to = n.Value == "true"
	}
}

func (l *loader) duration(to *time.Duration, what string, low, high time.Duration) func(*yaml.Node) {
	return func(n *yaml.Node) {
		d, err := time.ParseDuration(n.Value)
		if err != nil || d < low || d > high {
			l.At(n, "%s: %q is not a duration from %v to %v, such as 5s", what, n.Value, low, high)
			return
		}
		*to = d
	}
}
