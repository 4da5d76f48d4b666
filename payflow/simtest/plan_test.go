package simtest_test

import (
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/payflow"
)

// The shape of every run: things begin within an hour, trouble ends after three,
// and then time passes until everything is at rest.
const (
	arrivals = 50 * time.Minute
	troubles = 3 * time.Hour
)

// plan is what the seed decides before anything runs. What it decides about
// single calls is thrown for when they come.
type plan struct {
	caps       hisadapter.Capabilities
	sameAnswer bool // an idempotent HIS answers a repeat as the first time
	honour     bool // the HIS ends a freeze when it is asked to
	overdraw   bool // the HIS gives what it does not have; nobody sells behind our back then
	useFreeze  bool
	cached     bool // locks are judged on cached readings too
	deaf       bool // no callback ever comes through, save late money
	policy     payflow.Policy
	hourly     int // automatic refunds
	attempts   int // of the guard
	atOnce     int // calls that the HIS bears
	rate       float64

	his, pay float64 // chance of trouble of a call

	stock   map[string]int64
	orders  []orderPlan
	locks   []lockPlan
	sales   []salePlan
	crashes map[int]string // by durable step
	restart time.Duration  // when an operator restarts hisgate in good order
	jumps   []jumpPlan
	outages []outagePlan
	prices  []pricePlan

	reconcile bool            // days are compared
	billReady time.Duration   // after midnight, when WeChat has made a day's bill
	late      bool            // the story begins shortly before midnight
	compares  []time.Duration // when the accountant has the day before compared
	backup    time.Duration   // when a backup is taken, 0 = none is
	lost      time.Duration   // when the disk is lost, and the backup restored
	repair    time.Duration   // how long that takes
	lostAgain time.Duration   // when it is lost once more, and the same backup restored, 0 = never
}

// orderPlan is a patient.
type orderPlan struct {
	no       string
	at       time.Duration
	strategy payflow.Strategy
	items    []payflow.Item
	derive   bool // hisgate works the amounts out
	method   payflow.Method
	rx       string
	twice    bool // the client sends the order twice at once
	prepay   time.Duration
	pays     string        // when the patient pays, see patient
	slip     time.Duration // how far off that
	cancels  bool
	cancelAt time.Duration // after the order
	syncs    int
	anomaly  string        // what WeChat books wrongly, "" = nothing
	again    time.Duration // how long after a restore the client orders once more, 0 = never
}

// lockPlan is an internal service that only holds stock.
type lockPlan struct {
	no       string
	at, then time.Duration
	drug     string
	quantity int64
	fate     string // confirm, release, expire
}

type salePlan struct {
	at   time.Duration
	drug string
	n    int64
}

type jumpPlan struct{ at, by time.Duration }

type outagePlan struct {
	at, lasts time.Duration
	what      string
}

type pricePlan struct {
	at   time.Duration
	what string
}

const (
	pharmacy = "HLWYF"
	firstNo  = "ORDER-"
)

var drugs = []string{"A", "B", "C"}

func newPlan(d dice) *plan {
	r := d.at("plan", 0)
	p := &plan{stock: map[string]int64{}, crashes: map[int]string{}}
	p.hospital(r)
	p.policy = pick(r, payflow.PolicyRefund, payflow.PolicyRefund, payflow.PolicyCase)
	p.hourly = pick(r, 10, 10, 10, 1, 0)
	p.deaf = r.chance(0.15)
	p.his = pick(r, 0, 0.05, 0.15, 0.30)
	p.pay = pick(r, 0, 0.05, 0.15, 0.30)
	plenty := pick(r, int64(6), 15, 30)
	for _, drug := range drugs {
		p.stock[drug] = r.Int64N(plenty) + 2
	}
	p.people(r)
	p.trouble(d.at("trouble", 0))
	p.books(d.at("books", 0))
	if r := d.at("second loss", 0); p.backup > 0 && r.chance(secondLoss) {
		p.lostAgain = p.lost + p.repair + r.between(100*time.Millisecond, pick(r, 10*time.Second, 5*time.Minute, 40*time.Minute))
	}
	return p
}

// secondLoss is the share of restored stories that lose their disk twice.
const secondLoss = 0.3

// books decides what happens to the books: reconciliation, and a disk that is lost
// while there is a backup.
func (p *plan) books(r roll) {
	p.reconcile = r.chance(0.4)
	p.late, p.billReady = r.chance(0.4), 10*time.Hour
	if r.chance(0.5) {
		p.billReady = r.between(5*time.Minute, 2*time.Hour)
	}
	if r.chance(0.2) {
		p.reconcile = true // or nobody would find forgotten money of which the notice was taken
		p.backup = r.between(2*time.Minute, arrivals+10*time.Minute)
		p.lost = p.backup + r.between(time.Second, pick(r, 5*time.Minute, 30*time.Minute, 90*time.Minute))
		p.repair = r.between(5*time.Second, pick(r, time.Minute, 40*time.Minute))
		for i := range p.orders {
			if r.chance(0.4) {
				p.orders[i].again = r.between(time.Second, 40*time.Minute)
			}
		}
	}
	p.caps.List = p.reconcile && r.chance(0.7)
	for range r.IntN(4) {
		p.compares = append(p.compares, r.between(0, pick(r, troubles, 36*time.Hour)))
	}
}

// hospital decides what kind of HIS there is.
func (p *plan) hospital(r roll) {
	p.attempts = pick(r, 1, 2, 3)
	p.atOnce, p.rate = pick(r, 2, 4, 4), pick(r, 2.0, 20, 20)
	p.cached = r.chance(0.2)
	c := hisadapter.Capabilities{
		Find: true, AtomicItems: r.chance(0.8), BatchSize: pick(r, 1, 2, 100),
		IdempotentByHisNo: r.chance(0.6), FigureLag: pick(r, 0, 0, 2*time.Second, 6*time.Second),
	}
	p.sameAnswer = r.chance(0.5)
	if r.chance(0.5) {
		c.Freeze, p.useFreeze = true, r.chance(0.8)
		c.NetFigure = r.chance(0.6)
		c.DeductNeedsFreeze = r.chance(0.4)
		c.FreezeTTL = pick(r, 0, 40*time.Minute, 2*time.Hour)
		p.honour = r.chance(0.3)
	} else {
		c.Find = r.chance(0.75)
	}
	c.Cancel = true // for persons at the HIS; the gateway does not cancel
	p.caps = c
	p.overdraw = r.chance(0.2)
}

// people decides who comes, wants what, and pays when.
func (p *plan) people(r roll) {
	for i := range 3 + r.IntN(6) {
		o := orderPlan{
			no: fmt.Sprintf("%s%02d", firstNo, i), at: r.between(0, arrivals),
			strategy: pick(r, payflow.Reserve, payflow.Reserve, payflow.Hold, payflow.Verify, payflow.Refund),
			derive:   r.chance(0.3), method: pick(r, payflow.JSAPI, payflow.Native, payflow.App),
			twice: r.chance(0.15), prepay: r.between(0, 14*time.Minute),
			pays: pick(r, "soon", "soon", "soon", "soon", "soon", "later", "deadline", "deadline", "closing", "after close", "never"),
			slip: r.between(-4*time.Second, 4*time.Second), cancels: r.chance(0.15), cancelAt: r.between(0, 35*time.Minute),
			syncs: pick(r, 0, 0, 1, 3),
		}
		if r.chance(0.12) {
			o.anomaly = pick(r, "wrong amount", "wrong appid", "second payment", "console refund", "console refund")
		}
		if r.chance(0.25) {
			o.rx = pick(r, "RX1", "RX2")
		}
		lines := 1
		if p.caps.AtomicItems {
			lines = pick(r, 1, 1, 2, 3)
		}
		for k, n := range r.Perm(len(drugs))[:lines] {
			_ = k
			o.items = append(o.items, payflow.Item{DrugID: drugs[n], Quantity: r.Int64N(4) + 1})
		}
		p.orders = append(p.orders, o)
	}
	for i := range r.IntN(4) {
		p.locks = append(p.locks, lockPlan{
			no: fmt.Sprintf("LOCK-%02d", i), at: r.between(0, arrivals), then: r.between(0, 12*time.Minute),
			drug: pick(r, drugs...), quantity: r.Int64N(3) + 1, fate: pick(r, "confirm", "confirm", "release", "expire"),
		})
	}
	if !p.overdraw {
		for range r.IntN(10) {
			p.sales = append(p.sales, salePlan{at: r.between(0, arrivals+30*time.Minute), drug: pick(r, drugs...), n: r.Int64N(5) + 1})
		}
	}
}

// The ways of dying. What a crash meets at the disk is lost, or kept and nobody
// was told, or acknowledged; the disk itself may fail, with the same two ends.
const (
	dieLost     = "crash: the step is lost"
	dieKept     = "crash: the step is kept, nobody was told"
	dieAfter    = "crash: just after the step"
	diskLost    = "disk error: the step is lost"
	diskKept    = "disk error: the step is kept"
	restartSoft = "restart in good order"

	dieComparing = "reconcile: hisgate is killed meanwhile"
)

// trouble decides what happens to the machines.
func (p *plan) trouble(r roll) {
	if r.chance(0.75) {
		for range 1 + r.IntN(6) {
			step := 1 + r.IntN(20+20*len(p.orders))
			p.crashes[step] = pick(r, dieLost, dieKept, dieAfter, dieLost, dieKept, dieAfter, diskLost, diskKept)
			if r.chance(0.3) { // once more while it comes up
				p.crashes[step+1+r.IntN(4)] = pick(r, dieLost, dieKept, dieAfter)
			}
		}
	}
	p.restart = 1000 * troubles
	if r.chance(0.2) {
		p.restart = r.between(0, troubles)
	}
	if r.chance(0.25) {
		for range 1 + r.IntN(3) {
			by := r.between(time.Second, 4*time.Minute)
			if r.chance(0.2) {
				by = r.between(10*time.Minute, 26*time.Hour)
			}
			if r.chance(0.5) {
				by = -by
			}
			at := r.between(0, troubles-time.Hour)
			p.jumps = append(p.jumps, jumpPlan{at: at, by: by}, jumpPlan{at: at + r.between(time.Minute, time.Hour), by: -by})
		}
	}
	for range pick(r, 0, 0, 1, 1, 2) {
		p.outages = append(p.outages, outagePlan{
			at: r.between(0, arrivals+time.Hour), lasts: r.between(time.Minute, 40*time.Minute),
			what: pick(r, hisDown, hisHangs, hisMisconfigured, payDown, payMisconfigured, payBroke),
		})
	}
	if r.chance(0.12) {
		p.prices = append(p.prices, pricePlan{at: r.between(0, arrivals+20*time.Minute), what: pick(r, "price", "stopped")})
	}
}

// The outages.
const (
	hisDown          = "outage: HIS off the network"
	hisHangs         = "outage: HIS hangs"
	hisMisconfigured = "outage: HIS refuses our calls as such"
	payDown          = "outage: WeChat cannot be reached"
	payMisconfigured = "outage: WeChat refuses our calls as such"
	payBroke         = "outage: the merchant's balance is empty"
)
