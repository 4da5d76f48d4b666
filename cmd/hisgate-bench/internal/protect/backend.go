package protect

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// backend is what the crowd asks.
type backend interface {
	// read reads a drug: of when the figure is, and whether it is marked as old.
	read(ctx context.Context, drug string) (asOf time.Time, stale bool, err error)
	lock(ctx context.Context, no, drug string) error
	release(ctx context.Context, no string) error
	confirm(ctx context.Context, no, drug string) error
}

// through asks hisgate, over gRPC.
type through struct {
	conns []*grpc.ClientConn
	stock []hisgatev1.StockServiceClient
	locks hisgatev1.LockServiceClient
	ops   hisgatev1.OpsServiceClient
}

// connections are shared by the readers, as the processes of a back end would.
const connections = 4

func dial(addr string) (*through, error) {
	t := &through{}
	for range connections {
		c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, errors.Join(err, t.close())
		}
		t.conns = append(t.conns, c)
		t.stock = append(t.stock, hisgatev1.NewStockServiceClient(c))
	}
	t.locks, t.ops = hisgatev1.NewLockServiceClient(t.conns[0]), hisgatev1.NewOpsServiceClient(t.conns[0])
	return t, nil
}

func (t *through) close() error {
	var errs []error
	for _, c := range t.conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

func (t *through) read(ctx context.Context, drug string) (time.Time, bool, error) {
	c := t.stock[int(drug[len(drug)-1])%connections]
	s, err := c.GetStock(ctx, &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: drug})
	return s.GetAsOf().AsTime(), s.GetDegraded(), err
}

func (t *through) lock(ctx context.Context, no, drug string) error {
	_, err := t.locks.Lock(ctx, &hisgatev1.LockRequest{
		OrderNo: no, PharmacyId: pharmacy, Items: []*hisgatev1.LockItem{{DrugId: drug, Quantity: 1}},
	})
	return err
}

func (t *through) release(ctx context.Context, no string) error {
	_, err := t.locks.Release(ctx, &hisgatev1.ReleaseRequest{OrderNo: no})
	return err
}

func (t *through) confirm(ctx context.Context, no, _ string) error {
	_, err := t.locks.Confirm(ctx, &hisgatev1.ConfirmRequest{OrderNo: no})
	return err
}

// direct asks the HIS itself, as a plain back end does: a reading for each reader
// and each lock, and a deduction that is tried again each second.
type direct struct{ his hisadapter.Driver }

func plainly(url string) direct {
	return direct{his: simhis.Dial(url, nil, capabilities())}
}

func (d direct) read(ctx context.Context, drug string) (time.Time, bool, error) {
	asked := time.Now()
	_, err := d.his.QueryStock(ctx, []hisadapter.Key{{PharmacyID: pharmacy, DrugID: drug}})
	return asked, false, err
}

func (d direct) lock(ctx context.Context, _, drug string) error {
	_, _, err := d.read(ctx, drug)
	return err
}

func (d direct) release(context.Context, string) error { return nil }

func (d direct) confirm(ctx context.Context, no, drug string) error {
	for {
		_, err := d.his.PlaceOrder(ctx, hisadapter.PlaceOrderRequest{
			HisNo: no, PharmacyID: pharmacy, Lines: []hisadapter.Line{{DrugID: drug, Quantity: 1}},
		})
		if err == nil || hisadapter.OutcomeOf(err) == hisadapter.Find { // it was deducted before
			return nil
		}
		if wait(ctx, time.Second); ctx.Err() != nil {
			return err
		}
	}
}
