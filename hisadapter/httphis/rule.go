package httphis

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// rule is one row of an outcome table.
type rule struct {
	name  string // for people; "" = none
	line  int
	conds []cond
	then  verdict
}

// verdict is what a rule says.
type verdict struct {
	word string          // done, refused, none, …
	kind hisadapter.Kind // of refused
}

// cond is one condition. All conditions of a rule must hold.
type cond struct {
	subject string // code, message, status, rows, at
	path    path   // of at
	test    test
	words   []string       // of is, not, contains
	re      *regexp.Regexp // of matches
	format  timeFormat     // of unexpired
	empty   bool           // of isEmpty
}

// test is how a condition looks at its subject.
type test string

const (
	is        test = "is"
	isNot     test = "not"
	contains  test = "contains"
	matches   test = "matches"
	isEmpty   test = "empty"
	unexpired test = "not_expired"
)

// observed is what the rules look at.
type observed struct {
	status    int
	rows      int  // -1 = there is no document, or its rows are not read
	listThere bool // the place whose rows they would be is there
	code      string
	message   string
	messages  error // why message is not all that the HIS says: there are several that differ
	doc       *node // nil = there is none
	read      *reader
	now       time.Time
}

// fits reports whether all conditions hold. A condition on a document that is
// not there does not.
func (r rule) fits(o observed) (bool, error) {
	for _, c := range r.conds {
		ok, err := c.holds(o, o.doc)
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// holds looks at from, the document or one of its rows.
func (c cond) holds(o observed, from *node) (bool, error) {
	switch c.subject {
	case "status":
		return slices.ContainsFunc(c.words, func(w string) bool {
			return w == strconv.Itoa(o.status) || strings.HasSuffix(w, "xx") && w[0] == strconv.Itoa(o.status)[0]
		}), nil
	case "rows":
		if c.words[0] == "0" {
			return o.rows == 0 && o.listThere, nil
		}
		return o.rows > 0, nil
	}
	if from == nil {
		return false, nil
	}
	var s string
	found := true
	switch c.subject {
	case "code":
		s = o.code
	case "message":
		if s = o.message; o.messages != nil {
			return false, o.messages
		}
	default:
		look := o.read.sole
		if c.test == isEmpty { // one of several is as much there as one
			look = o.read.text
		}
		var err error
		if s, found, err = look(from, c.path); err != nil {
			return false, err
		}
	}
	s = strings.TrimSpace(s)
	switch c.test {
	case isEmpty:
		return (s == "") == c.empty, nil
	case is:
		return found && slices.Contains(c.words, s), nil
	case isNot:
		return found && !slices.Contains(c.words, s), nil
	case contains:
		return slices.ContainsFunc(c.words, func(w string) bool { return strings.Contains(s, w) }), nil
	case matches:
		return found && c.re.MatchString(s), nil
	default:
		if !found { // a wrong path must not turn expired lots into good ones
			return false, fmt.Errorf("the row has no %s", c.path)
		}
		if s == "" {
			return true, nil // no date: it does not expire
		}
		t, err := c.format.read(s)
		if err != nil {
			return false, fmt.Errorf("%s: %w", c.path, err)
		}
		return c.format.end(t).After(o.now), nil // good through its last day
	}
}

// evidence reports whether the condition is the HIS's own word that something
// is so. For a done a text that holds another is none: 未成功 holds 成功; nor is a
// pattern that does not say how the text begins and ends.
func (c cond) evidence(done bool) bool {
	if done && (c.test == contains || c.test == matches && !whole(c.re)) {
		return false
	}
	if c.test == matches && c.re.MatchString("") {
		return false
	}
	switch c.subject {
	case "status":
		return !slices.ContainsFunc(c.words, func(w string) bool { return w != "201" && w != "204" })
	case "code", "at":
		return c.test == is && !slices.Contains(c.words, "") || c.test == contains || c.test == matches || c.test == isEmpty && !c.empty
	case "message":
		return c.test == is || c.test == contains || c.test == matches
	default:
		return false
	}
}

// whole reports whether a pattern speaks of a text from its beginning to its end.
func whole(re *regexp.Regexp) bool {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	return err == nil && bounded(tree, syntax.OpBeginText, false) && bounded(tree, syntax.OpEndText, true)
}

// bounded reports whether all that a pattern fits begins, or ends, at the bound.
func bounded(t *syntax.Regexp, bound syntax.Op, last bool) bool {
	switch t.Op {
	case bound:
		return true
	case syntax.OpCapture:
		return bounded(t.Sub[0], bound, last)
	case syntax.OpConcat:
		at := 0
		if last {
			at = len(t.Sub) - 1
		}
		return bounded(t.Sub[at], bound, last)
	case syntax.OpAlternate:
		return !slices.ContainsFunc(t.Sub, func(sub *syntax.Regexp) bool { return !bounded(sub, bound, last) })
	default:
		return false
	}
}

// spoken reports whether a rule rests on something that the HIS said, which a
// status is not: a proxy has them too.
func (r rule) spoken() bool {
	return slices.ContainsFunc(r.conds, func(c cond) bool {
		silent := c.test == isEmpty && c.empty || c.test == is && slices.Contains(c.words, "")
		return slices.Contains([]string{"code", "message", "at"}, c.subject) && !silent
	})
}

// failing are the statuses of a rule under which a HIS, or what stands before it,
// may have failed after it did what it was asked.
func (r rule) failing() (out []string) {
	for _, c := range r.conds {
		if c.subject == "status" {
			for _, w := range c.words {
				if w[0] == '5' && w != "503" {
					out = append(out, w)
				}
			}
		}
	}
	return out
}

// hasEvidence reports whether one of its conditions is evidence for its verdict.
func (r rule) hasEvidence() bool {
	done := slices.Contains([]string{"done", "frozen", "deducted"}, r.then.word)
	return slices.ContainsFunc(r.conds, func(c cond) bool { return c.evidence(done) })
}

// implies reports whether c can hold only when d does.
func (c cond) implies(d cond) bool {
	if c.subject != d.subject || c.path.src != d.path.src {
		return false
	}
	within := func(ok func(w, v string) bool) bool {
		return !slices.ContainsFunc(c.words, func(w string) bool {
			return !slices.ContainsFunc(d.words, func(v string) bool { return ok(w, v) })
		})
	}
	same := func(w, v string) bool { return w == v || strings.HasSuffix(v, "xx") && w != "" && w[0] == v[0] }
	switch {
	case d.test == contains && (c.test == contains || c.test == is):
		return within(strings.Contains)
	case d.test == isEmpty && !d.empty && c.test == is:
		return !slices.Contains(c.words, "")
	case c.test != d.test:
		return false
	case c.test == isNot:
		return !slices.ContainsFunc(d.words, func(v string) bool { return !slices.Contains(c.words, v) })
	case c.test == matches:
		return c.re.String() == d.re.String()
	case c.test == isEmpty:
		return c.empty == d.empty
	default:
		return within(same)
	}
}

// shadows reports whether an earlier rule takes all that a later one could.
func (r rule) shadows(later rule) bool {
	return !slices.ContainsFunc(r.conds, func(d cond) bool {
		return !slices.ContainsFunc(later.conds, func(c cond) bool { return c.implies(d) })
	})
}

// verdicts are the words that a rule of an operation may say.
func (op Op) verdicts(early bool) []string {
	words := []string{"busy", "misconfigured", "login_again", "unknown", "refused"}
	switch {
	case early: // on an outer layer only what stops is said
	case op == OpQueryStock:
		words = append(words, "done", "unknown_drug")
	case op == OpFindOrder:
		words = append(words, "none", "frozen", "deducted", "released", "lapsed", "next")
	case op == OpListOrders:
		words = append(words, "done", "none")
	case op == OpLogin:
		words = []string{"done", "busy", "misconfigured", "unknown", "refused"}
	default:
		words = append(words, "done", "find")
	}
	if early { // of a read it means nothing, and counts as unknown
		words = append(words, "find")
	}
	slices.Sort(words)
	return words
}

// positive reports whether the word says that something is so at the HIS, for
// which it must have said so.
func (v verdict) positive() bool {
	return slices.Contains([]string{"done", "none", "unknown_drug", "frozen", "deducted", "released", "lapsed"}, v.word)
}

func kindNamed(name string) (hisadapter.Kind, bool) {
	all := []hisadapter.Kind{
		hisadapter.KindOther, hisadapter.Insufficient, hisadapter.FreezeLapsed, hisadapter.PriceChanged, hisadapter.AmountMismatch,
		hisadapter.UnknownDrug, hisadapter.Stopped, hisadapter.NotDivisible,
	}
	i := slices.IndexFunc(all, func(k hisadapter.Kind) bool { return k.String() == name })
	if i < 0 {
		return 0, false
	}
	return all[i], true
}

func parseVerdict(s string, op Op, early bool) (verdict, error) {
	word, arg, hasArg := strings.Cut(s, " ")
	allowed := op.verdicts(early)
	if !slices.Contains(allowed, word) {
		return verdict{}, fmt.Errorf("%q: a rule of %s may say %s", s, op, strings.Join(allowed, ", "))
	}
	if word != "refused" {
		if hasArg {
			return verdict{}, fmt.Errorf("%q: nothing may follow %s", s, word)
		}
		return verdict{word: word}, nil
	}
	kind, ok := kindNamed(strings.TrimSpace(arg))
	if !ok {
		return verdict{}, fmt.Errorf("%q: write refused and a kind: insufficient, lapsed, price_changed, amount_mismatch, unknown_drug, stopped, not_divisible, other", s)
	}
	return verdict{word: word, kind: kind}, nil
}
