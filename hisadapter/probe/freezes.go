package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// freezes takes a freeze through its life.
func (p *probe) freezes(ctx context.Context) {
	name := Text{"预扣", "freeze"}
	switch {
	case !p.caps.Freeze:
		p.skip(name, Text{"映射里没有 freeze", "the mapping has no freeze"})
		return
	case !p.proven.none:
		p.skip(name, Text{"没有可信的查询，预扣不能自证 [C3]", "without a find that is believed a freeze cannot be proven [C3]"})
		return
	case ctx.Err() != nil:
		return
	case !p.may(p.step):
		p.skip(name, p.tooMuch(p.step))
		return
	}
	base := p.reading.OnHand
	d := p.owe(p.one())
	var f hisadapter.Freeze
	held := false
	p.try(ctx, name, func(s *Step) {
		var err error
		if f, err = p.freeze(ctx, d); err != nil {
			s.failed(err)
			return
		}
		held = true
		p.learnEnd(f)
		s.Found = Text{fmt.Sprintf("锁号 %s，到期 %s", f.LockID, ending(f).ZH), fmt.Sprintf("lock %s, expires %s", f.LockID, ending(f).EN)}
	})
	if !held {
		return
	}
	p.netFigure(ctx, base)
	found := p.foundAs(ctx, d, Text{"查：已预扣", "find: frozen"}, hisadapter.Frozen)
	p.proven.frozen = found
	p.freezeAgain(ctx, d, f, base)
	p.thaw(ctx, d, base, found)
}

func ending(f hisadapter.Freeze) Text {
	if f.Expires.IsZero() {
		return Text{"未说明", "not told"}
	}
	s := f.Expires.UTC().Add(8 * time.Hour).Format("15:04:05")
	return Text{s, s}
}

// learnEnd notes how long a freeze lives. HIS tell whole seconds: what is a whole
// minute but for them, is.
func (p *probe) learnEnd(f hisadapter.Freeze) {
	p.proven.ttlTold = !f.Expires.IsZero()
	if !p.proven.ttlTold {
		return
	}
	ttl := f.Expires.Sub(p.Now())
	if whole := ttl.Round(time.Minute); (whole - ttl).Abs() <= 5*time.Second {
		ttl = whole
	}
	p.proven.ttl = max(ttl.Truncate(time.Second), 0)
}

// netFigure sees whether what is frozen is out of the figure.
func (p *probe) netFigure(ctx context.Context, base int64) {
	p.try(ctx, Text{"数量是否已减预扣", "figure net of freezes?"}, func(s *Step) {
		figure, lag, err := p.follow(ctx, base)
		yes, no := true, false
		switch {
		case err != nil:
			s.failed(err)
		case figure == base-p.step:
			p.proven.net = &yes
			s.Found = Text{
				fmt.Sprintf("已减：%d → %d，%s 后可见", base, figure, seconds(lag)), fmt.Sprintf("net: %d → %d, seen after %s", base, figure, seconds(lag)),
			}
		case figure == base:
			p.proven.net = &no
			s.Found = Text{fmt.Sprintf("未减：仍为 %d", figure), fmt.Sprintf("not net: still %d", figure)}
		default:
			s.end(Noted, Text{
				fmt.Sprintf("%d → %d，与预扣 %d 不符：有人在卖？", base, figure, p.step),
				fmt.Sprintf("%d → %d, which is not the %d frozen: somebody sells?", base, figure, p.step),
			})
		}
	})
}

func seconds(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

// foundAs asks for a number and wants one of the states.
func (p *probe) foundAs(ctx context.Context, d *debt, name Text, want ...hisadapter.State) (ok bool) {
	if !p.caps.Find {
		p.skip(name, Text{"映射里没有 find_order", "the mapping has no find_order"})
		return false
	}
	p.try(ctx, name, func(s *Step) {
		f, err := p.find(ctx, d.hisNo)
		if err != nil {
			s.failed(err)
			return
		}
		s.Found = Text{"状态：" + f.State.String(), "state: " + f.State.String()}
		for _, w := range want {
			ok = ok || f.State == w
		}
		switch {
		case !ok:
		case f.State == hisadapter.Frozen && !d.locked(f.Freeze.LockID):
			ok = false
			s.Found = Text{"锁号不同：" + f.Freeze.LockID, "another lock: " + f.Freeze.LockID}
		case f.State == hisadapter.Deducted && !d.ordered(f.OrderNo):
			ok = false
			s.Found = Text{"订单号不同：" + f.OrderNo, "another order: " + f.OrderNo}
		case f.State == hisadapter.Released || f.State == hisadapter.None && !d.unsure:
			d.settled = true
		}
		if !ok {
			s.Verdict = Failed
		}
	})
	return ok
}

// freezeAgain sends the same freeze once more.
func (p *probe) freezeAgain(ctx context.Context, d *debt, first hisadapter.Freeze, base int64) {
	name := Text{"同号再预扣", "the same freeze again"}
	if ctx.Err() == nil && !p.may(p.step) {
		p.skip(name, p.tooMuch(p.step))
		return
	}
	p.try(ctx, name, func(s *Step) {
		again, err := p.freeze(ctx, d)
		once := err == nil && again.LockID == first.LockID
		switch hisadapter.OutcomeOf(err) {
		case hisadapter.Done:
			s.Found = Text{"应答同前，锁号 " + again.LockID, "answered the same, lock " + again.LockID}
			if !once {
				s.Found = Text{"又给了一个锁号 " + again.LockID, "another lock was given, " + again.LockID}
			}
		case hisadapter.Find:
			once = true
			s.Found = Text{"拒绝重复", "refused as a duplicate"}
		default:
			s.failed(err)
			return
		}
		if p.proven.net != nil && *p.proven.net {
			figure, err := p.still(ctx)
			if err != nil {
				s.failed(err)
				return
			}
			once = once && figure == base-p.step
			s.Found.ZH += fmt.Sprintf("；数量 %d", figure)
			s.Found.EN += fmt.Sprintf("; figure %d", figure)
		}
		p.proven.freezeAgain = &once
		if !once {
			s.Verdict, p.doubled = Failed, true
		}
	})
}

// thaw gives the freeze back and looks whether the stock is there again.
func (p *probe) thaw(ctx context.Context, d *debt, base int64, found bool) {
	back := false
	p.try(ctx, Text{"解除预扣", "unfreeze"}, func(s *Step) {
		for _, lock := range d.locks { // more than one where the repeat was applied
			if err := p.unfreeze(ctx, d, lock); err != nil {
				s.failed(err)
				return
			}
		}
		back = true
		s.Found = Text{"已解除", "given back"}
	})
	if !back {
		return
	}
	released := p.foundAs(ctx, d, Text{"查：已解除", "find: released"}, hisadapter.Released, hisadapter.None)
	p.proven.held = found && released
	p.back(ctx, base)
}

// back looks whether the figure is what it was.
func (p *probe) back(ctx context.Context, base int64) {
	p.try(ctx, Text{"数量复原", "figure as before"}, func(s *Step) {
		figure, lag, err := p.follow(ctx, base-p.step)
		switch {
		case err != nil:
			s.failed(err)
		case figure != base:
			s.end(Noted, Text{fmt.Sprintf("%d，原为 %d", figure, base), fmt.Sprintf("%d, it was %d", figure, base)})
		default:
			s.Found = Text{fmt.Sprintf("%d，%s 后可见", figure, seconds(lag)), fmt.Sprintf("%d, seen after %s", figure, seconds(lag))}
		}
	})
}
