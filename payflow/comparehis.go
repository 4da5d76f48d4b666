package payflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// compareHIS compares the orders that the HIS has of the day with ours. Errors:
// the HIS could not be asked; nothing was concluded from what is missing then.
func (c *comparison) compareHIS(ctx context.Context) error {
	if err := c.lookAgain(ctx); err != nil {
		return err
	}
	list, err := c.list(ctx, c.start)
	if errors.Is(err, ErrUnsupported) {
		c.report.leave("HIS_ORDERS", c.report.Fulfilled.Count, "HIS 不能列出当日订单，未与 HIS 核对", "the HIS cannot list its orders: nothing was compared with it")
		return nil
	}
	if err != nil {
		return err
	}
	c.report.HISListed = true
	for i := range list {
		if err := c.hisOrder(ctx, &list[i]); err != nil {
			return err
		}
	}
	for _, hisNo := range slices.Sorted(maps.Keys(c.fulfilled)) {
		if err := c.hisMissing(ctx, hisNo, c.fulfilled[hisNo]); err != nil {
			return err
		}
	}
	return nil
}

// lookAgain has the calls of the day that were given up looked at once more.
func (c *comparison) lookAgain(ctx context.Context) error {
	_, found, err := c.s.locks.LookAgain(ctx, c.start)
	c.report.FreezesFound = found
	return err
}

// list reads the HIS's list of a day, once. Errors: those of Locks.HISOrders.
func (c *comparison) list(ctx context.Context, day time.Time) ([]HISOrder, error) {
	name := dayOf(day)
	if got, read := c.lists[name]; read {
		return got, nil
	}
	var got []HISOrder
	err := c.s.outside(ctx, "his_orders", listTime, func(ctx context.Context) (err error) {
		got, err = c.s.locks.HISOrders(ctx, day)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.lists[name] = got
	return got, nil
}

// listTime bounds one list of the HIS; it may be long, and its cancellations are
// asked about one by one.
const listTime = 10 * time.Minute

// hisOrder compares one order of the HIS with ours.
func (c *comparison) hisOrder(ctx context.Context, h *HISOrder) error {
	if h.Foreign {
		c.report.HISOthers++
		return nil
	}
	if h.Cancelled {
		c.report.HISCancelled++
	} else {
		c.report.HISOrders.add(h.DrugsFen)
	}
	d := Difference{OrderNo: h.OrderNo, HisNo: h.HisNo, HisOrderNo: h.HisOrderNo, TheirsFen: h.DrugsFen}
	var o *Order
	if h.OrderNo != "" {
		var err error
		if o, _, err = c.s.load(h.OrderNo); err != nil {
			return err
		}
	}
	if o == nil {
		var err error
		if o, err = c.madeFor(h.HisNo); err != nil {
			return err
		}
	}
	if o == nil {
		if h.Cancelled {
			return nil
		}
		d.Kind, d.Detail = DiffHISUnmatched, "the HIS has an order that was not made for any order here"
		if d.OrderNo == "" {
			d.OrderNo = h.HisNo
		}
		return c.caseFor(ctx, d, h.HisNo+"."+h.HisOrderNo, CaseHISUnmatched)
	}
	d.OursFen = o.Amount.DrugsFen
	if d.OrderNo = o.No; h.HisOrderNo != "" && h.HisOrderNo == o.HisOrderNo {
		delete(c.fulfilled, o.Lock.HisNo) // by a person's word it may stand under another number than the lock's
	}
	mine := o.wasFulfilled() && (h.HisOrderNo != "" && h.HisOrderNo == o.HisOrderNo ||
		h.HisNo == o.Lock.HisNo && (h.HisOrderNo == "" || o.HisOrderNo == ""))
	switch {
	case mine && h.Cancelled:
		delete(c.fulfilled, h.HisNo)
		if o.State != Fulfilled {
			return nil // refunded knowingly, and cancelled: as it should be
		}
		d.Kind, d.Detail = DiffHISCancelled, "fulfilled here, and the HIS order was cancelled there"
		return c.caseFor(ctx, d, h.HisNo+"."+h.HisOrderNo, CaseHISCancelled)
	case mine:
		delete(c.fulfilled, h.HisNo)
		if h.DrugsFen != 0 && h.DrugsFen != d.OursFen {
			d.Kind, d.Detail = DiffHISAmount, fmt.Sprintf("the HIS order is of %d fen, the drugs here cost %d", h.DrugsFen, d.OursFen)
			return c.caseFor(ctx, d, h.HisNo+"."+h.HisOrderNo, CaseHISAmount)
		}
		c.report.HISMatched++
		return nil
	case h.Cancelled:
		return nil
	case o.State == Paid:
		c.underWay++
		return nil
	}
	d.Kind, d.Detail = DiffHISUnmatched, fmt.Sprintf("the HIS has this order, and ours is %s, HIS order %q", o.State, o.HisOrderNo)
	return c.caseFor(ctx, d, h.HisNo+"."+h.HisOrderNo, CaseHISUnmatched)
}

// madeFor is the order whose number, or a later attempt's, the his_no has, although
// there is no such lock: the HIS made it before the ledger was restored from a
// backup, or a person entered it there. nil = there is none.
func (c *comparison) madeFor(hisNo string) (*Order, error) {
	names := []string{hisNo}
	if i := strings.LastIndexByte(hisNo, '-'); i > 0 {
		names = append(names, hisNo[:i])
	}
	for _, no := range names {
		if !validOrderNo(no) {
			continue
		}
		if o, _, err := c.s.load(no); o != nil || err != nil {
			return o, err
		}
	}
	return nil, nil
}

// searchDays bounds how many days around are searched for an order whose outcome
// was found out long after the HIS had made it.
const searchDays = 4

// hisMissing looks for an order of ours in the lists of the days around, since the
// HIS may have made it on another side of midnight, or before we found out.
func (c *comparison) hisMissing(ctx context.Context, hisNo string, x ours) error {
	first, err := startOf(x.from)
	if err != nil {
		return err
	}
	for n, d := 0, c.start.AddDate(0, 0, 1); n < searchDays && !d.Before(first.AddDate(0, 0, -1)); n, d = n+1, d.AddDate(0, 0, -1) {
		list, err := c.list(ctx, d)
		if err != nil {
			return err
		}
		for i := range list {
			if list[i].HisNo == hisNo {
				return nil // compared, or to be compared, with its own day
			}
		}
	}
	o, _, err := c.s.load(x.orderNo)
	if err != nil || o == nil || o.State != Fulfilled {
		return err
	}
	return c.caseFor(ctx, Difference{
		Kind: DiffHISMissing, OrderNo: x.orderNo, HisNo: hisNo, HisOrderNo: o.HisOrderNo, OursFen: x.fen,
		Detail: "fulfilled here, and the HIS lists no such order around " + c.day,
	}, hisNo, CaseHISMissing)
}
