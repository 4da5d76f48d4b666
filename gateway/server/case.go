package server

import (
	"context"
	"strings"

	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// The tokens of ListCases say which part the next page begins in.
const (
	lockPage  = "l."
	orderPage = "o."
	endedPage = "e."
)

const defaultPage = 50

// ListCases implements OpsService: first the open cases of locks, then those of
// orders, then the settled ones of locks.
func (s *opsService) ListCases(ctx context.Context, r *hisgatev1.ListCasesRequest) (*hisgatev1.ListCasesResponse, error) {
	parts := []struct {
		token string
		list  func(size int, token string) ([]*hisgatev1.Case, string, error)
	}{
		{lockPage, func(size int, token string) ([]*hisgatev1.Case, string, error) {
			return s.locks.list(ctx, r, true, size, token)
		}},
		{orderPage, func(size int, token string) ([]*hisgatev1.Case, string, error) {
			return s.orderCases(ctx, r, size, token)
		}},
		{endedPage, func(size int, token string) ([]*hisgatev1.Case, string, error) {
			return s.locks.list(ctx, r, false, size, token)
		}},
	}
	if !r.GetIncludeClosed() {
		parts = parts[:2]
	}
	left := int(r.GetPageSize())
	if left == 0 {
		left = defaultPage
	}
	out := &hisgatev1.ListCasesResponse{}
	begun := false
	for i, part := range parts {
		token, here := strings.CutPrefix(r.GetPageToken(), part.token)
		switch {
		case begun:
			token = ""
		case !here && (i > 0 || r.GetPageToken() != ""):
			continue
		}
		begun = true
		if left <= 0 {
			out.NextPageToken = part.token
			return out, nil
		}
		cases, next, err := part.list(left, token)
		if err != nil {
			return nil, err
		}
		out.Cases = append(out.Cases, cases...)
		left -= len(cases)
		if next != "" {
			out.NextPageToken = part.token + next
			return out, nil
		}
	}
	if !begun {
		return nil, &payflow.InvalidError{Field: "page_token", Reason: "is not one of ours"}
	}
	return out, nil
}

func (s *opsService) orderCases(ctx context.Context, r *hisgatev1.ListCasesRequest, size int, token string) (out []*hisgatev1.Case, next string, err error) {
	cases, next, err := s.orders.ListCases(ctx, payflow.CaseQuery{
		OpenOnly: !r.GetIncludeClosed(), OrderNo: r.GetOrderNo(), Reason: payflow.CaseReason(r.GetReason()),
		Owner: r.GetOwner(), PageSize: size, PageToken: token,
	})
	if err != nil && !disabled(err) {
		return nil, "", err
	}
	for i := range cases {
		out = append(out, toCase(&cases[i], payflow.Words{}))
	}
	return out, next, nil
}

// GetCase implements OpsService.
func (s *opsService) GetCase(ctx context.Context, r *hisgatev1.GetCaseRequest) (*hisgatev1.Case, error) {
	if id, ok := parseLockCase(r.GetCaseId()); ok {
		return s.locks.get(ctx, id)
	}
	c, err := s.orders.GetCase(ctx, r.GetCaseId())
	if err != nil {
		return nil, missing(err)
	}
	return toCase(&c, payflow.Words{}), nil
}

// missing says "no such case" rather than "payment is disabled" of a case that
// there cannot be.
func missing(err error) error {
	if disabled(err) {
		return payflow.ErrNotFound
	}
	return err
}

// verb is what the requests of all verbs have.
type verb interface {
	GetCaseId() string
	GetNote() string
	GetEtag() string
	GetRequestId() string
}

// take runs a verb on a case of payflow. The cases of locks know but one verb.
func (s *opsService) take(ctx context.Context, r verb, do func(payflow.VerbRequest) (payflow.CaseAnswer, error)) (*hisgatev1.Case, error) {
	if id, ok := parseLockCase(r.GetCaseId()); ok {
		if _, err := s.locks.get(ctx, id); err != nil {
			return nil, err
		}
		return nil, &payflow.PreconditionError{Reason: payflow.ReasonVerbNotAllowed, Detail: "a lock's case is settled with ResolveLockCase"}
	}
	a, err := do(payflow.VerbRequest{
		CaseID: r.GetCaseId(), Etag: r.GetEtag(), RequestID: r.GetRequestId(), Actor: caller(ctx).Name, Note: r.GetNote(),
	})
	if err != nil {
		return nil, missing(err)
	}
	return toCase(&a.Case, a.Next), nil
}

// ClaimCase implements OpsService.
func (s *opsService) ClaimCase(ctx context.Context, r *hisgatev1.ClaimCaseRequest) (*hisgatev1.Case, error) {
	return s.take(ctx, r, func(v payflow.VerbRequest) (payflow.CaseAnswer, error) { return s.orders.Claim(ctx, v) })
}

// HandOverCase implements OpsService.
func (s *opsService) HandOverCase(ctx context.Context, r *hisgatev1.HandOverCaseRequest) (*hisgatev1.Case, error) {
	return s.take(ctx, r, func(v payflow.VerbRequest) (payflow.CaseAnswer, error) {
		return s.orders.HandOver(ctx, payflow.HandOverRequest{VerbRequest: v, To: r.GetOwner()})
	})
}

// RecheckCase implements OpsService.
func (s *opsService) RecheckCase(ctx context.Context, r *hisgatev1.RecheckCaseRequest) (*hisgatev1.Case, error) {
	return s.take(ctx, r, func(v payflow.VerbRequest) (payflow.CaseAnswer, error) { return s.orders.Recheck(ctx, v) })
}

// RetryFulfilment implements OpsService.
func (s *opsService) RetryFulfilment(ctx context.Context, r *hisgatev1.RetryFulfilmentRequest) (*hisgatev1.Case, error) {
	return s.take(ctx, r, func(v payflow.VerbRequest) (payflow.CaseAnswer, error) { return s.orders.RetryFulfilment(ctx, v) })
}

// RefundCase implements OpsService.
func (s *opsService) RefundCase(ctx context.Context, r *hisgatev1.RefundCaseRequest) (*hisgatev1.Case, error) {
	return s.take(ctx, r, func(v payflow.VerbRequest) (payflow.CaseAnswer, error) {
		return s.orders.RefundCase(ctx, payflow.RefundCaseRequest{VerbRequest: v, Reason: r.GetReason()})
	})
}

// MarkFulfilled implements OpsService.
func (s *opsService) MarkFulfilled(ctx context.Context, r *hisgatev1.MarkFulfilledRequest) (*hisgatev1.Case, error) {
	return s.take(ctx, r, func(v payflow.VerbRequest) (payflow.CaseAnswer, error) {
		return s.orders.MarkFulfilled(ctx, payflow.MarkFulfilledRequest{VerbRequest: v, HisOrderNo: r.GetHisOrderNo()})
	})
}

// MarkRefunded implements OpsService.
func (s *opsService) MarkRefunded(ctx context.Context, r *hisgatev1.MarkRefundedRequest) (*hisgatev1.Case, error) {
	return s.take(ctx, r, func(v payflow.VerbRequest) (payflow.CaseAnswer, error) {
		return s.orders.MarkRefunded(ctx, payflow.MarkRefundedRequest{VerbRequest: v, Evidence: r.GetEvidence()})
	})
}

// SettleCase implements OpsService.
func (s *opsService) SettleCase(ctx context.Context, r *hisgatev1.SettleCaseRequest) (*hisgatev1.Case, error) {
	return s.take(ctx, r, func(v payflow.VerbRequest) (payflow.CaseAnswer, error) { return s.orders.Settle(ctx, v) })
}
