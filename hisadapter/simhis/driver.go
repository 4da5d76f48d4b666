package simhis

import (
	"context"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Driver returns the door in process. Its calls never leave the process, so
// they end NotSent only when ctx was over before or the HIS is down.
func (h *HIS) Driver() hisadapter.Driver { return driver{h} }

type driver struct{ his *HIS }

func (d driver) Capabilities() hisadapter.Capabilities { return d.his.Capabilities() }

// do takes a call through the HIS and reads its end.
func (d driver) do(ctx context.Context, offered bool, c *call) (reply, error) {
	if !offered {
		return reply{}, hisadapter.Unsupported(string(c.op))
	}
	if ctx.Err() != nil {
		return reply{}, &hisadapter.Error{Op: string(c.op), Outcome: hisadapter.NotSent, Err: context.Cause(ctx)}
	}
	r, end := d.his.serve(ctx, c)
	if end != answered {
		return reply{}, end.asError(ctx, c.op)
	}
	return r, asError(c.op, r.code, r.message, r.shortages)
}

func (d driver) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	r, err := d.do(ctx, true, d.his.queryStock(slices.Clone(keys)))
	return r.readings, err
}

func (d driver) Freeze(ctx context.Context, r hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	a, err := d.do(ctx, d.Capabilities().Freeze, d.his.freezeCall(r))
	return a.freeze, err
}

func (d driver) Unfreeze(ctx context.Context, r hisadapter.UnfreezeRequest) error {
	_, err := d.do(ctx, d.Capabilities().Freeze, d.his.unfreezeCall(r))
	return err
}

func (d driver) PlaceOrder(ctx context.Context, r hisadapter.PlaceOrderRequest) (hisadapter.HISOrder, error) {
	a, err := d.do(ctx, true, d.his.placeCall(r))
	return a.order, err
}

func (d driver) FindOrder(ctx context.Context, hisNo string) (hisadapter.Found, error) {
	a, err := d.do(ctx, d.Capabilities().Find, d.his.findCall(hisNo))
	return a.found, err
}

func (d driver) CancelOrder(ctx context.Context, hisNo, hisOrderNo string) error {
	_, err := d.do(ctx, d.Capabilities().Cancel, d.his.cancelCall(hisNo, hisOrderNo))
	return err
}

func (d driver) ListOrders(ctx context.Context, day time.Time) ([]hisadapter.HISOrder, error) {
	a, err := d.do(ctx, d.Capabilities().List, d.his.listCall(day))
	return a.list, err
}
