package server

import (
	"context"
	"errors"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// ResolveLockCase implements OpsService. A repeat of the word that settled the
// case answers the case; its other word comes too late.
func (s *opsService) ResolveLockCase(ctx context.Context, r *hisgatev1.ResolveLockCaseRequest) (*hisgatev1.Case, error) {
	id, ok := parseLockCase(r.GetCaseId())
	if !ok {
		if _, err := s.orders.GetCase(ctx, r.GetCaseId()); err != nil {
			return nil, missing(err)
		}
		return nil, notAllowed("this is not the case of a lock")
	}
	s.resolving.Lock()
	defer s.resolving.Unlock()
	l, err := s.locks.find(ctx, id)
	if err != nil {
		return nil, err
	}
	applied := r.GetOutcome() == hisgatev1.ResolveLockCaseRequest_APPLIED
	switch {
	case l.CaseReason == "" && settledBy(l) != nil && outcomeOf(settledBy(l).Event) == r.GetOutcome():
		return s.locks.show(l), nil
	case l.CaseReason == "":
		return nil, notAllowed("the case is settled already")
	case r.GetEtag() != lockEtag(l):
		return nil, &payflow.EtagMismatchError{Current: lockEtag(l)}
	case applied && r.GetHisOrderNo() == "" && (l.Status == lockstore.Confirming || l.OrderSent):
		return nil, &payflow.InvalidError{Field: "his_order_no", Reason: "is required when the HIS deducted"}
	}
	actor := caller(ctx).Name
	s.log.InfoContext(ctx, "case", "case", r.GetCaseId(), "order_no", id.OrderNo, "verb", "RESOLVE_LOCK",
		"outcome", r.GetOutcome().String(), "actor", actor, "note", r.GetNote(), "request_id", requestID(ctx))
	after, err := s.gw.Resolve(ctx, id, applied, r.GetHisOrderNo(), actor)
	if _, fault := errors.AsType[*lockstore.FaultError](err); fault {
		return nil, notAllowed("the lock is " + l.Status.String())
	}
	if err != nil {
		return nil, err
	}
	out := s.locks.show(&after)
	out.Next = words(payflow.Words{ZH: "系统据此继续处理该锁定。", EN: "The lock goes on from this by itself."})
	return out, nil
}

func notAllowed(why string) error {
	return &payflow.PreconditionError{Reason: payflow.ReasonVerbNotAllowed, Detail: why}
}
