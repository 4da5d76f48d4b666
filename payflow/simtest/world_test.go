package simtest_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
)

// world is everything of one run: a HIS, WeChat, a disk, a clock, people, and
// hisgate between them. It lives in a synctest bubble.
type world struct {
	dice   dice
	plan   *plan
	trace  *trace
	tally  *tally
	logs   io.Writer // hisgate's own log, nil = nobody reads it
	his    *simhis.HIS
	wechat *wechat

	guard guard.Settings
	stock gateway.Settings
	money payflow.Settings

	deaths chan death
	people sync.WaitGroup // whatever ends by itself

	mu         sync.Mutex
	disk       *memengine.Engine
	now        *life // that answers, nil while none does
	last       *life // that was begun last
	steps      int
	thrown     map[string]int
	offset     time.Duration // of the wall clock
	jumped     time.Time     // when it was last set
	outages    map[string]int
	calm       bool // the trouble is over
	gaveUp     bool
	persons    map[string]string    // orders of which a person decided against the rule, and how
	wishes     map[string]time.Time // when somebody last wanted the money of a fulfilled order back
	violations []violation
	bills      map[string]int // tries for the bill of a day
	kept       *kept          // the last backup, nil = none was taken
	backAt     time.Time      // when it was restored, zero = never
	closes     bool           // the story is over, and its books are looked at

	said answers
}

// violation is a rule that did not hold.
type violation struct{ rule, about, detail string }

func (v violation) String() string {
	return fmt.Sprintf("%s [%s]: %s", v.rule, v.about, v.detail)
}

func (w *world) violated(rule, about, format string, args ...any) {
	v := violation{rule, about, fmt.Sprintf(format, args...)}
	w.trace.say("world", "VIOLATION %s", v)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.violations) < 50 {
		w.violations = append(w.violations, v)
	}
}

func newWorld(seed uint64, logs io.Writer) *world {
	d := dice{seed}
	w := &world{
		dice: d, plan: newPlan(d), trace: &trace{}, tally: newTally(), logs: logs,
		thrown: map[string]int{}, outages: map[string]int{}, persons: map[string]string{}, wishes: map[string]time.Time{},
		bills: map[string]int{},
	}
	w.said.init()
	w.wechat = newWechat(w)
	w.guard, w.stock, w.money = guard.DefaultSettings(), gateway.DefaultSettings(), payflow.Default()
	w.guard.MaxConcurrent, w.guard.Rate, w.guard.Burst = w.plan.atOnce, w.plan.rate, int(w.plan.rate)
	w.guard.Retry.Attempts = w.plan.attempts
	w.stock.Freeze = w.plan.useFreeze
	w.stock.Cache.Jitter = 0 // the seed decides
	if w.plan.cached {
		w.stock.Lock.Freshness = gateway.Cached
	}
	w.money.MchID, w.money.AppIDs = merchant, []string{app, "wx0000000000000000"}
	w.money.OnGone, w.money.AutoRefundsPerHour = w.plan.policy, w.plan.hourly
	w.money.RefundGrace = 6 * time.Hour // some simulated refunds take longer
	w.money.HISWorkers, w.money.PayWorkers = 3, 3
	if !w.plan.caps.AtomicItems {
		w.money.MaxDrugs = 1
	}
	return w
}

// open builds the machines. In the bubble.
func (w *world) open() {
	w.deaths = make(chan death, 64)
	start := w.dice.at("start", 0).between(0, 24*time.Hour)
	if w.plan.late && w.plan.reconcile {
		start = 16*time.Hour - start/9 // the bubble begins at 08:00 in Beijing
	}
	time.Sleep(start)
	w.trace.start = time.Now()
	facts := map[string]hisadapter.Facts{
		"A": {Name: "甲硝唑片", Unit: "片", Price: "3.3330", PricePer: 100},
		"B": {Name: "阿莫西林", Unit: "粒", Price: "12.50"},
		"C": {Name: "氯雷他定", Unit: "片", Price: "0.85"},
	}
	c := simhis.Config{
		Capabilities: w.plan.caps, SameAnswer: w.plan.sameAnswer, HonourUntil: w.plan.honour, Overdraw: w.plan.overdraw,
		Pace: simhis.Pace{Latency: 30 * time.Millisecond, Jitter: 300 * time.Millisecond}, Seed: w.dice.seed,
	}
	for _, id := range drugs {
		c.Catalogue.Drugs = append(c.Catalogue.Drugs, simhis.Drug{ID: id, Facts: facts[id]})
		c.Catalogue.Stock = append(c.Catalogue.Stock, simhis.Stock{Key: keyOf(id), OnHand: w.plan.stock[id]})
	}
	his, err := simhis.New(c)
	if err != nil {
		panic(err)
	}
	w.his = his
	w.disk = memengine.New(memengine.Options{Sync: w.sync})
	w.trace.say("world", "HIS %+v sameAnswer %v honourUntil %v overdraw %v", w.plan.caps, w.plan.sameAnswer, w.plan.honour, w.plan.overdraw)
	w.trace.say("world", "hisgate freezes %v, cached locks %v, on gone %s, %d refunds an hour; trouble HIS %v WeChat %v, no callbacks %v",
		w.plan.useFreeze, w.plan.cached, w.plan.policy, w.plan.hourly, w.plan.his, w.plan.pay, w.plan.deaf)
}

func keyOf(drug string) hisadapter.Key { return hisadapter.Key{PharmacyID: pharmacy, DrugID: drug} }

// longest is how long a run may take to come to rest after the trouble.
const longest = 8 * 24 * time.Hour

// run lives the whole story.
func (w *world) run() {
	w.open()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.supervise(ctx)
	}()
	working, knockOff := context.WithCancel(context.Background())
	var staff sync.WaitGroup
	staff.Go(func() { w.operate(working) })
	staff.Go(func() { w.inspect(working) })
	w.begins()
	time.Sleep(troubles)
	w.heal()
	for end := time.Now().Add(longest); ; {
		time.Sleep(45 * time.Minute)
		// A freeze that was given up is looked at for the last time after a day.
		if why := w.restless(); time.Since(w.trace.start) > 29*time.Hour && why == "" {
			break
		} else if time.Now().After(end) || w.gaveUp {
			w.violated("I6 everything comes to rest", "", "%s", why)
			break
		}
	}
	w.people.Wait()
	knockOff()
	staff.Wait()
	w.audit()
	stop()
	<-ended
	w.tally.Seeds, w.tally.Orders, w.tally.Locks = 1, len(w.plan.orders), len(w.plan.locks)
	w.tally.Steps, w.tally.Simulated = w.steps, time.Since(w.trace.start)
}

// begins sends everybody and everything on their way.
func (w *world) begins() {
	for i := range w.plan.orders {
		p := patient{w: w, plan: &w.plan.orders[i]}
		w.background(p.live)
	}
	for i := range w.plan.locks {
		w.background(func() { w.serve(&w.plan.locks[i]) })
	}
	for _, s := range w.plan.sales {
		w.later(s.at, func() {
			n, _ := w.his.Counter().Sell(keyOf(s.drug), s.n)
			w.trace.say("counter", "sells %d of %s", n, s.drug)
		})
	}
	for _, j := range w.plan.jumps {
		w.later(j.at, func() {
			w.tally.fault("clock: set " + note(j.by > 0, "forward") + note(j.by < 0, "back"))
			w.mu.Lock()
			w.offset += j.by
			w.jumped = time.Now()
			w.mu.Unlock()
			w.trace.say("world", "the clock is set by %v", j.by)
		})
	}
	for _, o := range w.plan.outages {
		w.later(o.at, func() { w.strike(o.what, 1) })
		w.later(o.at+o.lasts, func() { w.strike(o.what, -1) })
	}
	for i := range w.plan.orders {
		if p := (patient{w: w, plan: &w.plan.orders[i]}); p.plan.again > 0 && p.plan.at < w.plan.lost {
			w.later(w.plan.lost+w.plan.repair+p.plan.again, p.again)
		}
	}
	if w.plan.reconcile {
		for _, at := range w.plan.compares {
			w.later(at, w.compare)
		}
	}
	if w.plan.backup > 0 {
		w.later(w.plan.backup, w.takeBackup)
	}
	for _, c := range w.plan.prices {
		w.later(c.at, func() {
			f, _ := w.his.Facts("B")
			f.Stopped = c.what == "stopped"
			if c.what == "price" {
				f.Price = "12.80"
			}
			w.tally.fault("HIS: " + c.what + " of a drug changes")
			w.trace.say("HIS", "%s of B changes", c.what)
			_ = w.his.SetDrug(simhis.Drug{ID: "B", Facts: f})
		})
	}
}

func (w *world) strike(what string, by int) {
	w.mu.Lock()
	w.outages[what] += by
	on := w.outages[what] > 0
	w.mu.Unlock()
	if by > 0 {
		w.tally.fault(what)
	}
	w.trace.say("world", "%s: %s", what, note(on, "begins")+note(!on, "is over"))
}

// heal ends all trouble.
func (w *world) heal() {
	w.mu.Lock()
	w.calm = true
	w.offset = 0
	w.jumped = time.Now()
	clear(w.outages)
	w.mu.Unlock()
	w.his.ClearFaults()
	w.trace.say("world", "the trouble is over")
}

// closing tells whether the story is over.
func (w *world) closing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closes
}

func (w *world) background(f func()) { w.people.Go(f) }

func (w *world) later(d time.Duration, f func()) {
	w.background(func() {
		time.Sleep(d)
		f()
	})
}

// throw throws the dice about the next thing of that name.
func (w *world) throw(what, id string) roll {
	name := what + " " + id
	w.mu.Lock()
	w.thrown[name]++
	n := w.thrown[name]
	w.mu.Unlock()
	return w.dice.at(name, n)
}

func (w *world) troubled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.calm
}

// rough scales the smaller troubles: 0 in a calm run, and once the trouble is
// over.
func (w *world) rough() float64 {
	if !w.troubled() {
		return 0
	}
	return w.plan.pay / 0.15
}

func (w *world) out(what string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.outages[what] > 0
}

func (w *world) skew() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.offset
}

// wall is the machine's wall clock, which people set.
func (w *world) wall() time.Time { return time.Now().Add(w.skew()) }

// willing tells whether the patient of the order would pay.
func (w *world) willing(no string) bool {
	for i := range w.plan.orders {
		if w.plan.orders[i].no == no {
			return w.plan.orders[i].pays != "never"
		}
	}
	return false
}

// person notes a decision of a person that may leave an order both fulfilled and
// refunded (I5).
func (w *world) person(no, how string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.persons[no] = how
}

func (w *world) wish(no string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wishes[no] = time.Now()
}

// wished is how long ago that was.
func (w *world) wished(no string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.wishes[no])
}

func (w *world) byPerson(no string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.persons[no] != ""
}
