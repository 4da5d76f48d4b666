package server

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/gateway/server/access"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// orderService is OrderService over payflow.
type orderService struct {
	hisgatev1.UnimplementedOrderServiceServer
	orders   *payflow.Service
	gw       *gateway.Gateway
	strategy payflow.Strategy // of an order that names none
	appIDs   []string         // the first is that of a payment that names none
}

// CheckOrder implements OrderService. A lock of LockService gives its items as an
// order does.
func (s *orderService) CheckOrder(ctx context.Context, r *hisgatev1.CheckOrderRequest) (*hisgatev1.CheckOrderResponse, error) {
	req := payflow.CheckRequest{
		Principal: caller(ctx).scope(), OrderNo: r.GetOrderNo(), PharmacyID: r.GetPharmacyId(),
		Items: orderItems(r.GetItems()), Live: true,
	}
	if req.OrderNo != "" && len(req.Items) == 0 {
		l, err := s.gw.GetLock(ctx, caller(ctx).Name, req.OrderNo)
		switch {
		case err == nil:
			if req.PharmacyID == "" {
				req.PharmacyID = l.PharmacyID
			}
			for _, it := range l.Items {
				req.Items = append(req.Items, payflow.Item(it))
			}
		case !errors.Is(err, lockstore.ErrNotFound):
			return nil, err
		}
	}
	a, err := s.orders.Check(ctx, req)
	if err != nil {
		return nil, err
	}
	return toCheck(&a), nil
}

// CreateOrder implements OrderService.
func (s *orderService) CreateOrder(ctx context.Context, r *hisgatev1.CreateOrderRequest) (*hisgatev1.Order, error) {
	id := caller(ctx)
	return orderAnswer(s.orders.Create(ctx, payflow.CreateRequest{
		Principal: id.Name, OrderNo: r.GetOrderNo(), Strategy: s.strategyOf(r.GetStrategy()), PharmacyID: r.GetPharmacyId(),
		Items: orderItems(r.GetItems()), Amount: orderAmount(r.GetAmount()), Pricing: id.May(access.Pricing),
		Payment: s.terms(r.GetPayment()), Attributes: r.GetAttributes(),
	}))
}

// PrepayOrder implements OrderService.
func (s *orderService) PrepayOrder(ctx context.Context, r *hisgatev1.PrepayOrderRequest) (*hisgatev1.Order, error) {
	return orderAnswer(s.orders.Prepay(ctx, payflow.PrepayRequest{
		Principal: caller(ctx).Name, OrderNo: r.GetOrderNo(), Payment: s.terms(r.GetPayment()), Etag: r.GetEtag(),
	}))
}

// GetOrder implements OrderService.
func (s *orderService) GetOrder(ctx context.Context, r *hisgatev1.GetOrderRequest) (*hisgatev1.Order, error) {
	return orderAnswer(s.orders.Get(ctx, caller(ctx).scope(), r.GetOrderNo()))
}

// SyncOrder implements OrderService.
func (s *orderService) SyncOrder(ctx context.Context, r *hisgatev1.SyncOrderRequest) (*hisgatev1.Order, error) {
	return orderAnswer(s.orders.Sync(ctx, caller(ctx).scope(), r.GetOrderNo()))
}

// ListOrders implements OrderService.
func (s *orderService) ListOrders(ctx context.Context, r *hisgatev1.ListOrdersRequest) (*hisgatev1.ListOrdersResponse, error) {
	q := payflow.ListQuery{
		Principal: caller(ctx).scope(), PharmacyID: r.GetPharmacyId(),
		CreatedAfter: moment(r.GetCreatedAfter()), CreatedBefore: moment(r.GetCreatedBefore()),
		PageSize: int(r.GetPageSize()), PageToken: r.GetPageToken(),
	}
	if r.GetStrategy() != hisgatev1.Order_STRATEGY_UNSPECIFIED {
		q.Strategy = payflow.Strategy(r.GetStrategy().String())
	}
	for _, st := range r.GetStatus() {
		q.States = append(q.States, payflow.State(st.String()))
	}
	orders, next, err := s.orders.List(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &hisgatev1.ListOrdersResponse{NextPageToken: next}
	for i := range orders {
		out.Orders = append(out.Orders, toOrder(&orders[i]))
	}
	return out, nil
}

// CancelOrder implements OrderService.
func (s *orderService) CancelOrder(ctx context.Context, r *hisgatev1.CancelOrderRequest) (*hisgatev1.Order, error) {
	return orderAnswer(s.orders.Cancel(ctx, payflow.CancelRequest{
		Principal: caller(ctx).Name, OrderNo: r.GetOrderNo(), Etag: r.GetEtag(),
	}))
}

// RefundOrder implements OrderService.
func (s *orderService) RefundOrder(ctx context.Context, r *hisgatev1.RefundOrderRequest) (*hisgatev1.Order, error) {
	id := caller(ctx)
	return orderAnswer(s.orders.Refund(ctx, payflow.RefundRequest{
		Principal: id.scope(), OrderNo: r.GetOrderNo(), Fen: r.GetAmountFen(), Reason: r.GetReason(),
		Fulfilled: r.GetFulfilled(), CancelHIS: r.GetCancelHisOrder(), Actor: id.Name, RequestID: r.GetRequestId(), Etag: r.GetEtag(),
	}))
}

// errWatchedToTheEnd ends a watch whose order is over.
var errWatchedToTheEnd = errors.New("the order is over")

// WatchOrder implements OrderService.
func (s *orderService) WatchOrder(r *hisgatev1.WatchOrderRequest, stream grpc.ServerStreamingServer[hisgatev1.Order]) error {
	ctx := stream.Context()
	err := s.orders.Watch(ctx, caller(ctx).scope(), r.GetOrderNo(), func(o payflow.Order) error {
		if err := stream.Send(toOrder(&o)); err != nil {
			return err
		}
		switch o.State {
		case payflow.Closed, payflow.Rejected, payflow.Fulfilled, payflow.Refunded:
			return errWatchedToTheEnd
		default:
			return nil
		}
	})
	if errors.Is(err, errWatchedToTheEnd) {
		return nil
	}
	return err
}

func (s *orderService) strategyOf(g hisgatev1.Order_Strategy) payflow.Strategy {
	if g == hisgatev1.Order_STRATEGY_UNSPECIFIED {
		return s.strategy
	}
	return payflow.Strategy(g.String())
}

// terms is how the patient pays; nil = not said.
func (s *orderService) terms(p *hisgatev1.PaymentSpec) *payflow.PaymentTerms {
	if p == nil {
		return nil
	}
	t := &payflow.PaymentTerms{
		Method: payflow.Method(p.GetMethod().String()), AppID: p.GetAppid(), OpenID: p.GetPayerOpenid(),
		ClientIP: p.GetPayerClientIp(), Description: p.GetDescription(), Attach: p.GetAttach(),
	}
	if t.AppID == "" && len(s.appIDs) > 0 {
		t.AppID = s.appIDs[0]
	}
	return t
}

func orderAnswer(o payflow.Order, err error) (*hisgatev1.Order, error) {
	if err != nil {
		return nil, err
	}
	return toOrder(&o), nil
}
