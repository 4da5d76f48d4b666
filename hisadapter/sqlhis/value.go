package sqlhis

import (
	"strconv"
	"time"

	"github.com/hisgate/hisgate/hisadapter/sqldb"
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
func (v value) string() string { return v.cell().String() }

// cell is a value that is one as the database hands it over.
func (v value) cell() sqldb.Cell {
	kinds := [...]sqldb.Kind{text: sqldb.Text, whole: sqldb.Whole, decimal: sqldb.Decimal, moment: sqldb.Moment, list: sqldb.Null, null: sqldb.Null}
	return sqldb.Cell{Kind: kinds[v.kind], Text: v.text, Time: v.time}
}

// valueOf reads a cell as database/sql hands it over. column is its type's name
// at the database.
func valueOf(cell any, column string, zone *time.Location) (value, error) {
	c, err := sqldb.ReadCell(cell, column, zone)
	if err != nil {
		return value{}, err
	}
	switch c.Kind {
	case sqldb.Null:
		return value{kind: null}, nil
	case sqldb.Whole:
		return value{kind: whole, text: c.Text}, nil
	case sqldb.Decimal:
		return value{kind: decimal, text: c.Text}, nil
	case sqldb.Moment:
		return momentOf(c.Time), nil
	default:
		return textOf(c.Text), nil
	}
}

// asTime reads a moment, or the text of one on the hospital's clock.
func (v value) asTime(zone *time.Location) (time.Time, error) { return v.cell().AsTime(zone) }
