package httphis

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

// faults collects what is wrong, each thing once: a piece that several
// operations share is read once for each of them, and what is wrong with it is
// told with all their names.
type faults struct {
	file string
	list []error
	seen map[string]*Fault
}

func (f *faults) add(line int, format string, args ...any) {
	fault := &Fault{File: f.file, Line: line, Message: fmt.Sprintf(format, args...)}
	op, said, found := strings.Cut(fault.Message, ": ")
	shared := found && slices.Contains(append(Ops(), OpLogin), Op(op))
	if !shared {
		said = fault.Message
	}
	key := fmt.Sprint(line, " ", shared, " ", said)
	if first := f.seen[key]; first != nil {
		names := strings.TrimSuffix(first.Message, ": "+said)
		if shared && !slices.Contains(strings.Split(names, ", "), op) {
			first.Message = names + ", " + op + ": " + said
		}
		return
	}
	if f.seen == nil {
		f.seen = map[string]*Fault{}
	}
	f.seen[key] = fault
	f.list = append(f.list, fault)
}

func (f *faults) at(n *yaml.Node, format string, args ...any) { f.add(n.Line, format, args...) }

// err is all of them, by line.
func (f *faults) err() error {
	slices.SortStableFunc(f.list, func(a, b error) int { return line(a) - line(b) })
	return errors.Join(f.list...)
}

func line(err error) int {
	f, _ := errors.AsType[*Fault](err)
	return f.Line
}
