package httphis

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// env is what the templates of one request are rendered with.
type env struct {
	values  map[string]value // by full name
	attrs   map[string]string
	lists   map[string][]map[string]value
	item    map[string]value
	tables  map[string]map[string]string
	charset charset
	masks   masks

	signatures []string // digests that were printed, as they were
	// rehearsing: the values are made up, and a filter that cannot work on them
	// is no fault.
	rehearsing bool
	// keyless: the secrets are stand-ins, and a filter that takes no such key is no
	// fault.
	keyless bool
}

// unsayable says that a request cannot be written: a value is missing or cannot
// be said in this HIS's words. Nothing was sent.
type unsayable struct {
	kind hisadapter.Kind
	line int
	err  error
}

func (u *unsayable) Error() string {
	return fmt.Sprintf("nothing was sent: the request cannot be written (mapping line %d): %v", u.line, u.err)
}

func (u *unsayable) Unwrap() error { return u.err }

var errMissing = errors.New("there is no such value, and the template has no default for it")

// render writes a template. Its error is an *unsayable.
func (t *template) render(e *env, esc escaper) (string, error) {
	var sb strings.Builder
	if err := renderNodes(&sb, t.nodes, e, esc); err != nil {
		return "", err
	}
	return sb.String(), nil
}

func renderNodes(sb *strings.Builder, nodes []tnode, e *env, esc escaper) error {
	for _, n := range nodes {
		var err error
		switch {
		case n.print != nil:
			err = n.print.render(sb, e, esc)
		case n.each != nil:
			err = n.each.render(sb, e, esc)
		case n.branch != nil:
			err = n.branch.render(sb, e, esc)
		default:
			sb.WriteString(n.literal)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *printing) render(sb *strings.Builder, e *env, esc escaper) error {
	v, err := e.eval(p.expr)
	if err == nil && v.gone {
		err = errMissing
	}
	var s string
	if err == nil {
		s, err = esc.escape(v, p.place)
	}
	if err != nil {
		u := &unsayable{line: p.line, err: fmt.Errorf("%s: %w", p.expr.src, err)}
		if _, ok := errors.AsType[*units.NotExactError](err); ok {
			u.kind = hisadapter.NotDivisible
		}
		return u
	}
	if p.reveals {
		e.masks.reveal(v, s, strings.HasPrefix(p.expr.ref, "part.") && len(p.expr.filters) == 0, func(m string) string {
			escaped, err := esc.escape(text(m), p.place)
			if err != nil {
				return m
			}
			return strings.Trim(escaped, `"`)
		})
	}
	if p.expr.signs() {
		e.signatures = append(e.signatures, strings.Trim(s, `"`))
	}
	sb.WriteString(s)
	return nil
}

// signs reports whether what is printed is a digest or made from one.
func (x expr) signs() bool {
	return slices.ContainsFunc(x.filters, func(f filterCall) bool {
		return hashNamed(strings.TrimPrefix(f.name, "hmac_")) != nil
	})
}

func (t *turns) render(sb *strings.Builder, e *env, esc escaper) error {
	outer := e.item
	defer func() { e.item = outer }()
	for i, item := range e.lists[t.over] {
		if i > 0 {
			sb.WriteString(t.between)
		}
		e.item = item
		if err := renderNodes(sb, t.body, e, esc); err != nil {
			return err
		}
	}
	return nil
}

func (b *branch) render(sb *strings.Builder, e *env, esc escaper) error {
	v, err := e.eval(b.cond)
	if err != nil {
		return &unsayable{err: fmt.Errorf("%s: %w", b.cond.src, err)}
	}
	there := !v.gone && v.String() != "" || !v.gone && v.kind == kTime
	if there != b.negate {
		return renderNodes(sb, b.then, e, esc)
	}
	return renderNodes(sb, b.els, e, esc)
}

// lookup finds a value by its name; one that the call does not have is gone.
func (e *env) lookup(name string) value {
	if v, ok := e.item[name]; ok {
		return v
	}
	if v, ok := e.values[name]; ok {
		return v
	}
	if attr, ok := strings.CutPrefix(name, "attr."); ok {
		return textOr(e.attrs[attr])
	}
	return missing(kText)
}

// eval takes a value through its filters. A value that is gone stays so until
// a default.
func (e *env) eval(x expr) (value, error) {
	var v value
	if x.literal != nil {
		v = text(*x.literal)
	} else {
		v = e.lookup(x.ref)
	}
	for _, call := range x.filters {
		f, _ := filterNamed(call.name) // checked when the mapping was loaded
		args := make([]value, len(call.args))
		for i, a := range call.args {
			args[i] = text(a.text)
			if a.isRef {
				if args[i] = e.lookup(a.text); args[i].gone {
					return value{}, fmt.Errorf("%s: %s: %w", call.name, a.text, errMissing)
				}
			}
		}
		switch {
		case v.gone && call.name == "default":
			v = args[0]
		case v.gone:
		default:
			var err error
			was := v.kind
			if v, err = f.apply(e, v, args); err != nil && (e.rehearsing || e.keyless && keyed(call.name)) {
				v = value{kind: was, text: "1", n: 1, bytes: []byte("1")}
				if f.out != nil {
					v.kind = f.out(was)
				}
			} else if err != nil {
				return value{}, fmt.Errorf("%s: %w", call.name, err)
			}
		}
	}
	return v, nil
}

// keyed reports whether a filter takes a key.
func keyed(filter string) bool {
	return strings.HasPrefix(filter, "aes_") || strings.HasPrefix(filter, "hmac_")
}

// bytesOf are a value's bytes as the HIS sees them.
func (e *env) bytesOf(v value) ([]byte, error) {
	if v.kind == kBytes {
		return v.bytes, nil
	}
	return e.charset.encode(v.String())
}
