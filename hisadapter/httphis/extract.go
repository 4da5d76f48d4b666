package httphis

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter/units"
)

// raw is a field's text, trimmed. there is false where the answer lacks it, or
// has it empty, and the mapping has no default.
func (j *judgement) raw(f field, from *node) (s string, there bool, err error) {
	switch {
	case f.fixed != nil:
		return *f.fixed, true, nil
	case f.header != "":
		s = strings.Join(j.header.Values(f.header), "\n")
	case from != nil:
		look := j.read.value
		if f.match != nil { // it picks what is meant out of all
			look = j.read.sole
		}
		if s, _, err = look(from, *f.at); err != nil {
			return "", false, err
		}
	}
	s = strings.TrimSpace(s)
	if f.match != nil && s != "" {
		m := f.match.FindStringSubmatch(s)
		switch {
		case m == nil:
			s = ""
		case len(m) > 1:
			s = m[1]
		default:
			s = m[0]
		}
	}
	if s == "" && f.def != nil {
		return *f.def, true, nil
	}
	return s, s != "", nil
}

// must is a field's text, or an error where there is none.
func (j *judgement) must(f field, from *node) (string, error) {
	s, there, err := j.raw(f, from)
	if err == nil && !there {
		err = fmt.Errorf("there is no %s (mapping line %d)", f.name, f.line)
	}
	return s, err
}

// bad is an error about what a field says, with its place in the mapping.
func (f field) bad(err error) error {
	return fmt.Errorf("%s (mapping line %d): %w", f.name, f.line, err)
}

// optional is the text of a field of the answer, "" where it is not mapped. A
// field that is mapped must be there, or have a default.
func (j *judgement) optional(a *answer, name string, from *node) (string, error) {
	f := a.fields[name]
	if len(f) == 0 {
		return "", nil
	}
	return j.must(f[0], from)
}

// moment reads a time; zero where it is not mapped, or empty by default.
func (j *judgement) moment(a *answer, name string, from *node) (time.Time, error) {
	s, err := j.optional(a, name, from)
	if s == "" || err != nil {
		return time.Time{}, err
	}
	t, err := a.fields[name][0].format.read(s)
	if err != nil {
		return t, a.fields[name][0].bad(err)
	}
	return t, nil
}

// boolean reads yes or no; a text that is neither is an error.
func (j *judgement) boolean(a *answer, name string, from *node) (bool, error) {
	f := a.fields[name]
	if len(f) == 0 {
		return false, nil
	}
	s, _, err := j.raw(f[0], from)
	if err != nil {
		return false, err
	}
	switch {
	case f[0].fixed != nil:
		return s == "true", nil
	case slices.Contains(f[0].truths, s):
		return true, nil
	case slices.Contains(f[0].falses, s):
		return false, nil
	default:
		return false, f[0].bad(fmt.Errorf("%q means neither yes nor no", s))
	}
}

// whole reads a quantity that is not a reading of stock, in smallest units.
func (j *judgement) quantity(f field, from *node, ratio units.Ratio) (int64, error) {
	s, err := j.must(f, from)
	if err != nil {
		return 0, err
	}
	d, err := units.Parse(s)
	if err != nil {
		return 0, f.bad(err)
	}
	if f.in != "pack" {
		ratio = units.Ratio{}
	} else if !ratio.IsSet() {
		return 0, f.bad(errors.New("it is in packs, and the drug's ratio is not known"))
	}
	n, err := ratio.Reading(d)
	if err != nil {
		return 0, f.bad(err)
	}
	return n, nil
}

// fen reads an amount; 0 where it is not mapped.
func (j *judgement) fen(f []field, from *node) (int64, error) {
	if len(f) == 0 {
		return 0, nil
	}
	s, err := j.must(f[0], from)
	if err != nil {
		return 0, err
	}
	if f[0].in == "fen" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, f[0].bad(fmt.Errorf("%q is not a number of fen", s))
		}
		return n, nil
	}
	d, err := units.Parse(s)
	if err != nil {
		return 0, f[0].bad(err)
	}
	n, err := units.Fen(d)
	if err != nil {
		return 0, f[0].bad(err)
	}
	return n, nil
}
