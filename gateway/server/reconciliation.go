package server

import (
	"context"

	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// RunReconciliation implements OpsService.
func (s *opsService) RunReconciliation(ctx context.Context, r *hisgatev1.RunReconciliationRequest) (*hisgatev1.Reconciliation, error) {
	got, err := s.orders.RunReconciliation(ctx, r.GetDate(), caller(ctx).Name)
	if err != nil {
		return nil, err
	}
	return toReconciliation(&got), nil
}

// GetReconciliation implements OpsService.
func (s *opsService) GetReconciliation(ctx context.Context, r *hisgatev1.GetReconciliationRequest) (*hisgatev1.Reconciliation, error) {
	got, err := s.orders.GetReconciliation(ctx, r.GetDate())
	if err != nil {
		return nil, err
	}
	return toReconciliation(&got), nil
}

// ListReconciliations implements OpsService.
func (s *opsService) ListReconciliations(ctx context.Context, r *hisgatev1.ListReconciliationsRequest) (*hisgatev1.ListReconciliationsResponse, error) {
	list, next, err := s.orders.ListReconciliations(ctx, int(r.GetPageSize()), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	out := &hisgatev1.ListReconciliationsResponse{NextPageToken: next}
	for i := range list {
		out.Reconciliations = append(out.Reconciliations, toReconciliation(&list[i]))
	}
	return out, nil
}

func toReconciliation(r *payflow.Reconciliation) *hisgatev1.Reconciliation {
	out := &hisgatev1.Reconciliation{
		Date: r.Day, Status: hisgatev1.Reconciliation_Status(hisgatev1.Reconciliation_Status_value[string(r.Status)]),
		Runs: int32(r.Runs), StartTime: stamp(r.StartedAt), EndTime: stamp(r.FinishedAt), Actor: r.By, Failure: r.Failure, NextTime: stamp(r.NextAt),
		BillSha1: r.BillSHA1, BillEmpty: r.BillEmpty, BillRows: r.BillRows, BillOthers: r.BillOthers,
		BillPayments: toSum(r.BillPayments), BillRefunds: toSum(r.BillRefunds),
		Payments: toSum(r.Payments), Refunds: toSum(r.Refunds), Matched: r.Matched, Fulfilled: toSum(r.Fulfilled),
		HisListed: r.HISListed, HisOrders: toSum(r.HISOrders), HisCancelled: r.HISCancelled, HisOthers: r.HISOthers, HisMatched: r.HISMatched,
		FreezesFound: int32(r.FreezesFound), OpenDifferences: int32(r.Open()), Summary: words(r.Summary()),
	}
	for _, d := range r.Differences {
		out.Differences = append(out.Differences, &hisgatev1.Reconciliation_Difference{
			Kind: string(d.Kind), OrderNo: d.OrderNo, TransactionId: d.TransactionID, OutRefundNo: d.OutRefundNo,
			HisNo: d.HisNo, HisOrderNo: d.HisOrderNo, TheirsFen: d.TheirsFen, OursFen: d.OursFen,
			Detail: d.Detail, CaseId: d.CaseID, Gone: d.Gone,
		})
	}
	for _, n := range r.NotCompared {
		out.NotCompared = append(out.NotCompared, &hisgatev1.Reconciliation_NotCompared{What: n.What, Count: n.Count, Why: words(n.Why)})
	}
	return out
}

func toSum(s payflow.Sum) *hisgatev1.Reconciliation_Sum {
	return &hisgatev1.Reconciliation_Sum{Count: s.Count, AmountFen: s.Fen}
}
