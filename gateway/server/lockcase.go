package server

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// lockCases shows locks that a person must settle as cases. The ledger keeps
// them: the case is open while the lock has a CaseReason, and its audit trail is
// the lock's history.
type lockCases struct {
	gw    *gateway.Gateway
	owner string // the duty
}

// A lock's case is named by its attempt: lock:RX123:2. No case of an order has a
// colon in its number.
const lockCasePrefix = "lock:"

func lockCaseID(id lockstore.ID) string {
	return fmt.Sprintf("%s%s:%d", lockCasePrefix, id.OrderNo, id.Attempt)
}

func parseLockCase(s string) (lockstore.ID, bool) {
	rest, ok := strings.CutPrefix(s, lockCasePrefix)
	if !ok {
		return lockstore.ID{}, false
	}
	orderNo, attempt, _ := strings.Cut(rest, ":")
	n, _ := strconv.Atoi(attempt)
	return lockstore.ID{OrderNo: orderNo, Attempt: n}, true
}

// list returns a page of the open ones, or of the settled ones, the oldest lock
// first. The settled ones are looked for among all locks that are kept, so a page
// of them may be short, or empty, before the end.
func (c lockCases) list(ctx context.Context, r *hisgatev1.ListCasesRequest, open bool, size int, token string) ([]*hisgatev1.Case, string, error) {
	if r.GetOwner() != "" && r.GetOwner() != c.owner || r.GetReason() != "" && r.GetReason() != string(payflow.CaseLockDoubt) {
		return nil, "", nil
	}
	locks, next, err := c.gw.ListLocks(ctx, lockstore.Query{
		Cases: open, OrderNo: r.GetOrderNo(), PageSize: size, PageToken: token,
	})
	if err != nil {
		return nil, "", err
	}
	var out []*hisgatev1.Case
	for i := range locks {
		if l := &locks[i]; wasCase(l) && (l.CaseReason != "") == open {
			out = append(out, c.show(l))
		}
	}
	return out, next, nil
}

// find reads the attempt of a case. Errors: payflow.ErrNotFound when there is no
// such attempt, or it never needed a person.
func (c lockCases) find(ctx context.Context, id lockstore.ID) (*lockstore.Lock, error) {
	attempts, err := c.gw.Attempts(ctx, id.OrderNo)
	if err != nil {
		return nil, err
	}
	for i := range attempts {
		if l := &attempts[i]; l.ID() == id && wasCase(l) {
			return l, nil
		}
	}
	return nil, payflow.ErrNotFound
}

func (c lockCases) get(ctx context.Context, id lockstore.ID) (*hisgatev1.Case, error) {
	l, err := c.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.show(l), nil
}

// wasCase reports whether a lock needs a person, or needed one as far as its
// history still tells.
func wasCase(l *lockstore.Lock) bool { return l.CaseReason != "" || settling(l) != nil }

// settling is the step that settled the last case of a lock that has none now: a
// person's word, or what came to light, or the status was left. It is nil when
// there never was one.
func settling(l *lockstore.Lock) *lockstore.Step {
	after := -1
	for i := range l.History {
		switch s := &l.History[i]; {
		case s.Event == lockstore.EvCase:
			after = i
		case s.Event == lockstore.EvApplied, s.Event == lockstore.EvNotApplied:
			after = i - 1
		}
	}
	switch {
	case l.CaseReason != "" || len(l.History) == 0 || after == -1 && !byPerson(&l.History[0]):
		return nil
	case after+1 == len(l.History):
		return &l.History[after] // what followed was folded away
	}
	for i := after + 1; i < len(l.History); i++ {
		if s := &l.History[i]; byPerson(s) || s.From != s.To {
			return s
		}
	}
	return &l.History[after+1]
}

func byPerson(s *lockstore.Step) bool {
	return s.Event == lockstore.EvApplied || s.Event == lockstore.EvNotApplied
}

// settledBy is the step by which a person settled the lock's last case, nil when
// nobody did.
func settledBy(l *lockstore.Lock) *lockstore.Step {
	if s := settling(l); s != nil && byPerson(s) {
		return s
	}
	return nil
}

// opened is when the case was opened: by the last step that says so, else when
// the lock last changed before it was settled.
func opened(l *lockstore.Lock, end *lockstore.Step) time.Time {
	for i := len(l.History) - 1; i >= 0; i-- {
		if l.History[i].Event == lockstore.EvCase {
			return l.History[i].Time
		}
	}
	if end != nil {
		return end.Time
	}
	return l.UpdatedAt
}

func (c lockCases) show(l *lockstore.Lock) *hisgatev1.Case {
	end := settling(l)
	since := opened(l, end)
	severity, within := lockSeverity(l, end)
	out := &hisgatev1.Case{
		CaseId: lockCaseID(l.ID()), OrderNo: l.OrderNo, Reason: string(payflow.CaseLockDoubt), Severity: severity,
		Status: hisgatev1.Case_OPEN, Owner: c.owner, Deadline: stamp(since.Add(within)),
		Detail:     fmt.Sprintf("%s (his_no %s, lock %s)", l.CaseReason, l.HISNo, l.Status),
		CreateTime: stamp(since), Etag: lockEtag(l), TransactionId: l.Reference.TransactionID, AmountFen: l.Reference.DrugsFen,
		Message: words(payflow.Words{
			ZH: "请在 HIS 查 " + l.HISNo + "，再登记是否已生效。",
			EN: "Look for " + l.HISNo + " in the HIS, then say whether it was applied.",
		}),
		AllowedVerbs: []hisgatev1.Case_Verb{hisgatev1.Case_RESOLVE_LOCK},
	}
	for i := range l.History {
		if s := &l.History[i]; s.Actor != "" {
			out.Audit = append(out.Audit, &hisgatev1.CaseEntry{
				Time: stamp(s.Time), Actor: s.Actor, Verb: toLockVerb(s), Note: strings.TrimSpace(s.Event.String() + " " + s.Message),
			})
		}
	}
	if l.CaseReason == "" {
		out.Status, out.AllowedVerbs = hisgatev1.Case_CLOSED, nil
		out.Outcome, out.CloseTime = strings.ToUpper(end.Event.String()), stamp(end.Time)
		out.Message = words(payflow.Words{ZH: "已结束：" + out.GetOutcome() + "。", EN: "Settled: " + out.GetOutcome() + "."})
		out.Detail = fmt.Sprintf("his_no %s, lock %s", l.HISNo, l.Status)
	}
	return out
}

func toLockVerb(s *lockstore.Step) hisgatev1.Case_Verb {
	if s.Event == lockstore.EvApplied || s.Event == lockstore.EvNotApplied {
		return hisgatev1.Case_RESOLVE_LOCK
	}
	return hisgatev1.Case_VERB_UNSPECIFIED
}

func outcomeOf(e lockstore.EventKind) hisgatev1.ResolveLockCaseRequest_Outcome {
	if e == lockstore.EvApplied {
		return hisgatev1.ResolveLockCaseRequest_APPLIED
	}
	return hisgatev1.ResolveLockCaseRequest_NOT_APPLIED
}

// lockSeverity: a lock that was to be deducted is paid for; others only hold
// stock. Of a settled case it is what it was: end is the step that settled it.
func lockSeverity(l *lockstore.Lock, end *lockstore.Step) (hisgatev1.Case_Severity, time.Duration) {
	status := l.Status
	if end != nil {
		status = end.From
	}
	if status == lockstore.Confirming || l.OrderSent {
		return hisgatev1.Case_P0, 30 * time.Minute
	}
	return hisgatev1.Case_P1, 2 * time.Hour
}
