package mapfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Fault is one thing that is wrong with a mapping file, or with what it names.
type Fault struct {
	File    string
	Line    int // 0 where no line can be named
	Message string
}

// Error says file, line and reason.
func (f *Fault) Error() string {
	if f.Line == 0 {
		return f.File + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message)
}

// Add notes a fault of a line.
func (r *Reader) Add(line int, format string, args ...any) {
	fault := &Fault{File: r.File, Line: line, Message: fmt.Sprintf(format, args...)}
	op, said, found := strings.Cut(fault.Message, ": ")
	shared := found && slices.Contains(r.Operations, op)
	if !shared {
		said = fault.Message
	}
	key := fmt.Sprint(line, " ", shared, " ", said)
	if first := r.seen[key]; first != nil {
		names := strings.TrimSuffix(first.Message, ": "+said)
		if shared && !slices.Contains(strings.Split(names, ", "), op) {
			first.Message = names + ", " + op + ": " + said
		}
		return
	}
	if r.seen == nil {
		r.seen = map[string]*Fault{}
	}
	r.seen[key] = fault
	r.faults = append(r.faults, fault)
}

// At notes a fault of the line on which n stands.
func (r *Reader) At(n *yaml.Node, format string, args ...any) { r.Add(n.Line, format, args...) }

// Count is how many faults there are so far.
func (r *Reader) Count() int { return len(r.faults) }

// Err is all faults by line, each a *Fault, joined; nil without any.
func (r *Reader) Err() error {
	slices.SortStableFunc(r.faults, func(a, b *Fault) int { return a.Line - b.Line })
	errs := make([]error, len(r.faults))
	for i, f := range r.faults {
		errs[i] = f
	}
	return errors.Join(errs...)
}
