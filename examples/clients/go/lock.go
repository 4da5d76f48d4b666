package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hisgate/hisgate/client"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// lock holds stock for three orders: one is paid, one is not, and for one there is
// not enough.
func lock(ctx context.Context, c *client.Client, no string) error {
	stock, err := c.Stock.GetStock(ctx, &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: drug})
	if err != nil {
		return err
	}
	fmt.Printf("%s %s: %d %s can be had\n", drug, stock.GetDrugName(), stock.GetAvailable(), stock.GetUnit())

	// The number was stored before this call: after a crash, or an outcome that is
	// not known, the same call is made again.
	paid := no + "-1"
	for range 2 { // twice, to show that a repeat answers the same lock
		l, err := c.Locks.Lock(ctx, wish(paid, 30))
		if err != nil {
			return err
		}
		fmt.Printf("%s: %s, attempt %d\n", paid, l.GetStatus(), l.GetAttempt())
	}
	l, err := c.Locks.Confirm(ctx, &hisgatev1.ConfirmRequest{
		OrderNo: paid, Payment: &hisgatev1.PaymentReference{TransactionId: "4200000000" + no, DrugsFen: 100},
	})
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s, HIS order %s\n", paid, l.GetStatus(), l.GetHisOrderNo())

	unpaid := no + "-2"
	if _, err := c.Locks.Lock(ctx, wish(unpaid, 30)); err != nil {
		return err
	}
	if l, err = c.Locks.Release(ctx, &hisgatev1.ReleaseRequest{OrderNo: unpaid}); err != nil {
		return err
	}
	fmt.Printf("%s: %s\n", unpaid, l.GetStatus())

	short := no + "-3"
	_, err = c.Locks.Lock(ctx, wish(short, 1_000_000))
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Reason != hisgatev1.Reason_STOCK_INSUFFICIENT {
		return fmt.Errorf("%s: a million tablets: %w", short, err)
	}
	for _, s := range e.Shortages {
		fmt.Printf("%s: %s, %s: %d wanted, %d there\n", short, e.Reason, s.GetDrugId(), s.GetRequested(), s.GetAvailable())
	}
	return nil
}

func wish(no string, tablets int64) *hisgatev1.LockRequest {
	return &hisgatev1.LockRequest{
		OrderNo: no, PharmacyId: pharmacy, Ttl: durationpb.New(15 * time.Minute),
		Items:      []*hisgatev1.LockItem{{DrugId: drug, Quantity: tablets}},
		Attributes: map[string]string{"patient_id": "P1", "rx_no": "CF" + no},
	}
}
