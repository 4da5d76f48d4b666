package httphis

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// scope is what a template may name, and what kind each is.
type scope struct {
	op      Op
	names   map[string]kind // by full name: his_no, value.operator, part.data
	attrs   bool            // attr.X
	list    string          // lines or keys: what each goes over, "" = nothing
	item    string          // inside each: line or key
	facts   map[string]bool // line.fact.X
	ratio   bool            // the ratio of a drug can be known
	tables  map[string]map[string]string
	tainted map[string]bool // parts that hold a secret
}

// newScope is what every template of an operation may name before its parts.
func newScope(op Op, m *Mapping, values map[string]string) *scope {
	s := &scope{
		op: op, names: map[string]kind{"now": kTime, "message_id": kText, "nonce": kText},
		facts: m.factNames(), ratio: m.knowsRatio(), tables: m.tables, tainted: map[string]bool{},
	}
	for name := range values {
		s.names["value."+name] = kText
	}
	for name := range m.secrets {
		s.names["secret."+name] = kText
	}
	if m.session != nil {
		for name := range m.session.fields {
			s.names["session."+name] = kText
		}
	}
	maps.Copy(s.names, op.names())
	switch op {
	case OpFreeze, OpPlaceOrder:
		s.attrs, s.list = true, "lines"
	case OpUnfreeze:
		s.list = "lines"
	case OpQueryStock:
		s.list = "keys"
	}
	return s
}

// names are the values that an operation has beside those that all have.
func (op Op) names() map[string]kind {
	switch op {
	case OpQueryStock:
		return map[string]kind{"pharmacy_id": kText, "drug_id": kText, "page": kNumber}
	case OpFreeze:
		return map[string]kind{"his_no": kText, "pharmacy_id": kText, "until": kTime}
	case OpUnfreeze:
		return map[string]kind{"his_no": kText, "lock_id": kText, "pharmacy_id": kText}
	case OpPlaceOrder:
		return map[string]kind{
			"his_no": kText, "lock_id": kText, "pharmacy_id": kText, "drugs_fen": kFen, "transaction_id": kText, "paid_at": kTime,
		}
	case OpFindOrder:
		return map[string]kind{"his_no": kText}
	case OpCancelOrder:
		return map[string]kind{"his_no": kText, "his_order_no": kText}
	case OpListOrders:
		return map[string]kind{"day": kTime, "page": kNumber}
	default:
		return nil
	}
}

func (s *scope) lists(name string) bool { return name != "" && s.item == "" && s.list == name }

// inside is the scope of one turn over a list.
func (s *scope) inside(list string) *scope {
	in := *s
	in.item = strings.TrimSuffix(list, "s")
	return &in
}

// lookup says what kind a name is.
func (s *scope) lookup(name string) (kind, error) {
	if k, ok := s.names[name]; ok {
		return k, nil
	}
	root, rest, _ := strings.Cut(name, ".")
	switch {
	case root == "attr" && s.attrs:
		if isName(rest) {
			return kText, nil
		}
		return 0, fmt.Errorf("%s: write attr.NAME", name)
	case (root == "line" || root == "key") && s.item != root:
		return 0, fmt.Errorf("%s stands only between {{ each %ss }} and {{ end }}", name, root)
	case root == "line" && strings.HasPrefix(rest, "fact."):
		if s.facts[strings.TrimPrefix(rest, "fact.")] {
			return kText, nil
		}
		return 0, fmt.Errorf("%s: query_stock reads no such fact; it reads %s", name, orNone(listOf(s.facts)))
	case root == "line":
		if k, ok := map[string]kind{"drug_id": kText, "quantity": kQuantity, "fen": kFen, "index": kNumber}[rest]; ok {
			return k, nil
		}
	case root == "key":
		if k, ok := map[string]kind{"drug_id": kText, "index": kNumber}[rest]; ok {
			return k, nil
		}
	}
	var near []string
	for known := range s.names {
		if r, _, _ := strings.Cut(known, "."); r == root || rest == "" && !strings.Contains(known, ".") {
			near = append(near, known)
		}
	}
	if slices.Sort(near); len(near) == 0 {
		return 0, fmt.Errorf("%s is not known in %s; there is nothing of that kind", name, s.op)
	}
	return 0, fmt.Errorf("%s is not known in %s; there is %s", name, s.op, strings.Join(near, ", "))
}

func orNone(list string) string {
	if list == "" {
		return "none"
	}
	return list
}

// secretive reports whether a name's value must not be shown.
func (s *scope) secretive(ref string) bool {
	return strings.HasPrefix(ref, "secret.") || strings.HasPrefix(ref, "session.") || s.tainted[ref]
}

// reveals reports whether what an expression prints is a secret, or can be
// turned back into one.
func (s *scope) reveals(e expr) bool {
	if !s.secretive(e.ref) {
		return false
	}
	if !strings.HasPrefix(e.ref, "part.") {
		return true // the digest of a password alone is as good as the password
	}
	return !slices.ContainsFunc(e.filters, func(f filterCall) bool {
		known, _ := filterNamed(f.name)
		return known.oneWay
	})
}

// expression reads a value and its filters and checks their kinds. strict says
// that the value is printed and not only asked for.
func (p *parser) expression(start int, words []word, strict bool) (e expr, ok bool) {
	var parts [][]word
	for rest := words; ; {
		i := slices.IndexFunc(rest, func(w word) bool { return w.text == "|" && !w.quoted })
		if i < 0 {
			parts = append(parts, rest)
			break
		}
		parts, rest = append(parts, rest[:i]), rest[i+1:]
	}
	e.src = words[0].text
	if len(parts[0]) != 1 {
		p.fault(start, "%s: a value, then filters behind |", e.src)
		return e, false
	}
	if words[0].quoted {
		e.literal = &words[0].text
	} else {
		k, err := p.scope.lookup(e.src)
		if err != nil {
			p.fault(start, "%v", err)
			return e, false
		}
		e.ref, e.kind = e.src, k
		p.t.uses[e.ref] = true
	}
	defaulted := false
	for i, part := range parts[1:] {
		if len(part) == 0 || part[0].quoted {
			p.fault(start, "%s: a filter is missing behind |", e.src)
			return e, false
		}
		call, err := p.filter(&e, part)
		if err != nil {
			p.fault(start, "%s: %s: %v", e.src, part[0].text, err)
			return e, false
		}
		if call.name == "raw" && i != len(parts)-2 {
			p.fault(start, "%s: raw must be the last filter", e.src)
		}
		if call.name == "packs" {
			p.t.uses["packs"] = true
		}
		defaulted = defaulted || call.name == "default"
		e.filters = append(e.filters, call)
	}
	if strict && e.ref != "" && !defaulted {
		p.t.strict[e.ref] = true
	}
	return e, true
}

func (p *parser) filter(e *expr, words []word) (call filterCall, err error) {
	call.name = words[0].text
	f, ok := filterNamed(call.name)
	if !ok {
		return call, fmt.Errorf("there is no such filter; there is %s", strings.Join(filterNames(), ", "))
	}
	args := words[1:]
	if len(args) < f.min || len(args) > len(f.args) {
		return call, fmt.Errorf("write it as: %s", f.usage)
	}
	for i, a := range args {
		arg := argument{text: a.text}
		switch f.args[i] {
		case wantCount:
			if n, err := strconv.Atoi(a.text); err != nil || a.quoted || n < 0 || n > 1000 {
				return call, fmt.Errorf("%q is not a number; write it as: %s", a.text, f.usage)
			}
		case wantText:
			if !a.quoted {
				return call, fmt.Errorf("%q must stand in double quotes; write it as: %s", a.text, f.usage)
			}
		case wantValue:
			if !a.quoted {
				if _, err := p.scope.lookup(a.text); err != nil {
					return call, err
				}
				arg.isRef = true
				p.t.uses[a.text] = true
			}
		}
		call.args = append(call.args, arg)
	}
	if f.check != nil {
		if err := f.check(p.scope, call.args); err != nil {
			return call, err
		}
	}
	if !slices.Contains(f.in, e.kind) {
		return call, fmt.Errorf("cannot be put to %s", e.kind)
	}
	if f.out != nil {
		e.kind = f.out(e.kind)
	}
	return call, nil
}
