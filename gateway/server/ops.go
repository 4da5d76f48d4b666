package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// opsService is OpsService: the cases of payflow and of the ledger, and what
// explains and proves the state of things.
type opsService struct {
	hisgatev1.UnimplementedOpsServiceServer
	orders *payflow.Service
	gw     *gateway.Gateway
	guard  func() guard.State
	locks  lockCases
	now    func() time.Time
	log    *slog.Logger
	store  Store

	verifying chan struct{} // one token: a verification reads everything
	resolving sync.Mutex    // one person's word on a lock at a time, so that the etag holds among persons
}

// GetRefundBrake implements OpsService.
func (s *opsService) GetRefundBrake(context.Context, *hisgatev1.GetRefundBrakeRequest) (*hisgatev1.RefundBrake, error) {
	return toBrake(s.orders.Stats().Brake), nil
}

// ResumeRefunds implements OpsService.
func (s *opsService) ResumeRefunds(ctx context.Context, r *hisgatev1.ResumeRefundsRequest) (*hisgatev1.ResumeRefundsResponse, error) {
	a, err := s.orders.ResumeRefunds(ctx, payflow.ResumeRequest{
		Etag: r.GetEtag(), RequestID: r.GetRequestId(), Actor: caller(ctx).Name, Note: r.GetNote(),
	})
	if err != nil {
		return nil, err
	}
	return &hisgatev1.ResumeRefundsResponse{
		Resumed: int32(a.Resumed), Remaining: int32(a.Remaining), Next: words(a.Next), Brake: toBrake(a.Brake),
	}, nil
}

func toBrake(b payflow.Brake) *hisgatev1.RefundBrake {
	return &hisgatev1.RefundBrake{Shut: b.Shut, Used: int32(b.Used), Limit: int32(b.Limit), Etag: b.Etag}
}

// maxUnproven bounds how many orders a proof names.
const maxUnproven = 100

// Proof implements OpsService.
func (s *opsService) Proof(ctx context.Context, _ *hisgatev1.ProofRequest) (*hisgatev1.ProofReport, error) {
	p, err := s.orders.Proof(ctx)
	if err != nil {
		return nil, err
	}
	out := &hisgatev1.ProofReport{
		AsOf: stamp(p.At), Checked: int64(p.Checked), UnprovenCount: int64(len(p.Unproven)),
		OpenCases: int64(p.OpenCases), OverdueCases: int64(p.OverdueCases),
	}
	for _, u := range p.Unproven[:min(len(p.Unproven), maxUnproven)] {
		out.Unproven = append(out.Unproven, &hisgatev1.ProofReport_Unproven{
			OrderNo: u.OrderNo, Status: toState(u.State), PaidTime: stamp(u.PaidAt), Why: u.Why,
		})
	}
	return out, nil
}

// exportPage is how many locks an export reads at a time.
const exportPage = 500

// ExportLedger implements OpsService.
func (s *opsService) ExportLedger(r *hisgatev1.ExportLedgerRequest, stream grpc.ServerStreamingServer[hisgatev1.Lock]) error {
	q := lockstore.Query{
		Since: moment(r.GetCreatedAfter()), Until: moment(r.GetCreatedBefore()), PageSize: exportPage,
	}
	if !r.GetIncludeEnded() {
		q.Statuses = []lockstore.Status{lockstore.Pending, lockstore.Locked, lockstore.Confirming, lockstore.Releasing}
	}
	for {
		locks, next, err := s.gw.ListLocks(stream.Context(), q)
		if err != nil {
			return err
		}
		for i := range locks {
			if err := stream.Send(LockMessage(&locks[i])); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		q.PageToken = next
	}
}

// GetGuardState implements OpsService.
func (s *opsService) GetGuardState(context.Context, *hisgatev1.GetGuardStateRequest) (*hisgatev1.GuardState, error) {
	out := toGuardState(s.guard())
	state := s.gw.State()
	out.Cache = toStockCache(&state)
	out.Recovery = toRecovery(&state, s.orders.Recovery())
	ledger := state.Ledger
	out.UnknownOutcomes = int64(ledger.Unknown)
	if ledger.Unknown > 0 {
		out.OldestUnknownTime = stamp(s.now().Add(-ledger.OldestUnknown))
	}
	return out, nil
}

// disabled reports whether an answer of payflow only says that payment is
// switched off: the ledger's half goes on without it.
func disabled(err error) bool { return errors.Is(err, payflow.ErrDisabled) }
