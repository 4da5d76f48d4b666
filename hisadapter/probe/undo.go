package probe

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// debt is what a number may have left at the HIS.
//
//	owed ──refused, not sent──► settled ◄──found none or released── owed
//	  └── found frozen: unfreeze · found deducted: cancel ── looked at again
type debt struct {
	hisNo   string
	lines   []hisadapter.Line
	paidAt  time.Time
	locks   []string // that the HIS named
	orders  []string
	back    []string // of those, what was given back or cancelled
	unsure  bool     // an answer was never heard
	settled bool     // nothing of it stands
}

// owe notes a number before anything is written under it.
func (p *probe) owe(lines []hisadapter.Line) *debt {
	d := &debt{hisNo: p.number(), lines: lines, paidAt: p.Now(), settled: true}
	p.debts = append(p.debts, d)
	return d
}

// sent notes how a write ended.
func (d *debt) sent(err error) {
	switch hisadapter.OutcomeOf(err) {
	case hisadapter.Done, hisadapter.Find:
		d.settled = false
	case hisadapter.Unknown:
		d.settled, d.unsure = false, true
	}
}

func (d *debt) lock(id string) {
	if !slices.Contains(d.locks, id) {
		d.locks = append(d.locks, id)
	}
}

func (d *debt) order(no string) {
	if !slices.Contains(d.orders, no) {
		d.orders = append(d.orders, no)
	}
}

func (d *debt) locked(id string) bool  { return slices.Contains(d.locks, id) }
func (d *debt) ordered(no string) bool { return slices.Contains(d.orders, no) }

// undo gives back whatever still stands, and says what does not go. It goes on
// when the caller gave up.
func (p *probe) undo(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	undone := p.doubled
	for _, d := range p.debts {
		if !d.settled || len(d.extra(d.locks)) > 0 || len(d.extra(d.orders)) > 0 {
			p.settle(ctx, d)
			undone = true
		}
	}
	if undone && len(p.report.Left) == 0 {
		p.weigh(ctx)
	}
}

// weigh looks whether the figure is what it was before the first write. Where the
// HIS applied a repeat, what is missing may be that, and a person must know.
func (p *probe) weigh(ctx context.Context) {
	base := p.reading.OnHand
	p.do(Text{"最后的数量", "figure at the end"}, func(s *Step) {
		figure, err := p.settled(ctx, base)
		if err != nil {
			s.failed(err)
			return
		}
		s.Found = Text{fmt.Sprintf("%d，开始时 %d", figure, base), fmt.Sprintf("%d, at the beginning %d", figure, base)}
		if figure == base {
			return
		}
		s.Verdict = Noted
		if p.doubled {
			p.leave(s, p.debts[0], Text{
				"HIS 重复执行了同号的写入；" + s.Found.ZH + "：请查 HGPROBE" + p.Seed + " 开头的单据",
				"the HIS applied a repeat; " + s.Found.EN + ": look at what begins with HGPROBE" + p.Seed,
			})
		}
	})
}

// settled reads the figure until it is what is wanted, or Settle is over.
func (p *probe) settled(ctx context.Context, want int64) (int64, error) {
	pause := 100 * time.Millisecond
	for waited := time.Duration(0); ; waited, pause = waited+pause, min(2*pause, 2*time.Second) {
		r, err := p.read(ctx, p.key)
		if err != nil || r.OnHand == want || waited >= p.Settle {
			return r.OnHand, err
		}
		if err := p.Wait(ctx, pause); err != nil {
			return r.OnHand, err
		}
	}
}

// extra are the locks or orders beyond the first that still stand: a HIS that
// applies repeats made them, and tells of one only.
func (d *debt) extra(all []string) []string {
	if len(all) < 2 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(all[1:]), func(id string) bool { return slices.Contains(d.back, id) })
}

// settle undoes one number.
func (p *probe) settle(ctx context.Context, d *debt) {
	p.do(Text{"善后 " + d.hisNo, "undo " + d.hisNo}, func(s *Step) {
		s.Found = Text{"已还原", "as before"}
		for _, extra := range d.extra(d.locks) {
			if err := p.unfreeze(ctx, d, extra); err != nil {
				p.leave(s, d, Text{"第二个锁号 " + extra + " 未解除：" + err.Error(), "the second lock " + extra + " was not given back: " + err.Error()})
			}
		}
		for _, extra := range d.extra(d.orders) {
			if !p.caps.Cancel {
				p.leave(s, d, Text{"重复的 HIS 订单 " + extra + " 请人工撤销", "the HIS order " + extra + " was made twice; cancel it by hand"})
			} else if err := p.cancel(ctx, d, extra); err != nil {
				p.leave(s, d, Text{"重复的 HIS 订单 " + extra + " 未撤：" + err.Error(), "the HIS order " + extra + ", made twice, was not taken back: " + err.Error()})
			}
		}
		if d.settled {
			return
		}
		var why Text
		for try := range 4 {
			if try > 0 {
				_ = p.Wait(ctx, time.Duration(try)*time.Second) // ctx does not end
			}
			var again bool
			if d.settled, again, why = p.settleOnce(ctx, d); d.settled {
				return
			}
			if !again {
				break
			}
		}
		p.leave(s, d, why)
	})
}

// leave notes what a person must look at.
func (p *probe) leave(s *Step, d *debt, why Text) {
	left := Text{
		fmt.Sprintf("%s（%s）：%s", d.hisNo, quantities(d.lines), why.ZH), fmt.Sprintf("%s (%s): %s", d.hisNo, quantities(d.lines), why.EN),
	}
	p.report.Left = append(p.report.Left, left)
	s.end(Failed, left)
}

// settleOnce looks what stands and gives it back. done says that nothing stands
// any more; else why says what is in the way, and again that trying may help.
func (p *probe) settleOnce(ctx context.Context, d *debt) (done, again bool, why Text) {
	if !p.caps.Find {
		done, why = p.settleBlind(ctx, d)
		return done, false, why
	}
	f, err := p.find(ctx, d.hisNo)
	if err != nil {
		return false, true, Text{"查不到结果：" + err.Error(), "it cannot be found out: " + err.Error()}
	}
	switch f.State {
	case hisadapter.Frozen:
		err = p.unfreeze(ctx, d, f.Freeze.LockID)
		why = Text{"仍被预扣，锁号 " + f.Freeze.LockID, "still frozen, lock " + f.Freeze.LockID}
	case hisadapter.Deducted:
		why = Text{"HIS 订单 " + f.OrderNo + " 仍在，请人工撤销", "the HIS order " + f.OrderNo + " stands; cancel it by hand"}
		if !p.caps.Cancel {
			return false, false, why
		}
		err = p.cancel(ctx, d, f.OrderNo)
	case hisadapter.None:
		if d.unsure {
			return false, true, Text{
				"应答丢失，HIS 现在说没有此单：请 10 分钟后再查", "its answer was lost, and the HIS knows nothing of it now: look again in 10 minutes",
			}
		}
		return true, false, Text{}
	default:
		return true, false, Text{}
	}
	if err != nil {
		return false, true, Text{why.ZH + "：" + err.Error(), why.EN + ": " + err.Error()}
	}
	if f, err = p.find(ctx, d.hisNo); err == nil && f.State != hisadapter.Frozen && f.State != hisadapter.Deducted {
		return true, false, Text{}
	}
	return false, true, why
}

// settleBlind undoes without a way to look.
func (p *probe) settleBlind(ctx context.Context, d *debt) (done bool, why Text) {
	switch {
	case len(d.orders) > 0 && p.caps.Cancel:
		if err := p.cancel(ctx, d, d.orders[0]); err != nil {
			return false, Text{"HIS 订单 " + d.orders[0] + " 未撤：" + err.Error(), "the HIS order " + d.orders[0] + " was not taken back: " + err.Error()}
		}
		return true, Text{}
	case len(d.orders) > 0:
		return false, Text{"HIS 订单 " + d.orders[0] + " 仍在，请人工撤销", "the HIS order " + d.orders[0] + " stands; cancel it by hand"}
	case len(d.locks) > 0:
		if err := p.unfreeze(ctx, d, d.locks[0]); err != nil {
			return false, Text{"锁号 " + d.locks[0] + " 未解除：" + err.Error(), "the lock " + d.locks[0] + " was not given back: " + err.Error()}
		}
		return true, Text{}
	default:
		return false, Text{"应答丢失，且无法查询：请在 HIS 中查看", "its answer was lost, and nothing can be asked: look in the HIS"}
	}
}
