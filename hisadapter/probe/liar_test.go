package probe_test

import (
	"context"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// liar is a HIS that does not tell the truth of something.
type liar struct {
	hisadapter.Driver
	locks, orders map[string]string // told again at a repeat
	anotherLock   bool              // what find tells
	interrupt     func()            // while a freeze is on its way
	cut           bool              // the freeze was cut short
}

func (l *liar) Freeze(ctx context.Context, q hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	if l.interrupt != nil {
		l.interrupt()
		l.cut = ctx.Err() != nil
	}
	f, err := l.Driver.Freeze(ctx, q)
	if first, ok := l.locks[q.HisNo]; ok && err == nil {
		f.LockID = first
	} else if l.locks != nil {
		l.locks[q.HisNo] = f.LockID
	}
	return f, err
}

func (l *liar) PlaceOrder(ctx context.Context, q hisadapter.PlaceOrderRequest) (hisadapter.HISOrder, error) {
	o, err := l.Driver.PlaceOrder(ctx, q)
	if first, ok := l.orders[q.HisNo]; ok && err == nil {
		o.OrderNo = first
	} else if l.orders != nil {
		l.orders[q.HisNo] = o.OrderNo
	}
	return o, err
}

func (l *liar) FindOrder(ctx context.Context, hisNo string) (hisadapter.Found, error) {
	f, err := l.Driver.FindOrder(ctx, hisNo)
	if l.anotherLock && f.State == hisadapter.Frozen {
		f.Freeze.LockID = "another"
	}
	return f, err
}

// A HIS that answers a repeat as the first and applies it all the same is found
// out by its figure.
func TestBelievesTheFigureMoreThanTheAnswer(t *testing.T) {
	for name, lie := range map[string]*liar{
		"freeze": {locks: map[string]string{}}, "order": {orders: map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			caps := can()
			caps.IdempotentByHisNo = false
			h := open(t, simhis.Config{Capabilities: caps})
			lie.Driver = h.options.Driver
			h.options.Driver = lie
			h.options.Place = name == "order"
			r := h.probe(t, t.Context())
			if r.Capabilities().IdempotentByHisNo || !r.Failed() {
				t.Error("a repeat that is applied twice is taken for none")
			}
			found := strings.Join(failures(r), "; ")
			if !strings.Contains(found, "the same "+name+" again: answered") {
				t.Errorf("failed: %s", found)
			}
			whole := true
			for _, s := range h.his.Books().Stock {
				whole = whole && s.OnHand == s.Initial && s.Frozen == 0
			}
			if whole != (len(r.Left) == 0) {
				t.Errorf("the books are as before: %v; left: %v", whole, r.Left)
			}
		})
	}
}

func TestBelievesNoFindThatTellsOfAnotherLock(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: can()})
	h.options.Driver, h.options.Place = &liar{Driver: h.options.Driver, anotherLock: true}, false
	if r := h.probe(t, t.Context()); r.Capabilities().Freeze || r.Capabilities().Find {
		t.Error("a freeze is proven by a find that tells of another one")
	}
	h.wantAsBefore(t)
}

// A write that is on its way is never cut short: its answer must be heard.
func TestHearsTheAnswerOfAWrite(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: can()})
	ctx, cancel := context.WithCancel(t.Context())
	l := &liar{Driver: h.options.Driver, interrupt: cancel}
	h.options.Driver = l
	if r := h.probe(t, ctx); !r.Interrupted || l.cut {
		t.Errorf("interrupted %v, cut short %v", r.Interrupted, l.cut)
	}
	h.wantAsBefore(t)
}
