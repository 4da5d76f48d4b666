package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/gateway/server/access"
	"github.com/hisgate/hisgate/hisadapter"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// stockService is StockService over the gateway.
type stockService struct {
	hisgatev1.UnimplementedStockServiceServer
	gw *gateway.Gateway
}

// GetStock implements StockService.
func (s *stockService) GetStock(ctx context.Context, r *hisgatev1.GetStockRequest) (*hisgatev1.Stock, error) {
	key := hisadapter.Key{PharmacyID: r.GetPharmacyId(), DrugID: r.GetDrugId()}
	stock, err := s.gw.GetStock(ctx, key, freshness(r.GetFreshness()))
	if err != nil {
		return nil, err
	}
	return toStock(&stock), nil
}

// BatchGetStock implements StockService.
func (s *stockService) BatchGetStock(ctx context.Context, r *hisgatev1.BatchGetStockRequest) (*hisgatev1.BatchGetStockResponse, error) {
	keys := make([]hisadapter.Key, len(r.GetKeys()))
	for i, k := range r.GetKeys() {
		keys[i] = hisadapter.Key{PharmacyID: k.GetPharmacyId(), DrugID: k.GetDrugId()}
	}
	got, err := s.gw.BatchGetStock(ctx, keys, freshness(r.GetFreshness()))
	if err != nil {
		return nil, err
	}
	out := &hisgatev1.BatchGetStockResponse{Results: make([]*hisgatev1.StockResult, len(got))}
	for i := range got {
		out.Results[i] = toStockResult(keys[i], &got[i].Stock, got[i].Err)
	}
	return out, nil
}

// ReportStockChange implements StockService.
func (s *stockService) ReportStockChange(ctx context.Context, r *hisgatev1.ReportStockChangeRequest) (*hisgatev1.ReportStockChangeResponse, error) {
	id := caller(ctx)
	for _, c := range r.GetChanges() {
		if !id.MayReport(c.GetPharmacyId()) {
			return nil, &roleError{name: id.Name, role: access.Reporter, pharmacy: c.GetPharmacyId()}
		}
	}
	// Sequences are compared within one source of one caller.
	source := id.Name + "/" + r.GetSource()
	changes := make([]gateway.StockChange, len(r.GetChanges()))
	for i, c := range r.GetChanges() {
		changes[i] = gateway.StockChange{
			Key:    hisadapter.Key{PharmacyID: c.GetPharmacyId(), DrugID: c.GetDrugId()},
			OnHand: c.OnHand, Sequence: c.Sequence, Source: source,
		}
	}
	applied, dropped, err := s.gw.ReportStockChange(ctx, changes)
	if err != nil {
		return nil, err
	}
	return &hisgatev1.ReportStockChangeResponse{Applied: int32(applied), Dropped: int32(dropped)}, nil
}

// WatchStock implements StockService: one watcher for each drug, and one sender.
func (s *stockService) WatchStock(r *hisgatev1.WatchStockRequest, stream grpc.ServerStreamingServer[hisgatev1.StockResult]) error {
	ctx, cancel := context.WithCancelCause(stream.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	results := make(chan *hisgatev1.StockResult)
	send := func(m *hisgatev1.StockResult) error {
		select {
		case results <- m:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, drug := range r.GetDrugIds() {
		key := hisadapter.Key{PharmacyID: r.GetPharmacyId(), DrugID: drug}
		wg.Go(func() {
			if err := s.watch(ctx, key, send); err != nil {
				cancel(err)
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case m := <-results:
			if err := stream.Send(m); err != nil {
				return err
			}
		}
	}
}

// watchPause is the time until a drug that cannot be read is tried again.
const watchPause = 10 * time.Second

// watch follows one drug until ctx ends. A failure is told once, and the drug is
// tried again; what concerns the whole stream ends it.
func (s *stockService) watch(ctx context.Context, key hisadapter.Key, send func(*hisgatev1.StockResult) error) (err error) {
	defer func() { // of a goroutine of our own: nobody else would recover it
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while watching stock: %v\n%s", p, debug.Stack())
		}
	}()
	var told *hisgatev1.StockResult
	for {
		err := s.gw.WatchStock(ctx, key, func(stock gateway.Stock) error {
			told = nil
			return send(toStockResult(key, &stock, nil))
		})
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, gateway.ErrTooManyWatchers) || errors.Is(err, gateway.ErrClosed) {
			return err
		}
		if failed := toStockResult(key, nil, err); !proto.Equal(failed, told) {
			if err := send(failed); err != nil {
				return err
			}
			told = failed
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watchPause):
		}
	}
}
