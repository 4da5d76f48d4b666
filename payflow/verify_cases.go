package payflow

import (
	"bytes"
	"slices"
	"strings"
)

func (v *verifier) openCases() error {
	return v.each(prefixCase, func(key, value []byte) error {
		v.seen.OpenCases++
		c := v.readCase(keyCase, key, value)
		if c == nil {
			return nil
		}
		switch {
		case !c.Open:
			v.found(key, "is settled, and stands among the open cases")
		case c.Owner == "" || c.Deadline.IsZero():
			v.found(key, "an open case without an owner or a deadline")
		}
		closed, err := v.read(keyOld(c.ID))
		if err != nil {
			return err
		}
		if closed != nil {
			v.found(key, "stands among the open and among the closed cases")
		}
		if !strings.HasPrefix(c.ID, c.OrderNo+".") {
			return nil // about no order of ours
		}
		switch o, err := v.stored(c.OrderNo); {
		case err != nil:
			return err
		case o == nil:
			v.found(key, "its order is missing")
		case !slices.Contains(o.OpenCases, c.ID):
			v.found(key, "its order does not know it")
		}
		return nil
	})
}

func (v *verifier) closedCases() error {
	return v.each(prefixOld, func(key, value []byte) error {
		v.seen.ClosedCases++
		c := v.readCase(keyOld, key, value)
		if c == nil {
			return nil
		}
		if c.Open || c.ClosedAt.IsZero() {
			v.found(key, "is not settled, and stands among the closed cases")
		}
		return v.need(key, keyTime(prefixOldAt, c.ClosedAt, c.ID), "the index of closed cases does not know it")
	})
}

// readCase reads one case; nil when it cannot be one.
func (v *verifier) readCase(at func(string) []byte, key, value []byte) *Case {
	c, err := decodeCase(key, value)
	switch {
	case err != nil:
		v.found(key, "%v", err)
		return nil
	case !bytes.Equal(key, at(c.ID)):
		v.found(key, "holds the case %q", c.ID)
		return nil
	case c.Version < 1 || c.Reason == "" || c.OpenedAt.IsZero():
		v.found(key, "a case without a version, a reason or a time")
	}
	return c
}
