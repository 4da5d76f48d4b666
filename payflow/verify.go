package payflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// Finding is one thing that is not as it must be.
type Finding struct {
	Key  string // of the record
	What string // what differs, in words
}

// Verification counts what was verified. What was found went to the function that
// VerifyRecords is given.
type Verification struct {
	Active      int // orders with work left
	Ended       int
	Letters     int // notices that no order has taken yet
	OpenCases   int
	ClosedCases int
}

// VerifyRecords holds every record of the orders against the rules: it can be read, it
// stands where it belongs, its fields fit its state, the refunds add up, orders
// and cases know each other, and each index knows its records once. report is
// called for each thing that differs.
//
// r must be one moment. Memory is bounded; what it costs is reading everything
// twice. Errors: ctx's, or what the storage says.
func VerifyRecords(ctx context.Context, r engine.Reader, report func(Finding)) (Verification, error) {
	v := &verifier{ctx: ctx, r: r, report: report}
	for _, step := range []func() error{v.orders, v.openCases, v.closedCases, v.letters, v.brake, v.reports, v.indexes, v.strangers} {
		if err := step(); err != nil {
			return v.seen, fmt.Errorf("verifying the orders: %w", err)
		}
	}
	return v.seen, nil
}

type verifier struct {
	ctx    context.Context
	r      engine.Reader
	report func(Finding)
	seen   Verification
	looked int
	rx     int // orders that must stand in the index of prescriptions
	days   int // places in the index by day
}

func (v *verifier) found(key []byte, format string, args ...any) {
	v.report(Finding{Key: fmt.Sprintf("%q", key), What: fmt.Sprintf(format, args...)})
}

// each scans one kind of records.
func (v *verifier) each(prefix string, fn func(key, value []byte) error) error {
	return v.r.Scan([]byte(prefix), after(prefix), func(key, value []byte) error {
		if v.looked++; v.looked%1024 == 0 && v.ctx.Err() != nil {
			return v.ctx.Err()
		}
		return fn(key, value)
	})
}

// read returns a record, nil when there is none.
func (v *verifier) read(key []byte) ([]byte, error) {
	value, err := v.r.Get(key)
	if errors.Is(err, engine.ErrNotFound) {
		return nil, nil
	}
	if value == nil && err == nil {
		value = []byte{}
	}
	return value, err
}

// need reports a record that is missing.
func (v *verifier) need(key, other []byte, what string) error {
	value, err := v.read(other)
	if err == nil && value == nil {
		v.found(key, "%s", what)
	}
	return err
}

func (v *verifier) orders() error {
	err := v.each(prefixActive, func(key, value []byte) error {
		v.seen.Active++
		if err := v.order(placeActive, key, value); err != nil {
			return err
		}
		twice, err := v.read(keyEnded(string(key[len(prefixActive):])))
		if twice != nil {
			v.found(key, "stands among the active and among the ended ones")
		}
		return err
	})
	if err != nil {
		return err
	}
	return v.each(prefixEnded, func(key, value []byte) error {
		v.seen.Ended++
		return v.order(placeEnded, key, value)
	})
}

func (v *verifier) order(at place, key, value []byte) error {
	o, err := decodeOrder(key, value)
	if err != nil {
		v.found(key, "%v", err)
		return nil
	}
	if !bytes.Equal(key, at.key(o.No)) {
		v.found(key, "holds the order %q", o.No)
		return nil
	}
	for _, what := range wrongWith(o) {
		v.found(key, "%s", what)
	}
	if o.ended() != (at == placeEnded) {
		v.found(key, "it is %s, and stands among the wrong ones", o.State)
	}
	if err := v.need(key, keyTime(prefixTime, o.CreatedAt, o.No), "the index by time does not know it"); err != nil {
		return err
	}
	if rx := o.Attributes[attributeRx]; rx != "" && o.live() {
		v.rx++
		if err := v.need(key, keyRx(rx, o.No), "the index of prescriptions does not know it"); err != nil {
			return err
		}
	}
	for _, day := range daysOf(o) {
		v.days++
		if err := v.need(key, keyDay(day, o.No), "the index by day does not know it on "+day); err != nil {
			return err
		}
	}
	for _, id := range o.OpenCases {
		if err := v.need(key, keyCase(id), "its open case "+id+" is missing"); err != nil {
			return err
		}
	}
	for _, id := range o.caseIDs() {
		open, err := v.read(keyCase(id))
		if err != nil {
			return err
		}
		if open == nil {
			if err := v.need(key, keyOld(id), "its case "+id+" is missing"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *verifier) letters() error {
	return v.each(prefixInbox, func(key, value []byte) error {
		v.seen.Letters++
		l := &letter{}
		switch err := json.Unmarshal(value, l); {
		case err != nil:
			v.found(key, "%v", err)
		case l.Format > recordFormat, (l.Payment == nil) == (l.Refund == nil), len(key) != len(prefixInbox)+8:
			v.found(key, "is no letter: format %d", l.Format)
		case l.orderNo() == "" || l.At.IsZero():
			v.found(key, "a letter without an order or a time")
		}
		return nil
	})
}

func (v *verifier) brake() error {
	value, err := v.read([]byte(keyBrake))
	if err != nil || value == nil {
		return err
	}
	var b brakeRecord
	if err := json.Unmarshal(value, &b); err != nil {
		v.found([]byte(keyBrake), "%v", err)
	} else if b.Format > recordFormat {
		v.found([]byte(keyBrake), "format %d is newer than %d", b.Format, recordFormat)
	}
	return nil
}

// indexes counts the indexes. Each record was looked up in them, so only one that
// is longer has to be walked again.
func (v *verifier) indexes() error {
	for _, x := range []struct {
		prefix string
		want   int
		stray  func(key []byte) (string, error)
	}{
		{prefixTime, v.seen.Active + v.seen.Ended, v.strayTime},
		{prefixRx, v.rx, v.strayRx},
		{prefixOldAt, v.seen.ClosedCases, v.strayOld},
		{prefixDay, v.days, v.strayDay},
	} {
		n := 0
		if err := v.each(x.prefix, func([]byte, []byte) error { n++; return nil }); err != nil {
			return err
		}
		if n == x.want {
			continue
		}
		if err := v.each(x.prefix, func(key, _ []byte) error {
			what, err := x.stray(key)
			if what != "" {
				v.found(key, "%s", what)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// stored returns the order of an index, nil when there is none.
func (v *verifier) stored(no string) (*Order, error) {
	for _, at := range []place{placeActive, placeEnded} {
		value, err := v.read(at.key(no))
		if err != nil {
			return nil, err
		}
		if o, err := decodeOrder(at.key(no), value); value != nil && err == nil {
			return o, nil
		}
	}
	return nil, nil
}

func (v *verifier) strayTime(key []byte) (string, error) {
	if len(key) < len(prefixTime)+8 {
		return "the index by time is garbled", nil
	}
	o, err := v.stored(idOfTime(prefixTime, key))
	if err == nil && (o == nil || !bytes.Equal(key, keyTime(prefixTime, o.CreatedAt, o.No))) {
		return "the index by time knows an order that is not there, or was made at another time", nil
	}
	return "", err
}

func (v *verifier) strayRx(key []byte) (string, error) {
	rx, no, _ := strings.Cut(string(key[len(prefixRx):]), "\x00")
	o, err := v.stored(no)
	if err == nil && (o == nil || !o.live() || o.Attributes[attributeRx] != rx) {
		return "the index of prescriptions knows an order that does not serve it", nil
	}
	return "", err
}

func (v *verifier) strayDay(key []byte) (string, error) {
	day, no, _ := strings.Cut(string(key[len(prefixDay):]), "/")
	o, err := v.stored(no)
	if err == nil && (o == nil || !slices.Contains(daysOf(o), day)) {
		return "the index by day knows an order that did nothing on that day", nil
	}
	return "", err
}

// reports looks at the reports of reconciliation, and at the day it begins with.
func (v *verifier) reports() error {
	value, err := v.read([]byte(keySince))
	if err != nil {
		return err
	}
	if _, bad := startOf(string(value)); value != nil && bad != nil {
		v.found([]byte(keySince), "%q is no day", value)
	}
	return v.each(prefixReport, func(key, value []byte) error {
		r, err := decodeReport(key, value)
		if err != nil {
			v.found(key, "%v", err)
			return nil
		}
		if start, err := startOf(r.Day); err != nil || !bytes.Equal(key, keyReport(start)) {
			v.found(key, "holds the report of %q", r.Day)
		}
		return nil
	})
}

func (v *verifier) strayOld(key []byte) (string, error) {
	if len(key) < len(prefixOldAt)+8 {
		return "the index of closed cases is garbled", nil
	}
	id := idOfTime(prefixOldAt, key)
	value, err := v.read(keyOld(id))
	if err != nil {
		return "", err
	}
	closed := time.Time{}
	if c, err := decodeCase(keyOld(id), value); value != nil && err == nil {
		closed = c.ClosedAt
	}
	if !bytes.Equal(key, keyTime(prefixOldAt, closed, id)) {
		return "the index of closed cases knows one that is not there, or was closed at another time", nil
	}
	return "", nil
}

// strangers looks for keys that no rule knows.
func (v *verifier) strangers() error {
	return v.each("o/", func(key, _ []byte) error {
		for _, known := range []string{prefixActive, prefixEnded, prefixTime, prefixRx, prefixInbox, prefixCase, prefixOld, prefixOldAt, prefixDay, prefixReport} {
			if bytes.HasPrefix(key, []byte(known)) {
				return nil
			}
		}
		if string(key) != keyBrake && string(key) != keySince {
			v.found(key, "a record of a kind that this version does not know")
		}
		return nil
	})
}
