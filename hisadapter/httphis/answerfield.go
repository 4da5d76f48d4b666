package httphis

import (
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// fieldNames are the fields that an operation's answer may have; nil is any.
func (op Op) fieldNames() []string {
	switch op {
	case OpQueryStock:
		return []string{"drug_id", "pharmacy_id", "on_hand", "ratio", "multiple", "name", "unit", "price", "stopped"}
	case OpFreeze:
		return []string{"his_no", "lock_id", "expires"}
	case OpPlaceOrder:
		return []string{"his_no", "his_order_no", "amount"}
	case OpFindOrder:
		return []string{"his_no", "lock_id", "expires", "his_order_no"}
	case OpUnfreeze, OpCancelOrder:
		return []string{"his_no"}
	case OpListOrders:
		return []string{"his_no", "his_order_no", "amount", "canceled"}
	case opMessage:
		return []string{"drug_id", "pharmacy_id", "on_hand", "ratio", "sequence", "time"}
	default:
		return nil
	}
}

func (q *answerLoader) fields(n *yaml.Node) {
	what := q.op.reading() + ": fields"
	known := q.op.fieldNames()
	for _, p := range q.Pairs(n, what) {
		if known != nil && !slices.Contains(known, p.Key) {
			q.Add(p.Line, "%s: no such field %q; possible are %v", what, p.Key, known)
			continue
		}
		if known == nil && !isName(p.Key) {
			q.Add(p.Line, "%s: %q is not a name (letters, digits, _)", what, p.Key)
		}
		if p.Value.Kind == yaml.SequenceNode {
			if p.Key != "on_hand" {
				q.Add(p.Line, "%s: %s: only on_hand may be a list, which is added up", what, p.Key)
				continue
			}
			for _, e := range p.Value.Content {
				q.a.fields[p.Key] = append(q.a.fields[p.Key], q.field(mapfile.Pair{Key: p.Key, Line: e.Line, Value: mapfile.Follow(e)}, what, false))
			}
			continue
		}
		q.a.fields[p.Key] = []field{q.field(p, what, q.op == OpLogin && p.Key != "expires")}
	}
}

// field reads an XPath, or a group that says more. free is a field of the file's
// own naming, which is a text whatever it is called.
func (q *answerLoader) field(p mapfile.Pair, what string, free bool) field {
	what += ": " + p.Key
	f := field{name: p.Key, line: p.Line}
	if p.Value.Kind == yaml.ScalarNode {
		f.at = q.path(p.Value, what)
		q.fieldFits(f, what, free)
		return f
	}
	said := func(to **string, name string) func(n *yaml.Node) {
		return func(n *yaml.Node) {
			if s, ok := q.text(n, what+": "+name); ok {
				*to = &s
			}
		}
	}
	q.Group(p.Value, what, mapfile.Keys{
		"at":       func(n *yaml.Node) { f.at = q.path(n, what+": at") },
		"header":   func(n *yaml.Node) { f.header, _ = q.text(n, what+": header") },
		"match":    func(n *yaml.Node) { f.match = q.regex(n, what+": match") },
		"default":  said(&f.def, "default"),
		"fixed":    said(&f.fixed, "fixed"),
		"in":       func(n *yaml.Node) { f.in = q.oneOf(n, what+": in", "smallest", "pack", "yuan", "fen") },
		"per":      func(n *yaml.Node) { f.per = q.per(n, what+": per") },
		"true":     func(n *yaml.Node) { f.truths = q.texts(n, what+": true") },
		"false":    func(n *yaml.Node) { f.falses = q.texts(n, what+": false") },
		"subtract": func(n *yaml.Node) { f.subtract = q.boolean(n, what+": subtract") },
		"table": func(n *yaml.Node) {
			f.table, _ = q.text(n, what+": table")
			if _, ok := q.m.tables[f.table]; !ok {
				q.At(n, "%s: there is no table %q", what, f.table)
			}
		},
		"format": func(n *yaml.Node) {
			s, _ := q.text(n, what+": format")
			var err error
			if f.format, err = parseTimeFormat(s); err != nil {
				q.At(n, "%s: %v", what, err)
			}
		},
	})
	sources := 0
	for _, b := range []bool{f.at != nil, f.header != "", f.fixed != nil} {
		if b {
			sources++
		}
	}
	if sources != 1 && !(sources == 0 && hasKey(p.Value, "at")) { // a bad path was told already
		q.Add(p.Line, "%s: one of at, header and fixed says where it stands", what)
	}
	q.fieldFits(f, what, free)
	return f
}

func (q *answerLoader) per(n *yaml.Node, what string) string {
	s, _ := q.text(n, what)
	if s != "smallest" && s != "pack" {
		if v, err := strconv.ParseInt(s, 10, 64); err != nil || v < 1 {
			q.At(n, "%s: %q is not smallest, pack, or a number of smallest units", what, s)
		}
	}
	return s
}

// fieldFits checks that a field says what its kind needs, and nothing else.
func (q *answerLoader) fieldFits(f field, what string, free bool) {
	want := func(ok bool, format string) {
		if !ok {
			q.Add(f.line, "%s: %s", what, format)
		}
	}
	if free {
		want(f.in == "" && f.per == "" && f.truths == nil && f.falses == nil && f.format.pattern == "" && !f.subtract && f.table == "",
			"is a text: only at, header, match, default and fixed belong to it")
		return
	}
	quantity := slices.Contains([]string{"on_hand", "available", "quantity"}, f.name)
	amount := f.name == "amount"
	boolean := f.name == "stopped" || f.name == "canceled"
	moment := f.name == "expires" || f.name == "time"
	want(f.in == "" || quantity && (f.in == "smallest" || f.in == "pack") || amount && (f.in == "yuan" || f.in == "fen"),
		"in: smallest or pack for quantities, yuan or fen for amounts")
	want(!amount || f.in != "", "say in: yuan, or in: fen")
	want(f.per == "" || f.name == "price", "per belongs to price")
	want(boolean == (f.truths != nil) && boolean == (f.falses != nil) || f.fixed != nil,
		"true: [...] and false: [...] say which texts mean yes and no (stopped and canceled, no others)")
	want(moment == (f.format.pattern != "") || f.fixed != nil, "format belongs to expires and time, which need it: yyyy-MM-dd HH:mm:ss, unix, unix_ms, rfc3339")
	want(!f.subtract || f.name == "on_hand", "subtract belongs to on_hand")
	want(f.table == "" || f.name == "pharmacy_id", "table belongs to pharmacy_id")
}
