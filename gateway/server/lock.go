package server

import (
	"context"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/lockstore"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// lockService is LockService over the gateway. Locks are found by the caller's
// name, so that nobody touches another's, nor payflow's [E1].
type lockService struct {
	hisgatev1.UnimplementedLockServiceServer
	gw *gateway.Gateway
}

// Lock implements LockService.
func (s *lockService) Lock(ctx context.Context, r *hisgatev1.LockRequest) (*hisgatev1.Lock, error) {
	req := gateway.LockRequest{
		Principal: caller(ctx).Name, OrderNo: r.GetOrderNo(), PharmacyID: r.GetPharmacyId(),
		TTL: r.GetTtl().AsDuration(), Attributes: r.GetAttributes(),
	}
	for _, it := range r.GetItems() {
		req.Items = append(req.Items, lockstore.Item{DrugID: it.GetDrugId(), Quantity: it.GetQuantity(), LineFen: it.GetLineFen()})
	}
	return lockAnswer(s.gw.Lock(ctx, req))
}

// Confirm implements LockService.
func (s *lockService) Confirm(ctx context.Context, r *hisgatev1.ConfirmRequest) (*hisgatev1.Lock, error) {
	ref := lockstore.Reference{
		TransactionID: r.GetPayment().GetTransactionId(),
		PaidAt:        moment(r.GetPayment().GetPaidTime()),
		DrugsFen:      r.GetPayment().GetDrugsFen(),
	}
	if rx := r.GetRxNo(); rx != "" {
		ref.Attributes = map[string]string{"rx_no": rx}
	}
	return lockAnswer(s.gw.Confirm(ctx, caller(ctx).Name, r.GetOrderNo(), ref))
}

// Release implements LockService.
func (s *lockService) Release(ctx context.Context, r *hisgatev1.ReleaseRequest) (*hisgatev1.Lock, error) {
	return lockAnswer(s.gw.Release(ctx, caller(ctx).Name, r.GetOrderNo()))
}

// GetLock implements LockService.
func (s *lockService) GetLock(ctx context.Context, r *hisgatev1.GetLockRequest) (*hisgatev1.Lock, error) {
	return lockAnswer(s.gw.GetLock(ctx, caller(ctx).Name, r.GetOrderNo()))
}

// ListLocks implements LockService.
func (s *lockService) ListLocks(ctx context.Context, r *hisgatev1.ListLocksRequest) (*hisgatev1.ListLocksResponse, error) {
	q := lockstore.Query{
		Principal: caller(ctx).scope(), PharmacyID: r.GetPharmacyId(), DrugID: r.GetDrugId(), OrderNo: r.GetOrderNo(),
		Since: moment(r.GetCreatedAfter()), Until: moment(r.GetCreatedBefore()),
		PageSize: int(r.GetPageSize()), PageToken: r.GetPageToken(),
	}
	for _, st := range r.GetStatus() {
		q.Statuses = append(q.Statuses, lockStatus(st))
	}
	locks, next, err := s.gw.ListLocks(ctx, q)
	if err != nil {
		return nil, err
	}
	return &hisgatev1.ListLocksResponse{Locks: toLocks(locks), NextPageToken: next}, nil
}

func lockAnswer(l lockstore.Lock, err error) (*hisgatev1.Lock, error) {
	if err != nil {
		return nil, err
	}
	return LockMessage(&l), nil
}
