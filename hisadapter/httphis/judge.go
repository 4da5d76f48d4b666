package httphis

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// judgement is what an answer was found to say.
type judgement struct {
	verdict verdict
	rule    *rule // nil = none fits
	observed
	rowNodes []*node
	header   http.Header
	layers   []Layer
	err      error // why it is unknown
	hidden   masks // what its words must not show
}

// judge reads an answer by the mapping's steps and rules. It never fails: what
// cannot be read is unknown.
func (c *call) judge(r *response, cs charset, secrets map[string]value, now time.Time) *judgement {
	a := &c.ans
	j := &judgement{header: r.header}
	j.observed = observed{status: r.status, rows: -1, read: newReader(), now: now}
	accepted := cond{subject: "status", words: a.statuses}
	if ok, _ := accepted.holds(j.observed, nil); ok {
		hit, err := j.unwrap(c, r.body, cs, secrets)
		if hit != nil {
			j.settle(hit)
			return j
		}
		if err != nil {
			j.doc, j.err = nil, err
		}
	} else {
		j.err = fmt.Errorf("status %d is none of %s (answer, mapping line %d)", r.status, strings.Join(a.statuses, ", "), a.line)
	}
	if err := j.look(a); err != nil {
		j.doc, j.err, j.rows, j.rowNodes = nil, err, -1, nil
	}
	j.decide(a, len(strings.TrimSpace(string(r.body))) == 0)
	return j
}

// decide takes the first rule that fits. What says that something is so needs a
// document in which the HIS says it, or a status that has no other meaning.
func (j *judgement) decide(a *answer, empty bool) {
	for i := range a.rules {
		r := &a.rules[i]
		fits, err := r.fits(j.observed)
		if err != nil {
			j.verdict, j.err = verdict{word: "unknown"}, err
			return
		}
		if !fits {
			continue
		}
		if r.then.positive() && !j.believable(r.then, empty) {
			continue
		}
		j.settle(r)
		return
	}
	if j.err == nil {
		j.err = fmt.Errorf("the answer fits no rule (of the answer, mapping line %d)", a.line)
		if a.code != nil && j.code == "" {
			j.err = fmt.Errorf("the answer has no code where the mapping looks for it: %s", *a.code)
		}
	}
	j.verdict = verdict{word: "unknown"}
}

// believable reports whether an answer with this status can say this. A success
// needs a status of success; that something is not there may also stand under
// one such as 404, in the HIS's own words.
func (j *judgement) believable(v verdict, empty bool) bool {
	switch {
	case j.status < 200 || j.status >= 500 || j.status >= 300 && j.status < 400:
		return false
	case j.doc == nil:
		return empty && (j.status == http.StatusCreated || j.status == http.StatusNoContent)
	case j.status >= 400:
		return !v.oneOf("done", "frozen", "deducted")
	default:
		return true
	}
}

func (j *judgement) settle(r *rule) {
	j.rule, j.verdict = r, r.then
	if r.then.word == "unknown" {
		j.err = fmt.Errorf("the rule of line %d says unknown", r.line)
	} else {
		j.err = nil
	}
}

// look reads what the rules look at from the document.
func (j *judgement) look(a *answer) error {
	if j.doc == nil {
		return nil
	}
	var err error
	j.code, j.message, j.messages = "", "", nil
	if a.message != nil {
		if j.message, _, err = j.read.text(j.doc, *a.message); err != nil {
			return err
		}
		_, _, j.messages = j.read.sole(j.doc, *a.message)
	}
	if a.code != nil {
		if j.code, _, err = j.read.sole(j.doc, *a.code); err != nil {
			return err
		}
	}
	j.code, j.message = strings.TrimSpace(j.code), strings.TrimSpace(j.message)
	if a.rows != nil {
		if j.rowNodes, err = j.read.nodes(j.doc, *a.rows); err != nil {
			return err
		}
		j.rows = len(j.rowNodes)
		if j.listThere, err = j.hasList(*a.rows); err != nil {
			return err
		}
	}
	return nil
}

// hasList reports whether the place that holds the rows is there, where the path
// names it: an answer that is about something else has no rows either.
func (j *judgement) hasList(rows path) (bool, error) {
	holder, ok := rows.holder()
	if !ok {
		return true, nil // only the rule's other conditions can tell
	}
	if holder == "" {
		return j.rows > 0 || j.doc.first == nil, nil
	}
	nodes, err := j.read.nodes(j.doc, path{src: holder})
	return len(nodes) > 0, err
}

// asError is what a verdict other than done means, nil for those that mean
// something only to their own operation.
func (j *judgement) asError(op Op) *hisadapter.Error {
	e := j.misfit(op, j.err)
	if e.Code == "" && j.doc == nil {
		e.Code = strconv.Itoa(j.status)
	}
	switch j.verdict.word {
	case "refused":
		e.Outcome, e.Kind = hisadapter.Refused, j.verdict.kind
	case "busy":
		e.Outcome, e.RetryAfter = hisadapter.Busy, retryAfter(j.header)
	case "misconfigured":
		e.Outcome = hisadapter.Misconfigured
	case "find":
		if !op.reads() && op != OpLogin {
			e.Outcome = hisadapter.Find
		} else {
			e.Err = errors.New("find says nothing of a read")
		}
	case "unknown":
	default:
		return nil
	}
	return e
}

func retryAfter(h http.Header) time.Duration {
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil && s > 0 && s < 1e6 {
		return time.Duration(s) * time.Second
	}
	return 0
}

// misfit is an answer of success without what success must bring: nobody knows
// what happened.
func (j *judgement) misfit(op Op, err error) *hisadapter.Error {
	return &hisadapter.Error{
		Op: op.name(), Outcome: hisadapter.Unknown, Code: j.hidden.apply(j.code), Message: j.hidden.apply(j.message), Err: j.hidden.error(err),
	}
}

// oneOfWords reports whether the verdict is one of these.
func (v verdict) oneOf(words ...string) bool { return slices.Contains(words, v.word) }
