package httphis

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/hisgate/hisgate/hisadapter/units"
)

// kind is what a value of a template is. A template's types are checked when
// the mapping is loaded.
type kind uint8

const (
	kText     kind = iota
	kNumber        // prints bare in JSON
	kFen           // an amount, until yuan
	kQuantity      // smallest dispensing units
	kTime          // must be formatted
	kBytes         // of a digest or a cipher; prints as lower-case hex
)

func (k kind) String() string {
	switch k {
	case kText:
		return "a text"
	case kNumber:
		return "a number"
	case kFen:
		return "an amount in fen"
	case kQuantity:
		return "a quantity"
	case kTime:
		return "a time"
	default:
		return "bytes"
	}
}

// value is one value while a template is rendered.
type value struct {
	kind  kind
	text  string // of texts and numbers
	n     int64  // of amounts and quantities
	time  time.Time
	bytes []byte
	line  *lineFacts // the line that a quantity belongs to
	gone  bool       // there is no such value
}

func text(s string) value { return value{kind: kText, text: s} }

func number(n int64) value { return value{kind: kNumber, text: strconv.FormatInt(n, 10)} }

func missing(k kind) value { return value{kind: k, gone: true} }

// textOr is a text that counts as missing when it is empty.
func textOr(s string) value { return value{kind: kText, text: s, gone: s == ""} }

// String is the value as it is printed, before escaping.
func (v value) String() string {
	switch v.kind {
	case kFen, kQuantity:
		return strconv.FormatInt(v.n, 10)
	case kBytes:
		return hex.EncodeToString(v.bytes)
	default:
		return v.text
	}
}

// lineFacts is what is known of the drug of a line.
type lineFacts struct {
	ratio units.Ratio
	facts map[string]string
}
