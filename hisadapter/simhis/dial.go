package simhis

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Dial returns a driver for the HIS that a Handler serves at baseURL.
// It connects to nothing yet, so the HIS may be away. caps says what the HIS
// can do, as for any HIS. client may be nil; its Timeout counts beside the deadline of each call.
//
// Nothing is ever sent twice: redirects are off, and each write has a fresh
// connection and a body that net/http cannot send again [C2].
func Dial(baseURL string, client *http.Client, caps hisadapter.Capabilities) hisadapter.Driver {
	return &remote{caps: caps, x: newExchange(strings.TrimRight(baseURL, "/"), client)}
}

type remote struct {
	caps hisadapter.Capabilities
	x    *exchange
}

// Skew returns how far our clock is ahead of the HIS's, by its latest answer.
func (d *remote) Skew() (ahead time.Duration, known bool) { return d.x.skew.Ahead() }

func (d *remote) Capabilities() hisadapter.Capabilities { return d.caps }

// misfit is an answer of success without what success must bring: it fits no
// rule, so nobody knows what happened.
func misfit(op Op, what string) error {
	return &hisadapter.Error{Op: string(op), Outcome: hisadapter.Unknown, Err: errors.New("the answer " + what)}
}

func (d *remote) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	q := wireQuery{Keys: make([]wireKey, 0, len(keys))}
	for _, k := range keys {
		q.Keys = append(q.Keys, wireKey(k))
	}
	a, err := d.x.do(ctx, OpQueryStock, false, q)
	if err != nil {
		return nil, err
	}
	if len(a.Stock) != len(keys) {
		return nil, misfit(OpQueryStock, fmt.Sprintf("has %d readings for %d keys", len(a.Stock), len(keys)))
	}
	out := make([]hisadapter.Reading, 0, len(keys))
	for i, s := range a.Stock {
		if hisadapter.Key(s.wireKey) != keys[i] {
			return nil, misfit(OpQueryStock, fmt.Sprintf("is for another key than number %d asked for", i))
		}
		if s.Unknown {
			out = append(out, hisadapter.Reading{Key: keys[i], Unknown: true})
			continue
		}
		if s.OnHand == nil {
			return nil, misfit(OpQueryStock, fmt.Sprintf("has no on_hand for key number %d", i))
		}
		out = append(out, hisadapter.Reading{Key: keys[i], OnHand: *s.OnHand, Facts: hisadapter.Facts(s.wireFacts)})
	}
	return out, nil
}

func (d *remote) Freeze(ctx context.Context, r hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	if !d.caps.Freeze {
		return hisadapter.Freeze{}, hisadapter.Unsupported(string(OpFreeze))
	}
	a, err := d.x.do(ctx, OpFreeze, true, wireFreezeRequest{
		HisNo: r.HisNo, PharmacyID: r.PharmacyID, Lines: toWireLines(r.Lines), Until: r.Until, Attributes: r.Attributes,
	})
	if err != nil {
		return hisadapter.Freeze{}, err
	}
	if a.Freeze == nil || a.Freeze.LockID == "" {
		return hisadapter.Freeze{}, misfit(OpFreeze, "has no lock_id")
	}
	return hisadapter.Freeze{LockID: a.Freeze.LockID, Expires: a.Freeze.Expires}, nil
}

func (d *remote) Unfreeze(ctx context.Context, r hisadapter.UnfreezeRequest) error {
	if !d.caps.Freeze {
		return hisadapter.Unsupported(string(OpUnfreeze))
	}
	_, err := d.x.do(ctx, OpUnfreeze, true, wireUnfreezeRequest{
		HisNo: r.HisNo, LockID: r.LockID, PharmacyID: r.PharmacyID, Lines: toWireLines(r.Lines),
	})
	return err
}

func (d *remote) PlaceOrder(ctx context.Context, r hisadapter.PlaceOrderRequest) (hisadapter.HISOrder, error) {
	a, err := d.x.do(ctx, OpPlaceOrder, true, wirePlaceRequest{
		HisNo: r.HisNo, LockID: r.LockID, PharmacyID: r.PharmacyID, Lines: toWireLines(r.Lines), DrugsFen: r.DrugsFen,
		TransactionID: r.TransactionID, PaidAt: r.PaidAt, Attributes: r.Attributes,
	})
	if err != nil {
		return hisadapter.HISOrder{}, err
	}
	if a.Order == nil || a.Order.OrderNo == "" || a.Order.HisNo != r.HisNo {
		return hisadapter.HISOrder{}, misfit(OpPlaceOrder, "has no order of this his_no")
	}
	return a.Order.order(), nil
}

func (d *remote) FindOrder(ctx context.Context, hisNo string) (hisadapter.Found, error) {
	if !d.caps.Find {
		return hisadapter.Found{}, hisadapter.Unsupported(string(OpFindOrder))
	}
	a, err := d.x.do(ctx, OpFindOrder, false, wireFindRequest{HisNo: hisNo})
	if err != nil {
		return hisadapter.Found{}, err
	}
	if a.Found == nil {
		return hisadapter.Found{}, misfit(OpFindOrder, "has no state")
	}
	state, ok := stateNamed(a.Found.State)
	if !ok {
		return hisadapter.Found{}, misfit(OpFindOrder, fmt.Sprintf("has the unknown state %q", a.Found.State))
	}
	f := hisadapter.Found{State: state, OrderNo: a.Found.OrderNo}
	if state == hisadapter.Frozen {
		if a.Found.Freeze == nil {
			return hisadapter.Found{}, misfit(OpFindOrder, "is frozen without a freeze")
		}
		f.Freeze = hisadapter.Freeze{LockID: a.Found.Freeze.LockID, Expires: a.Found.Freeze.Expires}
	}
	return f, nil
}

func (d *remote) CancelOrder(ctx context.Context, hisNo, hisOrderNo string) error {
	if !d.caps.Cancel {
		return hisadapter.Unsupported(string(OpCancelOrder))
	}
	_, err := d.x.do(ctx, OpCancelOrder, true, wireCancelRequest{HisNo: hisNo, OrderNo: hisOrderNo})
	return err
}

func (d *remote) ListOrders(ctx context.Context, day time.Time) ([]hisadapter.HISOrder, error) {
	if !d.caps.List {
		return nil, hisadapter.Unsupported(string(OpListOrders))
	}
	a, err := d.x.do(ctx, OpListOrders, false, wireListRequest{Day: day.In(shanghai).Format(time.DateOnly)})
	if err != nil {
		return nil, err
	}
	out := make([]hisadapter.HISOrder, 0, len(a.Orders))
	for _, o := range a.Orders {
		out = append(out, o.order())
	}
	return out, nil
}
