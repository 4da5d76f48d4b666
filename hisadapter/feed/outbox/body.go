package outbox

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// unreadable is the member of a body that says which columns could not be read,
// and why. They are null then, and the mapping finds out whether it needs them.
const unreadable = "hisgate_unreadable"

// body writes a row as a JSON object, a member for each column in their order.
// Numbers are written digit by digit as the database has them, times by RFC 3339.
func (r row) body() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range r.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(c))
		b.WriteByte(':')
		b.Write(value(r.cells[i]))
	}
	if r.bad != nil {
		why, err := json.Marshal(r.bad)
		if err == nil { // texts always can be
			b.WriteString(`,"` + unreadable + `":`)
			b.Write(why)
		}
	}
	b.WriteByte('}')
	return b.Bytes()
}

// value is a cell in JSON. What is no number in JSON (NaN) is a text.
func value(c sqldb.Cell) []byte {
	switch c.Kind {
	case sqldb.Null:
		return []byte("null")
	case sqldb.Moment:
		return quote(c.Time.Format(time.RFC3339Nano))
	case sqldb.Whole, sqldb.Decimal:
		n := c.String()
		switch {
		case strings.HasPrefix(n, "."): // Oracle leaves the zero out
			n = "0" + n
		case strings.HasPrefix(n, "-."):
			n = "-0" + n[1:]
		}
		if json.Valid([]byte(n)) && strings.Trim(n[:1], "-0123456789") == "" {
			return []byte(n)
		}
		return quote(n)
	default:
		return quote(c.String())
	}
}

func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a text always can be written to memory
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
