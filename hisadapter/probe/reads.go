package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// reads are the steps that change nothing. It reports whether the HIS can be
// read at all.
func (p *probe) reads(ctx context.Context) bool {
	alive := true
	if p.Reach != nil {
		p.try(ctx, Text{"连接", "connect"}, func(s *Step) {
			if err := p.ask(ctx, "connect", p.Reach); err != nil {
				s.failed(err)
				alive = false
			}
		})
	}
	if alive && p.Login != nil {
		p.try(ctx, Text{"登录", "login"}, func(s *Step) {
			if err := p.ask(ctx, "login", p.Login); err != nil {
				s.failed(err)
				alive = false
			}
		})
	}
	if !alive || !p.oneDrug(ctx) {
		return false
	}
	p.unknownDrug(ctx)
	p.batches(ctx)
	p.again(ctx)
	p.clock(ctx)
	p.unusedNumber(ctx)
	return ctx.Err() == nil
}

func (p *probe) oneDrug(ctx context.Context) (known bool) {
	p.try(ctx, Text{"一种药", "one drug"}, func(s *Step) {
		r, err := p.read(ctx, p.key)
		switch {
		case err != nil:
			s.failed(err)
		case r.Unknown:
			s.end(Failed, Text{
				fmt.Sprintf("HIS 不认识 %s：药房或药品编码有误？", r.Key.DrugID),
				fmt.Sprintf("the HIS does not know %s: is the pharmacy or the drug wrong, or the place where the mapping looks for rows?", r.Key.DrugID),
			})
		default:
			known = true
			p.reading, p.step = r, max(r.Facts.Multiple, 1)
			s.Found = said(r)
		}
	})
	return known
}

// said is a reading in words.
func said(r hisadapter.Reading) Text {
	f := r.Facts
	price := Text{"无价格", "no price told"}
	if f.Price != "" {
		price = Text{
			fmt.Sprintf("%s 元 / %d %s", f.Price, max(f.PricePer, 1), f.Unit), fmt.Sprintf("%s yuan for %d %s", f.Price, max(f.PricePer, 1), f.Unit),
		}
	}
	out := Text{
		fmt.Sprintf("%s：%d %s，步长 %d，%s", f.Name, r.OnHand, f.Unit, max(f.Multiple, 1), price.ZH),
		fmt.Sprintf("%s: %d %s, step %d, %s", f.Name, r.OnHand, f.Unit, max(f.Multiple, 1), price.EN),
	}
	if f.Stopped {
		out.ZH, out.EN = out.ZH+"，已停用", out.EN+", stopped"
	}
	return out
}

func (p *probe) unknownDrug(ctx context.Context) {
	p.try(ctx, Text{"不存在的药", "an unknown drug"}, func(s *Step) {
		key := hisadapter.Key{PharmacyID: p.PharmacyID, DrugID: p.unknown(0)}
		r, err := p.read(ctx, key)
		switch {
		case err != nil:
			s.failed(err)
		case !r.Unknown:
			s.end(Noted, Text{
				fmt.Sprintf("%s 读作 %d，不是「不存在」", key.DrugID, r.OnHand), fmt.Sprintf("%s is read as %d, and not as unknown", key.DrugID, r.OnHand),
			})
		default:
			s.Found = Text{key.DrugID + "：不存在", key.DrugID + ": unknown"}
		}
	})
}

// batches finds the largest batch up to the declared one.
func (p *probe) batches(ctx context.Context) {
	p.try(ctx, Text{"批量", "batch"}, func(s *Step) {
		most := max(p.Declared.BatchSize, 1)
		works, fails := 1, most+1
		var why string
		for size := most; works+1 < fails || size == most && works < most; size = (works + fails) / 2 {
			if size <= 1 || ctx.Err() != nil {
				break
			}
			if bad := p.batch(ctx, size); bad != "" {
				fails, why = size, bad
			} else {
				works = size
			}
		}
		if ctx.Err() != nil {
			s.end(Noted, Text{"中断", "cut short"})
			return
		}
		p.proven.batch = works
		s.Found = Text{fmt.Sprintf("一次 %d 种", works), fmt.Sprintf("%d in one query", works)}
		if works < most {
			s.end(Noted, Text{
				fmt.Sprintf("一次 %d 种；%d 种不行：%s", works, fails, why), fmt.Sprintf("%d in one query; %d fail: %s", works, fails, why),
			})
		}
	})
}

// batch reads size drugs of which the last is known: a HIS that cuts off what is
// too much is found out. It returns what is wrong, "" for nothing.
func (p *probe) batch(ctx context.Context, size int) string {
	var keys []hisadapter.Key
	add := func(id string) { keys = append(keys, hisadapter.Key{PharmacyID: p.PharmacyID, DrugID: id}) }
	known := p.DrugIDs[:min(len(p.DrugIDs), size)]
	for i := range size - len(known) {
		add(p.unknown(i))
	}
	for i := range known {
		add(known[len(known)-1-i])
	}
	var rs []hisadapter.Reading
	err := p.ask(ctx, fmt.Sprintf("query_stock of %d", size), func(ctx context.Context) (err error) {
		rs, err = p.Driver.QueryStock(ctx, keys)
		return err
	})
	switch {
	case err != nil:
		return err.Error()
	case rs[size-1].Unknown:
		return "the last of them is missing in the answer"
	default:
		return ""
	}
}

func (p *probe) again(ctx context.Context) {
	p.try(ctx, Text{"重复读", "the same again"}, func(s *Step) {
		s.Found = Text{"三次相同", "three times the same"}
		for range 2 {
			r, err := p.read(ctx, p.key)
			switch {
			case err != nil:
				s.failed(err)
				return
			case r.Unknown || r.Facts != p.reading.Facts:
				s.end(Failed, Text{"前后说法不同：" + said(r).ZH, "it says something else now: " + said(r).EN})
				return
			case r.OnHand != p.reading.OnHand:
				s.end(Noted, Text{
					fmt.Sprintf("数量由 %d 变为 %d：有人在卖？", p.reading.OnHand, r.OnHand), fmt.Sprintf("%d became %d: somebody sells?", p.reading.OnHand, r.OnHand),
				})
				p.reading = r
				return
			}
		}
	})
}

// maxSkew is how far the HIS's clock may be off before it is worth a word.
const maxSkew = 30 * time.Second

// clock compares the clocks by the Date headers, which have whole seconds.
func (p *probe) clock(ctx context.Context) {
	p.try(ctx, Text{"时钟", "clock"}, func(s *Step) {
		if len(p.dates) == 0 {
			s.end(Skipped, Text{"应答不带时间", "no answer told the time"})
			return
		}
		var skew time.Duration
		for i, x := range p.dates {
			d := x.Date.Add(time.Second / 2).Sub(x.At.Add(x.Duration / 2))
			if i == 0 || d.Abs() < skew.Abs() {
				skew = d
			}
		}
		skew = skew.Truncate(time.Second)
		s.Found = Text{fmt.Sprintf("相差 %s", skew), fmt.Sprintf("%s apart", skew)}
		if skew.Abs() > maxSkew {
			s.Verdict = Noted
			s.Found = Text{fmt.Sprintf("相差 %s：请校时", skew), fmt.Sprintf("%s apart: set one of them right", skew)}
		}
	})
}

// unusedNumber asks for a number that nobody used: the HIS must say that it
// knows nothing of it.
func (p *probe) unusedNumber(ctx context.Context) {
	name := Text{"查未用过的单号", "a number nobody used"}
	if !p.caps.Find {
		p.skip(name, Text{"映射里没有 find_order", "the mapping has no find_order"})
		return
	}
	p.try(ctx, name, func(s *Step) {
		f, err := p.find(ctx, p.number())
		if err != nil {
			s.failed(err)
			return
		}
		p.proven.none = f.State == hisadapter.None
		s.Found = Text{"状态：" + f.State.String(), "state: " + f.State.String()}
		if !p.proven.none {
			s.Verdict = Failed
		}
	})
}
