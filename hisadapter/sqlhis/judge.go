package sqlhis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// judge finds the rule that fits a statement that succeeded. Without rules it is
// a step on the way; with rules of which none fits, the end is unknown.
func (x *execution) judge(ctx context.Context, s *step, a answer, line *lineValues) (goOn bool, e end) {
	about := 0
	for i := range s.rules {
		r := &s.rules[i]
		if r.aboutError() {
			continue
		}
		about++
		if !x.fits(r, a, line) {
			continue
		}
		x.fitting = r
		if r.then == next {
			return true, end{}
		}
		if r.outcome == hisadapter.Done {
			x.result.State, x.stateSaid = r.state, r.state != 0
			return false, end{clean: true}
		}
		return false, end{err: x.verdict(r, line, fault{}), clean: true, told: true}
	}
	if about == 0 {
		return true, end{}
	}
	return false, end{err: x.unknown(ctx, fmt.Errorf("no outcome of the step fits (mapping line %d): %d rows, %s", s.line, a.count, x.captured(s, line))), clean: true}
}

// captured says what a step captured, for the error that no rule fits.
func (x *execution) captured(s *step, line *lineValues) string {
	var out []string
	for _, r := range s.rules {
		if name := r.value.name; name != "" {
			if v, err := x.lookup(name, line); err == nil {
				out = append(out, fmt.Sprintf("%s is %q", name, cut(v.string())))
			}
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

// fits reports whether all that a rule states holds.
func (x *execution) fits(r *rule, a answer, line *lineValues) bool {
	if r.rows != "" {
		n, atLeast := strings.CutSuffix(r.rows, "+")
		want, _ := strconv.ParseInt(n, 10, 64) // the mapping was checked
		if a.count != want && !(atLeast && a.count > want) {
			return false
		}
	}
	if r.value.name == "" {
		return true
	}
	v, err := x.lookup(r.value.name, line)
	if err != nil {
		return false
	}
	if r.value.null != nil && *r.value.null != (v.kind == null) {
		return false
	}
	return r.value.is == nil || v.kind != null && slices.Contains(r.value.is, v.string())
}

// failed finds what a statement that failed means: first by the mapping's rules,
// then by the database's own codes where nothing can have been done.
func (x *execution) failed(ctx context.Context, s *step, err error) end {
	f, spoke := x.d.fault(err)
	if !spoke || ctx.Err() != nil {
		return end{err: x.unknown(ctx, fmt.Errorf("the step of mapping line %d: %w", s.line, err))}
	}
	for i := range s.rules {
		if r := &s.rules[i]; r.aboutError() && r.fitsFault(f) {
			x.fitting = r
			return end{err: x.verdict(r, nil, f), clean: true}
		}
	}
	if x.call.op.tx == "own" {
		return end{err: x.unknown(ctx, fmt.Errorf("no outcome of the step fits (mapping line %d): %w", s.line, err)), clean: true} // it may have committed before it failed
	}
	e := &hisadapter.Error{
		Op: portName(x.call.op.name), Code: f.code(), Message: f.message, Err: fmt.Errorf("no outcome of the step fits (mapping line %d): %w", s.line, err),
	}
	switch x.d.dialect.class(f) {
	case retryable:
		e.Outcome = hisadapter.Busy
		return end{err: e, again: true, clean: true}
	case full:
		e.Outcome = hisadapter.Busy
	case wrong:
		e.Outcome = hisadapter.Misconfigured
	default:
		e.Outcome = hisadapter.Unknown
	}
	return end{err: e, clean: true}
}

func (r *rule) fitsFault(f fault) bool {
	if len(r.sqlState) > 0 && !slices.ContainsFunc(r.sqlState, func(p string) bool { return f.state != "" && strings.HasPrefix(f.state, p) }) {
		return false
	}
	if len(r.errors) > 0 && !slices.Contains(r.errors, f.number) {
		return false
	}
	return strings.Contains(f.message, r.message)
}

// verdict is the end that a rule states.
func (x *execution) verdict(r *rule, line *lineValues, f fault) error {
	e := &hisadapter.Error{
		Op: portName(x.call.op.name), Outcome: r.outcome, Kind: r.refusal, Code: f.code(), Message: f.message,
	}
	if r.code != "" {
		e.Code = x.words(r.code, line)
	}
	if r.words != "" {
		e.Message = x.words(r.words, line)
	}
	if r.outcome == hisadapter.Refused && r.refusal == hisadapter.Insufficient && line != nil {
		e.Shortages = []hisadapter.Shortage{{DrugID: line.DrugID, Requested: line.Quantity, Available: x.available(r, line)}}
	}
	return e
}

func (x *execution) words(name string, line *lineValues) string {
	v, err := x.lookup(name, line)
	if err != nil {
		return ""
	}
	return v.string()
}

// available is what the HIS says is there, in smallest units, and -1 when it does
// not say.
func (x *execution) available(r *rule, line *lineValues) int64 {
	if r.available == "" {
		return -1
	}
	ratio, err := x.ratio(line)
	if err != nil {
		return -1
	}
	d, err := units.Parse(x.words(r.available, line))
	if err != nil {
		return -1
	}
	n, err := ratio.Reading(d)
	if err != nil {
		return -1
	}
	return max(n, 0)
}

// refuseBefore is the end of a call that its own quantities forbid.
func (x *execution) refuseBefore(err error) error {
	e := &hisadapter.Error{Op: portName(x.call.op.name), Outcome: hisadapter.Refused, Kind: hisadapter.NotDivisible, Err: err}
	if _, ok := errors.AsType[*errNotDivisible](err); !ok {
		e.Outcome, e.Kind = hisadapter.Misconfigured, hisadapter.KindOther // a ratio that is none
	}
	return e
}

// refuseBetween is the same after steps were sent: where they may have been
// committed, nothing is certain.
func (x *execution) refuseBetween(ctx context.Context, err error) error {
	if x.call.op.tx == "own" && x.sent {
		return x.unknown(ctx, err)
	}
	return x.refuseBefore(err)
}

// misfit is an answer that lacks a column of the mapping, or contradicts itself.
func (x *execution) misfit(err error) error {
	e := &hisadapter.Error{Op: portName(x.call.op.name), Outcome: hisadapter.Misconfigured, Err: err}
	_, ambiguous := errors.AsType[*ambiguousError](err)
	if ambiguous || x.call.op.tx == "own" && x.sent {
		e.Outcome = hisadapter.Unknown
	}
	return e
}

func cut(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
