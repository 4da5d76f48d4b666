package probe

import (
	"context"
	"fmt"

	"github.com/hisgate/hisgate/hisadapter"
)

// orders takes an order through its life: without a freeze first, and with one
// where the HIS wants it.
func (p *probe) orders(ctx context.Context) {
	name := Text{"下单（最小数量）", "order (smallest quantity)"}
	if ctx.Err() != nil {
		return
	}
	if !p.may(p.step) {
		p.skip(name, p.tooMuch(p.step))
		return
	}
	var base int64
	d := p.owe(p.one())
	var o hisadapter.HISOrder
	placed, maybe := false, false
	yes, no := true, false
	p.try(ctx, name, func(s *Step) {
		before, err := p.read(ctx, p.key)
		if err != nil {
			s.failed(err)
			return
		}
		base = before.OnHand
		if o, err = p.place(ctx, d, ""); err != nil {
			s.failed(err)
			outcome := hisadapter.OutcomeOf(err)
			if maybe = p.proven.held && (outcome == hisadapter.Refused || outcome == hisadapter.Find); maybe {
				s.Verdict = Noted
			}
			return
		}
		placed = true
		p.proven.needsFreeze = &no
		s.Found = Text{"HIS 订单号 " + o.OrderNo, "HIS order " + o.OrderNo}
	})
	if maybe && p.foundAs(ctx, d, Text{"查：未下单", "find: not ordered"}, hisadapter.None) {
		if d, o, placed = p.orderFrozen(ctx); placed {
			p.proven.needsFreeze = &yes
		}
	}
	if !placed {
		return
	}
	p.proven.deducted = p.foundAs(ctx, d, Text{"查：已扣减", "find: deducted"}, hisadapter.Deducted)
	if p.deducted(ctx, base) {
		p.placeAgain(ctx, d, o, base)
	}
	p.listed(ctx, d)
	p.takeBack(ctx, d, base)
}

// orderFrozen freezes and orders.
func (p *probe) orderFrozen(ctx context.Context) (d *debt, o hisadapter.HISOrder, placed bool) {
	name := Text{"先预扣再下单", "freeze, then order"}
	if ctx.Err() == nil && !p.may(p.step) {
		p.skip(name, p.tooMuch(p.step))
		return d, o, false
	}
	p.try(ctx, name, func(s *Step) {
		d = p.owe(p.one())
		f, err := p.freeze(ctx, d)
		if err != nil {
			s.failed(err)
			return
		}
		if o, err = p.place(ctx, d, f.LockID); err != nil {
			s.failed(err)
			return
		}
		placed = true
		s.Found = Text{"HIS 订单号 " + o.OrderNo, "HIS order " + o.OrderNo}
	})
	return d, o, placed
}

// deducted measures how long the figure takes to follow an order. It reports
// whether it did.
func (p *probe) deducted(ctx context.Context, base int64) (followed bool) {
	p.try(ctx, Text{"数量滞后", "figure lag"}, func(s *Step) {
		figure, lag, err := p.follow(ctx, base)
		switch {
		case err != nil:
			s.failed(err)
		case figure == base-p.step:
			followed = true
			p.proven.lag = &lag
			s.Found = Text{
				fmt.Sprintf("%d → %d，%s 后可见", base, figure, seconds(lag)), fmt.Sprintf("%d → %d, seen after %s", base, figure, seconds(lag)),
			}
		case figure == base:
			s.end(Failed, Text{fmt.Sprintf("%s 内未减", p.Settle), fmt.Sprintf("not deducted within %s", p.Settle)})
		default:
			s.end(Noted, Text{
				fmt.Sprintf("%d → %d，与扣减 %d 不符：有人在卖？", base, figure, p.step),
				fmt.Sprintf("%d → %d, which is not the %d ordered: somebody sells?", base, figure, p.step),
			})
		}
	})
	return followed
}

// placeAgain sends the same order once more.
func (p *probe) placeAgain(ctx context.Context, d *debt, first hisadapter.HISOrder, base int64) {
	name := Text{"同号再下单", "the same order again"}
	if ctx.Err() == nil && !p.may(p.step) {
		p.skip(name, p.tooMuch(p.step))
		return
	}
	p.try(ctx, name, func(s *Step) {
		lock := ""
		if len(d.locks) > 0 {
			lock = d.locks[0]
		}
		again, err := p.place(ctx, d, lock)
		once := err == nil && again.OrderNo == first.OrderNo
		switch hisadapter.OutcomeOf(err) {
		case hisadapter.Done:
			s.Found = Text{"应答订单号 " + again.OrderNo, "answered with order " + again.OrderNo}
		case hisadapter.Find:
			once = true
			s.Found = Text{"拒绝重复", "refused as a duplicate"}
		default:
			s.failed(err)
			return
		}
		figure, err := p.still(ctx)
		if err != nil {
			s.failed(err)
			return
		}
		s.Found.ZH += fmt.Sprintf("；数量 %d", figure)
		s.Found.EN += fmt.Sprintf("; figure %d", figure)
		once = once && figure == base-p.step
		p.proven.placeAgain = &once
		if !once {
			s.Verdict, p.doubled = Failed, true
		}
	})
}

// listed looks for the order among those of the day.
func (p *probe) listed(ctx context.Context, d *debt) {
	name := Text{"当日清单", "orders of the day"}
	if !p.caps.List {
		p.skip(name, Text{"映射里没有 list_orders", "the mapping has no list_orders"})
		return
	}
	p.try(ctx, name, func(s *Step) {
		var all []hisadapter.HISOrder
		err := p.ask(ctx, "list_orders", func(ctx context.Context) (err error) {
			all, err = p.Driver.ListOrders(ctx, p.Now())
			return err
		})
		if err != nil {
			s.failed(err)
			return
		}
		for _, o := range all {
			p.proven.listed = p.proven.listed || o.HisNo == d.hisNo && d.ordered(o.OrderNo)
		}
		s.Found = Text{fmt.Sprintf("%d 单，含本单", len(all)), fmt.Sprintf("%d listed, ours among them", len(all))}
		if !p.proven.listed {
			s.end(Failed, Text{fmt.Sprintf("%d 单，不含本单", len(all)), fmt.Sprintf("%d listed, ours not among them", len(all))})
		}
	})
}

// takeBack cancels the order, where the HIS can.
func (p *probe) takeBack(ctx context.Context, d *debt, base int64) {
	name := Text{"撤单", "cancel"}
	if !p.caps.Cancel {
		p.skip(name, Text{"映射里没有 cancel_order", "the mapping has no cancel_order"})
		return
	}
	canceled := false
	p.try(ctx, name, func(s *Step) {
		for _, no := range d.orders { // more than one where the repeat was applied
			if err := p.cancel(ctx, d, no); err != nil {
				s.failed(err)
				return
			}
		}
		canceled = true
		d.settled = !p.caps.Find // else it is looked at
		s.Found = Text{"已撤", "taken back"}
	})
	if canceled {
		p.proven.cancel = p.foundAs(ctx, d, Text{"查：已撤", "find: released"}, hisadapter.Released, hisadapter.None)
		p.back(ctx, base)
	}
}
