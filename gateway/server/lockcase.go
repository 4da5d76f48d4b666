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

// list returns a page of the open ones, the oldest lock first.
func (c lockCases) list(ctx context.Context, r *hisgatev1.ListCasesRequest, size int, token string) ([]*hisgatev1.Case, string, error) {
	if r.GetOwner() != "" && r.GetOwner() != c.owner || r.GetReason() != "" && r.GetReason() != string(payflow.CaseLockDoubt) {
		return nil, "", nil
	}
	locks, next, err := c.gw.ListLocks(ctx, lockstore.Query{
		Cases: true, OrderNo: r.GetOrderNo(), PageSize: size, PageToken: token,
	})
	if err != nil {
		return nil, "", err
	}
	var out []*hisgatev1.Case
	for i := range locks {
		out = append(out, c.show(&locks[i]))
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
		l := &attempts[i]
		if l.ID() == id && (l.CaseReason != "" || settledBy(l) != nil) {
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

// settledBy is the last step by which a person settled the lock, nil when nobody
// did.
func settledBy(l *lockstore.Lock) *lockstore.Step {
	for i := len(l.History) - 1; i >= 0; i-- {
		if e := l.History[i].Event; e == lockstore.EvApplied || e == lockstore.EvNotApplied {
			return &l.History[i]
		}
	}
	return nil
}

// opened is when the case was opened: by the last step that says so, else when
// the lock last changed.
func opened(l *lockstore.Lock) time.Time {
	for i := len(l.History) - 1; i >= 0; i-- {
		if l.History[i].Event == lockstore.EvCase {
			return l.History[i].Time
		}
	}
	return l.UpdatedAt
}

func (c lockCases) show(l *lockstore.Lock) *hisgatev1.Case {
	since := opened(l)
	severity, within := lockSeverity(l)
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
		by := settledBy(l)
		out.Status, out.AllowedVerbs = hisgatev1.Case_CLOSED, nil
		out.Outcome, out.CloseTime = outcomeOf(by.Event).String(), stamp(by.Time)
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
// stock.
func lockSeverity(l *lockstore.Lock) (hisgatev1.Case_Severity, time.Duration) {
	if l.Status == lockstore.Confirming || l.OrderSent {
		return hisgatev1.Case_P0, 30 * time.Minute
	}
	return hisgatev1.Case_P1, 2 * time.Hour
}
