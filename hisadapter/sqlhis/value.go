package sqlhis

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter/units"
)

// kind says how a value is bound.
type kind uint8

const (
	text kind = iota
	whole
	decimal
	moment
	list
	null
)

// value is a parameter, or what a step captured.
type value struct {
	kind kind
	text string // of text, whole and decimal
	time time.Time
	list []string
}

func textOf(s string) value           { return value{kind: text, text: s} }
func wholeOf(n int64) value           { return value{kind: whole, text: strconv.FormatInt(n, 10)} }
func decimalOf(d units.Decimal) value { return value{kind: decimal, text: d.String()} }

// momentOf is a time; the zero one is NULL.
func momentOf(t time.Time) value {
	if t.IsZero() {
		return value{kind: null}
	}
	return value{kind: moment, time: t}
}

// string is the value in words, blanks at its end taken off: CHAR columns are
// padded.
func (v value) string() string {
	if v.kind == moment {
		return v.time.Format(time.RFC3339Nano)
	}
	return strings.TrimRight(v.text, " ")
}

// maxCell bounds one cell that a database sends.
const maxCell = 64 << 10

// valueOf reads a cell as database/sql hands it over. column is its type's name
// at the database. Floats are written as the shortest text that means them.
func valueOf(cell any, column string, zone *time.Location) (value, error) {
	column = strings.ToUpper(column)
	switch c := cell.(type) {
	case nil:
		return value{kind: null}, nil
	case int64:
		return wholeOf(c), nil
	case float64:
		return value{kind: decimal, text: strconv.FormatFloat(c, 'f', -1, 64)}, nil
	case float32:
		return value{kind: decimal, text: strconv.FormatFloat(float64(c), 'f', -1, 32)}, nil
	case bool:
		if c {
			return textOf("1"), nil
		}
		return textOf("0"), nil
	case time.Time:
		if !zoned(column) {
			// A wall clock of the hospital, whatever zone the driver made of it.
			c = time.Date(c.Year(), c.Month(), c.Day(), c.Hour(), c.Minute(), c.Second(), c.Nanosecond(), zone)
		}
		return momentOf(c), nil
	case []byte:
		return cellText(string(c), column)
	case string:
		return cellText(c, column)
	default:
		return value{}, fmt.Errorf("a column of type %s (%T) cannot be read", column, cell)
	}
}

func cellText(s, column string) (value, error) {
	if len(s) > maxCell {
		return value{}, fmt.Errorf("a cell of more than %d bytes", maxCell)
	}
	v := textOf(s)
	if slices.ContainsFunc([]string{"DECIMAL", "NUMERIC", "NUMBER", "MONEY", "SMALLMONEY"}, func(t string) bool { return strings.HasPrefix(column, t) }) {
		v.kind = decimal
	}
	return v, nil
}

// zoned reports whether a column's times carry their zone.
func zoned(column string) bool {
	return strings.Contains(column, "TZ") || strings.Contains(column, "OFFSET") || strings.Contains(column, "TIME ZONE")
}

// asTime reads a moment, or the text of one on the hospital's clock.
func (v value) asTime(zone *time.Location) (time.Time, error) {
	switch v.kind {
	case moment:
		return v.time, nil
	case null:
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateTime, "2006-01-02T15:04:05", time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, v.string(), zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time", v.string())
}
