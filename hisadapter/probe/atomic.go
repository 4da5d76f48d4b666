package probe

import (
	"context"
	"errors"
	"fmt"

	"github.com/hisgate/hisgate/hisadapter"
)

// allOrNone orders two drugs of which one is short: the HIS must take neither.
// It is done by an order where orders may be made and need no freeze, else by a
// freeze where the figure shows what is frozen.
func (p *probe) allOrNone(ctx context.Context) {
	name := Text{"全有或全无", "all or none"}
	byOrder := p.Place && p.proven.needsFreeze != nil && !*p.proven.needsFreeze
	byFreeze := p.proven.held && p.proven.net != nil && *p.proven.net
	switch {
	case ctx.Err() != nil:
		return
	case len(p.DrugIDs) < 2:
		p.skip(name, Text{"要第二种药，库存很少的", "needs a second drug with little stock"})
		return
	case !byOrder && !byFreeze:
		p.skip(name, Text{"没有能看清结果的写法", "no write of this HIS would show it"})
		return
	}
	p.try(ctx, name, func(s *Step) {
		second, err := p.read(ctx, hisadapter.Key{PharmacyID: p.PharmacyID, DrugID: p.DrugIDs[1]})
		if err != nil {
			s.failed(err)
			return
		}
		step := max(second.Facts.Multiple, 1)
		more := (max(second.OnHand, 0)/step + 1) * step
		if second.Unknown || second.Facts.Stopped || !p.may(p.step+more) {
			s.end(Skipped, p.tooMuch(p.step+more))
			return
		}
		before, err := p.read(ctx, p.key)
		if err != nil {
			s.failed(err)
			return
		}
		d := p.owe(p.priced([]hisadapter.Line{
			{DrugID: p.key.DrugID, Quantity: p.step}, {DrugID: second.Key.DrugID, Quantity: more},
		}, p.reading, second))
		if byOrder {
			_, err = p.place(ctx, d, "")
		} else {
			_, err = p.freeze(ctx, d)
		}
		e, _ := errors.AsType[*hisadapter.Error](err)
		if e == nil || e.Outcome != hisadapter.Refused || e.Kind != hisadapter.Insufficient {
			s.end(Failed, Text{fmt.Sprintf("应为库存不足，却是 %v", err), fmt.Sprintf("not refused for stock, but %v", err)})
			return
		}
		figure, err := p.still(ctx)
		if err != nil {
			s.failed(err)
			return
		}
		p.proven.atomic = figure == before.OnHand
		s.Found = Text{fmt.Sprintf("整单拒绝；数量 %d", figure), fmt.Sprintf("refused as a whole; figure %d", figure)}
		if !p.proven.atomic {
			d.settled = false // half of it stands
			s.end(Failed, Text{
				fmt.Sprintf("拒绝了，数量却由 %d 变为 %d", before.OnHand, figure), fmt.Sprintf("refused, and yet %d became %d", before.OnHand, figure),
			})
		}
	})
}
