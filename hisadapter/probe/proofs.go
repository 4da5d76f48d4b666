package probe

import (
	"fmt"
	"strconv"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// proofs are the settings that may be pasted, each with why. What was not seen is
// off, or as it was declared where off means nothing.
func (p *probe) proofs() []Proof {
	v := p.proven
	notSeen := Text{"未证明", "not proven"}
	flag := func(setting string, ok bool, seen Text) Proof {
		if !ok {
			seen = notSeen
		}
		return Proof{setting, strconv.FormatBool(ok), ok, seen}
	}
	is := func(b *bool) bool { return b != nil && *b }
	out := []Proof{flag("freeze", v.held, Text{"预扣、查到、解除、再查", "held, found, given back, found again"})}
	if v.held {
		out = append(out, p.ttl())
	}
	net := flag("net_figure", v.held && is(v.net), Text{"预扣后数量减少", "the figure fell with the freeze"})
	if v.held && v.net != nil && !*v.net {
		net = Proof{"net_figure", "false", true, Text{"预扣后数量不变", "the figure stood still with the freeze"}}
	}
	out = append(out, net, p.needs())
	find := v.none && (v.frozen || v.deducted)
	out = append(
		out,
		flag("find", find, Text{"没有的说没有，有的说得对", "told of a number that is there, and of one that is not"}),
		flag("cancel", v.cancel, Text{"撤单并查到", "taken back, and found so"}),
		flag("list", v.listed, Text{"清单里有本单", "our order stood in the list"}),
		flag("idempotent_by_his_no", is(v.placeAgain) && (!v.held || is(v.freezeAgain)), Text{"同号重发，数量只减一次", "sent again, and taken once"}),
		flag("atomic_items", v.atomic, Text{"一种不足，整单拒绝", "one drug short, the whole refused"}),
		Proof{"batch_size", strconv.Itoa(max(v.batch, 1)), v.batch > 0, Text{"此大小读成功", "read in one query"}},
		Proof{"his_no_max", strconv.Itoa(p.Declared.HisNoMax), false, Text{"照抄配置；请查 HIS 字段长度", "as configured; ask for the length of the column"}},
	)
	return append(out, p.lag())
}

func (p *probe) ttl() Proof {
	if p.proven.ttlTold {
		return Proof{"freeze_ttl", span(p.proven.ttl), true, Text{"HIS 说的到期时间（要了 2h）", "as the HIS told its end, of 2h asked for"}}
	}
	return Proof{"freeze_ttl", span(p.Declared.FreezeTTL), false, Text{"HIS 未说明，照抄配置；0 表示永不失效", "not told; as configured, and 0 means never"}}
}

// needs is whether an order needs a freeze. Where nobody saw it a HIS that
// freezes is taken to need it: a freeze too many harms nobody.
func (p *probe) needs() Proof {
	const setting = "deduct_needs_freeze"
	switch n := p.proven.needsFreeze; {
	case n != nil:
		why := Text{"不预扣也能下单", "an order without a freeze was taken"}
		if *n {
			why = Text{"不预扣下单被拒", "an order without a freeze was refused"}
		}
		return Proof{setting, strconv.FormatBool(*n), true, why}
	case p.proven.held:
		return Proof{setting, "true", false, Text{"未证明；先预扣总不会错", "not proven; a freeze first is never wrong"}}
	default:
		return Proof{setting, "false", false, Text{"没有预扣", "there is no freeze"}}
	}
}

func (p *probe) lag() Proof {
	if p.proven.lag == nil {
		return Proof{"figure_lag", span(p.Settle), false, Text{"未证明，取等待上限", "not proven; as long as was waited for a figure"}}
	}
	lag := (*p.proven.lag + time.Second - 1).Truncate(time.Second)
	return Proof{"figure_lag", span(lag), true, Text{"扣减后多久可见", "until a deduct was seen"}}
}

// span writes a duration as YAML has it: 30m, 1h, 0s.
func span(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return d.String()
	}
}

// Capabilities are what was proven, in the port's words. FigureLag is what was
// measured, or what was waited in vain.
func (r *Report) Capabilities() hisadapter.Capabilities {
	var c hisadapter.Capabilities
	flags := map[string]*bool{
		"freeze": &c.Freeze, "net_figure": &c.NetFigure, "deduct_needs_freeze": &c.DeductNeedsFreeze, "find": &c.Find,
		"cancel": &c.Cancel, "list": &c.List, "idempotent_by_his_no": &c.IdempotentByHisNo, "atomic_items": &c.AtomicItems,
	}
	for _, p := range r.Proofs {
		switch p.Setting {
		case "batch_size":
			c.BatchSize, _ = strconv.Atoi(p.Value) // written above
		case "his_no_max":
			c.HisNoMax, _ = strconv.Atoi(p.Value)
		case "freeze_ttl":
			c.FreezeTTL, _ = time.ParseDuration(p.Value)
		case "figure_lag":
			c.FigureLag, _ = time.ParseDuration(p.Value)
		default:
			*flags[p.Setting] = p.Value == "true"
		}
	}
	return c
}
