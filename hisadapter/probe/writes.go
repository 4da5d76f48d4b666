package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/internal/money"
)

// writes are the steps that change the HIS. Whatever happens, they end with the
// undoing.
func (p *probe) writes(ctx context.Context) {
	base := p.reading.OnHand
	defer p.undo(ctx)
	if base < 3*p.step {
		p.skip(Text{"预扣与下单", "freezes and orders"}, Text{
			fmt.Sprintf("库存 %d 太少，至少要 %d", base, 3*p.step), fmt.Sprintf("%d are too few; at least %d are needed", base, 3*p.step),
		})
		return
	}
	p.freezes(ctx)
	if p.Place {
		p.orders(ctx)
	} else {
		p.skip(Text{"下单", "order"}, Text{"未加 --place", "without --place"})
	}
	p.allOrNone(ctx)
}

// may reports whether n more smallest units may be written, and takes them off
// what is left.
func (p *probe) may(n int64) bool {
	if p.spent+n > p.MaxQty || p.spent+n < p.spent {
		return false
	}
	p.spent += n
	return true
}

// tooMuch is why a step is left out for --max-qty.
func (p *probe) tooMuch(n int64) Text {
	return Text{
		fmt.Sprintf("--max-qty %d 已用 %d，此步还要 %d", p.MaxQty, p.spent, n),
		fmt.Sprintf("%d of --max-qty %d are used, and this needs %d more", p.spent, p.MaxQty, n),
	}
}

// about says what is going to be written, before it is.
func (p *probe) about(d *debt, zh, en string) {
	if p.Announce != nil {
		p.Announce(Text{fmt.Sprintf("将写入 HIS：%s，单号 %s，%v", zh, d.hisNo, quantities(d.lines)), fmt.Sprintf("writing to the HIS: %s, number %s, %v", en, d.hisNo, quantities(d.lines))})
	}
}

func quantities(lines []hisadapter.Line) string {
	out := ""
	for i, l := range lines {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprintf("%s×%d", l.DrugID, l.Quantity)
	}
	return out
}

// one is the smallest line of the first drug.
func (p *probe) one() []hisadapter.Line {
	return p.priced([]hisadapter.Line{{DrugID: p.key.DrugID, Quantity: p.step}}, p.reading)
}

// priced puts the price that the HIS told to a line.
func (p *probe) priced(lines []hisadapter.Line, readings ...hisadapter.Reading) []hisadapter.Line {
	for i, r := range readings {
		if fen, err := money.LineFen(r.Facts.Price, r.Facts.PricePer, lines[i].Quantity); err == nil {
			lines[i].LineFen = fen
		}
	}
	return lines
}

// longestFreeze is what is asked for, as long as a lock may be: a HIS that lets it
// lapse sooner says so.
const longestFreeze = 2 * time.Hour

// freeze sends a freeze.
func (p *probe) freeze(ctx context.Context, d *debt) (f hisadapter.Freeze, err error) {
	p.about(d, "预扣", "a freeze")
	r := hisadapter.FreezeRequest{
		HisNo: d.hisNo, PharmacyID: p.PharmacyID, Lines: d.lines, Until: p.Now().Add(longestFreeze), Attributes: p.Attributes,
	}
	err = p.write(ctx, "freeze "+d.hisNo, func(ctx context.Context) error {
		f, err = p.Driver.Freeze(ctx, r)
		return err
	})
	d.sent(err)
	if err == nil {
		d.lock(f.LockID)
	}
	return f, err
}

// unfreeze gives a freeze back.
func (p *probe) unfreeze(ctx context.Context, d *debt, lockID string) error {
	err := p.write(ctx, "unfreeze "+d.hisNo, func(ctx context.Context) error {
		return p.Driver.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: d.hisNo, LockID: lockID, PharmacyID: p.PharmacyID, Lines: d.lines})
	})
	if err == nil {
		d.back = append(d.back, lockID)
	}
	return err
}

// place sends an order.
func (p *probe) place(ctx context.Context, d *debt, lockID string) (o hisadapter.HISOrder, err error) {
	p.about(d, "下单扣减", "an order")
	r := hisadapter.PlaceOrderRequest{
		HisNo: d.hisNo, LockID: lockID, PharmacyID: p.PharmacyID, Lines: d.lines,
		TransactionID: d.hisNo, PaidAt: d.paidAt, Attributes: p.Attributes,
	}
	for _, l := range d.lines {
		r.DrugsFen += l.LineFen
	}
	err = p.write(ctx, "place_order "+d.hisNo, func(ctx context.Context) error {
		o, err = p.Driver.PlaceOrder(ctx, r)
		return err
	})
	d.sent(err)
	if err == nil {
		d.order(o.OrderNo)
	}
	return o, err
}

// cancel takes an order back.
func (p *probe) cancel(ctx context.Context, d *debt, orderNo string) error {
	err := p.write(ctx, "cancel_order "+d.hisNo, func(ctx context.Context) error {
		return p.Driver.CancelOrder(ctx, d.hisNo, orderNo)
	})
	if err == nil {
		d.back = append(d.back, orderNo)
	}
	return err
}

// follow reads the first drug until its figure is another than not, or Settle is
// over. It returns the figure and how long it took to come, 0 when the first
// reading had it.
func (p *probe) follow(ctx context.Context, not int64) (figure int64, lag time.Duration, err error) {
	begun := p.Now()
	pause := 100 * time.Millisecond
	for waited := time.Duration(0); ; {
		r, err := p.read(ctx, p.key)
		if err != nil {
			return 0, 0, err
		}
		if waited == 0 && r.OnHand != not {
			return r.OnHand, 0, nil // the first reading after the write knows of it
		}
		if r.OnHand != not || waited >= p.Settle {
			return r.OnHand, max(p.Now().Sub(begun), waited), nil
		}
		if err := p.Wait(ctx, pause); err != nil {
			return r.OnHand, p.Now().Sub(begun), err
		}
		waited += pause
		pause = min(2*pause, 2*time.Second)
	}
}

// still reads the figure after the time in which it would have moved, as the
// figure was seen to lag.
func (p *probe) still(ctx context.Context) (int64, error) {
	if p.proven.lag != nil && *p.proven.lag > 0 {
		if err := p.Wait(ctx, min(2**p.proven.lag, p.Settle)); err != nil {
			return 0, err
		}
	}
	r, err := p.read(ctx, p.key)
	return r.OnHand, err
}
