package server

import (
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// toCase is a case as the API shows it; next is what a verb answered.
func toCase(c *payflow.Case, next payflow.Words) *hisgatev1.Case {
	out := &hisgatev1.Case{
		CaseId: c.ID, OrderNo: c.OrderNo, Reason: string(c.Reason), Severity: toSeverity(c.Severity),
		Status: hisgatev1.Case_CLOSED, Owner: c.Owner, Deadline: stamp(c.Deadline),
		Message: words(c.Text), Next: words(next), Detail: c.Detail, OrderStatus: toState(c.OrderState),
		TransactionId: c.TransactionID, AmountFen: c.Fen, Repeats: int32(c.Repeats), Outcome: c.Outcome,
		CreateTime: stamp(c.OpenedAt), CloseTime: stamp(c.ClosedAt), Etag: c.Etag(),
	}
	if c.Open {
		out.Status = hisgatev1.Case_OPEN
	}
	for _, v := range c.Allowed {
		out.AllowedVerbs = append(out.AllowedVerbs, toVerb(v))
	}
	for _, a := range c.Audit {
		out.Audit = append(out.Audit, &hisgatev1.CaseEntry{
			Time: stamp(a.At), Actor: a.Actor, Verb: toVerb(a.Verb), Note: a.Note, RequestId: a.RequestID, Next: words(a.Next),
		})
	}
	return out
}

func toSeverity(s payflow.Severity) hisgatev1.Case_Severity {
	return hisgatev1.Case_Severity(hisgatev1.Case_Severity_value[string(s)])
}

func toVerb(v payflow.Verb) hisgatev1.Case_Verb {
	return hisgatev1.Case_Verb(hisgatev1.Case_Verb_value[string(v)])
}
