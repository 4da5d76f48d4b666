package server_test

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/hisadapter/simhis"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// TestNothingIsLeftOfAShutdownBeforeAHangingHIS: readers, a lock and a
// confirmation wait for a HIS that never answers, some of their callers have
// left, and hisgate is closed with no time to wait for them. Edge, gateway, cache
// and guard leave no goroutine behind.
func TestNothingIsLeftOfAShutdownBeforeAHangingHIS(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // after the world's own
	w := newWorld(t, nil)
	w.mustCall(t, "POST", "/v1/locks", lockBody("R1", "00010041", 1))
	w.mustCall(t, "GET", "/v1/stock/BOX?pharmacy_id=HLWYF", "")
	hanging := make(chan struct{}, 100)
	if _, err := w.his.Inject(simhis.Fault{What: simhis.TimeoutBefore, Struck: func() { hanging <- struct{}{} }}); err != nil {
		t.Fatal(err)
	}
	left, leave := context.WithCancel(t.Context())
	defer leave()
	var callers sync.WaitGroup
	defer callers.Wait()
	ask := func(ctx context.Context, want codes.Code, call func(context.Context) error) {
		callers.Go(func() {
			if err := call(ctx); status.Code(err) != want {
				t.Errorf("%v, want %v", err, want)
			}
		})
	}
	stock, locks := hisgatev1.NewStockServiceClient(w.conn), hisgatev1.NewLockServiceClient(w.conn)
	read := func(ctx context.Context) error {
		_, err := stock.GetStock(ctx, &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: "A/B:1"})
		return err
	}
	lock := func(ctx context.Context) error {
		_, err := locks.Lock(ctx, &hisgatev1.LockRequest{
			OrderNo: "R2", PharmacyId: pharmacy, Items: []*hisgatev1.LockItem{{DrugId: "00010041", Quantity: 1}},
		})
		return err
	}
	confirm := func(ctx context.Context) error {
		_, err := locks.Confirm(ctx, &hisgatev1.ConfirmRequest{OrderNo: "R1"})
		return err
	}
	ask(left, codes.Canceled, read)
	ask(left, codes.Canceled, lock)
	ask(t.Context(), codes.Unavailable, confirm)
	for range 3 { // a query, a live query, and the order
		<-hanging
	}
	leave()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.srv.Shutdown(now); err == nil {
		t.Error("the shutdown was not cut short; the test shows nothing")
	}
	w.gw.Close(now)
}
