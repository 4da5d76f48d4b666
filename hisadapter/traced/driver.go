package traced

import (
	"context"
	"errors"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/internal/span"
)

// Layer names whose calls are marked, as it stands before the operation in the
// name of a span.
type Layer string

// The layers.
const (
	Guard Layer = "guard"
	HIS   Layer = "HIS"
)

// Wrap marks the calls of a driver. Results and errors are the driver's.
func Wrap(d hisadapter.Driver, layer Layer) hisadapter.Driver { return &driver{d, layer} }

type driver struct {
	hisadapter.Driver // Capabilities are the driver's own
	layer             Layer
}

func (d *driver) begin(ctx context.Context, op, hisNo string) (context.Context, span.Span) {
	ctx, s := span.Begin(ctx, string(d.layer)+" "+op)
	s.Text("op", op)
	if hisNo != "" {
		s.Text("his_no", hisNo)
	}
	if d.layer == Guard {
		if c, ok := guard.ClassOf(ctx); ok {
			s.Text("class", c.String())
		}
	}
	return ctx, s
}

// end tells how the call came out: the HIS's code, never its words.
func end(s span.Span, err error) {
	if !s.On() {
		return
	}
	outcome := hisadapter.OutcomeOf(err)
	s.Text("outcome", outcome.String())
	if e, ok := errors.AsType[*hisadapter.Error](err); ok {
		if e.Code != "" {
			s.Text("his_code", e.Code)
		}
		if outcome == hisadapter.Refused {
			s.Text("refused", e.Kind.String())
		}
	}
	if r, ok := errors.AsType[*guard.Rejection](err); ok {
		s.Text("rejected", string(r.Cause))
	}
	s.End(outcome != hisadapter.Done && outcome != hisadapter.Refused)
}

// QueryStock implements hisadapter.Driver.
func (d *driver) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	ctx, s := d.begin(ctx, "QueryStock", "")
	s.Number("keys", len(keys))
	r, err := d.Driver.QueryStock(ctx, keys)
	end(s, err)
	return r, err
}

// Freeze implements hisadapter.Driver.
func (d *driver) Freeze(ctx context.Context, r hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	ctx, s := d.begin(ctx, "Freeze", r.HisNo)
	f, err := d.Driver.Freeze(ctx, r)
	end(s, err)
	return f, err
}

// Unfreeze implements hisadapter.Driver.
func (d *driver) Unfreeze(ctx context.Context, r hisadapter.UnfreezeRequest) error {
	ctx, s := d.begin(ctx, "Unfreeze", r.HisNo)
	err := d.Driver.Unfreeze(ctx, r)
	end(s, err)
	return err
}

// PlaceOrder implements hisadapter.Driver.
func (d *driver) PlaceOrder(ctx context.Context, r hisadapter.PlaceOrderRequest) (hisadapter.HISOrder, error) {
	ctx, s := d.begin(ctx, "PlaceOrder", r.HisNo)
	o, err := d.Driver.PlaceOrder(ctx, r)
	end(s, err)
	return o, err
}

// FindOrder implements hisadapter.Driver.
func (d *driver) FindOrder(ctx context.Context, hisNo string) (hisadapter.Found, error) {
	ctx, s := d.begin(ctx, "FindOrder", hisNo)
	f, err := d.Driver.FindOrder(ctx, hisNo)
	if err == nil {
		s.Text("state", f.State.String())
	}
	end(s, err)
	return f, err
}

// CancelOrder implements hisadapter.Driver.
func (d *driver) CancelOrder(ctx context.Context, hisNo, hisOrderNo string) error {
	ctx, s := d.begin(ctx, "CancelOrder", hisNo)
	err := d.Driver.CancelOrder(ctx, hisNo, hisOrderNo)
	end(s, err)
	return err
}

// ListOrders implements hisadapter.Driver.
func (d *driver) ListOrders(ctx context.Context, day time.Time) ([]hisadapter.HISOrder, error) {
	ctx, s := d.begin(ctx, "ListOrders", "")
	o, err := d.Driver.ListOrders(ctx, day)
	end(s, err)
	return o, err
}
