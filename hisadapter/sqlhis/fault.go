package sqlhis

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Fault is one thing that is wrong with a mapping file, or with what it names.
type Fault struct {
	File    string
	Line    int
	Message string
}

// Error says file, line and reason.
func (f *Fault) Error() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message) }

// reader reads YAML strictly: an unknown key, a value that does not fit and a key
// without a value are faults, and reading goes on after each.
type reader struct {
	file    string
	faults  []error
	keyLine int // where the key of the value that is read stands
}

func (r *reader) fault(line int, format string, args ...any) {
	r.faults = append(r.faults, &Fault{r.file, line, fmt.Sprintf(format, args...)})
}

func (r *reader) err() error { return errors.Join(r.faults...) }

// keys says what a group may hold, and what reads each value.
type keys map[string]func(n *yaml.Node)

// group reads a mapping of known keys.
func (r *reader) group(n *yaml.Node, what string, known keys) {
	r.pairs(n, what, func(key string, line int, v *yaml.Node) {
		read, ok := known[key]
		if !ok {
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			r.fault(line, "%s: no such key %q; possible are %s", what, key, strings.Join(names, ", "))
			return
		}
		r.keyLine = line
		read(v)
	})
}

// pairs reads a mapping in the order written.
func (r *reader) pairs(n *yaml.Node, what string, each func(key string, line int, v *yaml.Node)) {
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		r.fault(n.Line, "%s: must be a group of settings (name: value)", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], follow(n.Content[i+1])
		switch {
		case seen[k.Value]:
			r.fault(k.Line, "%s: %s stands there twice", what, k.Value)
		case v.Kind == yaml.ScalarNode && v.Tag == "!!null":
			hint := ""
			if strings.Contains(k.Value, " ") {
				hint = " (within { } a text with a comma stands in quotes)"
			}
			r.fault(k.Line, "%s: %s has no value%s", what, k.Value, hint)
		default:
			each(k.Value, k.Line, v)
		}
		seen[k.Value] = true
	}
}

// follow takes an alias to what it stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// list reads a sequence.
func (r *reader) list(n *yaml.Node, what string, each func(n *yaml.Node)) {
	n = follow(n)
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		r.fault(n.Line, "%s: must be a list (- …) that is not empty", what)
		return
	}
	for _, e := range n.Content {
		each(follow(e))
	}
}

// text reads a scalar as it is written: 0000 keeps its zeros.
func (r *reader) text(to *string, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			r.fault(n.Line, "%s: must be a text that is not empty", what)
			return
		}
		*to = n.Value
	}
}

// texts reads one text or a list of texts.
func (r *reader) texts(to *[]string, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			*to = []string{n.Value}
			return
		}
		r.list(n, what, func(e *yaml.Node) {
			if e.Kind != yaml.ScalarNode {
				r.fault(e.Line, "%s: must be texts", what)
				return
			}
			*to = append(*to, e.Value)
		})
	}
}

func (r *reader) oneOf(to *string, what string, allowed ...string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if !slices.Contains(allowed, n.Value) {
			r.fault(n.Line, "%s: %q is not one of %s", what, n.Value, strings.Join(allowed, ", "))
			return
		}
		*to = n.Value
	}
}

func (r *reader) whole(to *int, what string, low, high int) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v, err := strconv.Atoi(n.Value)
		if err != nil || v < low || v > high {
			r.fault(n.Line, "%s: %q is not a whole number from %d to %d", what, n.Value, low, high)
			return
		}
		*to = v
	}
}

func (r *reader) boolean(to *bool, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Value != "true" && n.Value != "false" {
			r.fault(n.Line, "%s: %q is not true or false", what, n.Value)
		}
		*to = n.Value == "true"
	}
}

func (r *reader) duration(to *time.Duration, what string, low, high time.Duration) func(*yaml.Node) {
	return func(n *yaml.Node) {
		d, err := time.ParseDuration(n.Value)
		if err != nil || d < low || d > high {
			r.fault(n.Line, "%s: %q is not a duration from %v to %v, such as 5s", what, n.Value, low, high)
			return
		}
		*to = d
	}
}
