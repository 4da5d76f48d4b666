package sqldb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind says what a cell is.
type Kind uint8

// The kinds of cells.
const (
	Null Kind = iota
	Text
	Whole   // an integer, in digits
	Decimal // a number, in digits; a float is the shortest text that means it
	Moment
)

// Cell is one cell of an answer, exact.
type Cell struct {
	Kind Kind
	Text string    // of text, whole and decimal
	Time time.Time // of a moment
}

// MaxCell bounds one cell that a database sends, in bytes.
const MaxCell = 64 << 10

// ReadCell reads a cell as database/sql hands it over. column is its type's name
// at the database; zone is the clock of times without one. It returns an error
// for a cell that is too long, or of a type that cannot be read.
func ReadCell(cell any, column string, zone *time.Location) (Cell, error) {
	column = strings.ToUpper(column)
	switch c := cell.(type) {
	case nil:
		return Cell{}, nil
	case int64:
		return Cell{Kind: Whole, Text: strconv.FormatInt(c, 10)}, nil
	case float64:
		return Cell{Kind: Decimal, Text: strconv.FormatFloat(c, 'f', -1, 64)}, nil
	case float32:
		return Cell{Kind: Decimal, Text: strconv.FormatFloat(float64(c), 'f', -1, 32)}, nil
	case bool:
		if c {
			return Cell{Kind: Text, Text: "1"}, nil
		}
		return Cell{Kind: Text, Text: "0"}, nil
	case time.Time:
		if !Zoned(column) {
			// A wall clock of the hospital, whatever zone the driver made of it.
			c = time.Date(c.Year(), c.Month(), c.Day(), c.Hour(), c.Minute(), c.Second(), c.Nanosecond(), zone)
		}
		return Cell{Kind: Moment, Time: c}, nil
	case []byte:
		return cellText(string(c), column)
	case string:
		return cellText(c, column)
	default:
		return Cell{}, fmt.Errorf("a column of type %s (%T) cannot be read", column, cell)
	}
}

func cellText(s, column string) (Cell, error) {
	if len(s) > MaxCell {
		return Cell{}, fmt.Errorf("a cell of more than %d bytes", MaxCell)
	}
	c := Cell{Kind: Text, Text: s}
	if slices.ContainsFunc([]string{"DECIMAL", "NUMERIC", "NUMBER", "MONEY", "SMALLMONEY"}, func(t string) bool { return strings.HasPrefix(column, t) }) {
		c.Kind = Decimal
	}
	return c, nil
}

// Zoned reports whether the times of a column, by its type's name at the
// database, carry their zone.
func Zoned(column string) bool {
	column = strings.ToUpper(column)
	return strings.Contains(column, "TZ") || strings.Contains(column, "OFFSET") || strings.Contains(column, "TIME ZONE")
}

// String is the cell in words, blanks at its end taken off: CHAR columns are
// padded. Null is empty.
func (c Cell) String() string {
	if c.Kind == Moment {
		return c.Time.Format(time.RFC3339Nano)
	}
	return strings.TrimRight(c.Text, " ")
}

// AsTime reads a moment, or the text of one on the clock of zone. Null is the
// zero time.
func (c Cell) AsTime(zone *time.Location) (time.Time, error) {
	switch c.Kind {
	case Moment:
		return c.Time, nil
	case Null:
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateTime, "2006-01-02T15:04:05", time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, c.String(), zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time", c.String())
}
