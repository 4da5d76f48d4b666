//go:build chaos

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// chaos is a hospital on a very bad day, before a hisgate that is a process of its
// own: everything happens at random moments, at once, and the process is killed in
// between.
type chaos struct {
	*world
	serve   func() *exec.Cmd
	now     atomic.Pointer[process]
	unit    time.Duration // what pauses and troubles are measured in
	window  time.Duration // to pay
	patient time.Duration // how long a client repeats a call, and how long the end may take
	lag     time.Duration // the longest that a call is applied late
	prepays bool          // WeChat's troubles strike prepays too: what never arrives is given up 5 min after its time

	mu        sync.Mutex
	rng       *rand.Rand
	orders    []string        // every number asked for
	locks     []string        // those of internal services
	knowingly map[string]bool // refunded by a person after the drugs were given out
	count     map[string]int
}

// TestChaos is a short version of make chaos, which sets HISGATE_CHAOS to a
// duration: then hisgate serves as it is installed, from the binary named by
// HISGATE_BINARY, with no wait shortened but those that the configuration has.
// Before a HIS that freezes and before one that does not, the books agree to the
// fen in the end.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	lasts, long := 10*time.Second, os.Getenv("HISGATE_CHAOS")
	if long != "" {
		var err error
		if lasts, err = time.ParseDuration(long); err != nil || lasts <= 0 {
			t.Fatalf("HISGATE_CHAOS=%q is no duration", long)
		}
	}
	bothKinds(t, func(t *testing.T, freeze bool) {
		c := &chaos{
			world: newWorld(t, freeze), rng: rand.New(rand.NewPCG(seed, uint64(len(t.Name())))),
			unit:      min(max(lasts/100, 400*time.Millisecond), 5*time.Second),
			knowingly: map[string]bool{}, count: map[string]int{},
		}
		c.cfg.Log.Level = "info"
		c.cfg.Payment.RefundsPerHour = 100_000
		c.cfg.Limits.ClientRate, c.cfg.Limits.Rate = 0, 0
		if long == "" {
			c.asQuick()
		} else {
			c.asInstalled(os.Getenv("HISGATE_BINARY"))
		}
		c.shelve("D1", 60) // short all day
		c.shelve("D2", 1_000_000)
		c.run(lasts)
		c.settle()
		c.judgeBooks()
		c.print(seed, freeze, lasts)
	})
}

func (c *chaos) asQuick() {
	c.window, c.patient, c.lag = 15*time.Second, 7*time.Minute, 500*time.Millisecond
	file := c.writeConfig()
	c.serve = func() *exec.Cmd { return command(c.t, quickName, "-c", file, "-window", c.window.String()) }
}

func (c *chaos) asInstalled(binary string) {
	c.window, c.patient, c.lag, c.prepays = 2*time.Minute, 20*time.Minute, 2*time.Second, true
	p, g := &c.cfg.Payment, &c.cfg.HIS.Guard
	p.Window, p.HoldWindow, p.ProofGrace = c.window, c.window, time.Minute
	g.Rate, g.Burst, g.Concurrency = 200, 200, 16
	g.WriteTimeout, g.QueryTimeout, g.BusyAfterTimeout = 2*time.Second, time.Second, 2*time.Second
	file := c.writeConfig()
	c.serve = func() *exec.Cmd {
		if binary == "" {
			return command(c.t, "hisgate", "serve", "-c", file)
		}
		cmd := exec.CommandContext(c.t.Context(), binary, "serve", "-c", file)
		cmd.Env = plainEnv()
		return cmd
	}
}

// run lets everything happen until the time is over, and then what is under way
// come to its end.
func (c *chaos) run(lasts time.Duration) {
	c.now.Store(c.world.run(c.serve()))
	ctx, stop := context.WithTimeout(c.t.Context(), lasts)
	defer stop()
	var all sync.WaitGroup
	for _, happen := range []func(context.Context){c.arrive, c.counter, c.hisTroubles, c.wechatTroubles, c.operate, c.prove} {
		all.Go(func() { happen(ctx) })
	}
	c.kill(ctx)
	all.Wait()
	c.sims.HIS.ClearFaults()
	c.sims.HIS.SetDown(false)
	c.sims.WeChat.ClearFaults()
}

// kill kills hisgate at random moments, now and then while it still opens. Some
// lives are longer than the grace time in which a "none" of the HIS proves
// nothing: a crash begins that anew.
func (c *chaos) kill(ctx context.Context) {
	for c.rest(ctx, 0.5, 12) {
		c.now.Load().kill()
		c.add("killed")
		for c.chance(0.2) {
			cmd := c.serve()
			if err := cmd.Start(); err != nil {
				c.t.Fatal(err)
			}
			after(c.t, c.between(0, 400*time.Millisecond))
			cmd.Process.Kill()
			cmd.Wait()
			c.add("killed while it opened")
		}
		c.now.Store(c.world.run(c.serve()))
	}
}

// counter sells what it has without asking anyone, and takes deliveries.
func (c *chaos) counter(ctx context.Context) {
	for c.rest(ctx, 0.1, 1) {
		if n := c.sell("D1", int64(1+c.dice(4))); n > 0 {
			c.addN("boxes sold at the counter", int(n))
		}
		s, _ := c.sims.HIS.Books().Of(keyOf("D1"))
		if s.OnHand-s.Frozen < 20 && c.chance(0.5) {
			if err := c.sims.HIS.SetStock(keyOf("D1"), s.OnHand+40); err != nil {
				c.t.Error(err)
			}
			c.add("deliveries")
		}
	}
}

// prove looks at the proof obligation all the time.
func (c *chaos) prove(ctx context.Context) {
	for c.rest(ctx, 0.5, 1) {
		got, err := c.now.Load().try("GET", "/v1/proof", "")
		if err != nil || got.status != 200 {
			continue // killed meanwhile
		}
		report := &hisgatev1.ProofReport{}
		got.into(c.t, report)
		for _, u := range report.GetUnproven() {
			c.t.Errorf("unproven: %v", u)
		}
		c.add("proofs looked at")
	}
}

// settle waits until nothing is under way any more, with somebody who works the
// cases.
func (c *chaos) settle() {
	ctx, cancel := context.WithTimeout(c.t.Context(), c.patient)
	defer cancel()
	for {
		c.workCases()
		err := c.underWay()
		if err == nil {
			return
		}
		if !c.rest(ctx, 0.2, 0.4) {
			c.t.Fatalf("after %s there is still %v", c.patient, err)
		}
	}
}

// underWay is what has not come to its end.
func (c *chaos) underWay() error {
	a := c.now.Load().api
	cases := c.openCases()
	if len(cases) > 0 {
		return fmt.Errorf("%d open cases, the first: %v", len(cases), cases[0])
	}
	for _, no := range c.orders {
		got, err := a.try("GET", "/v1/orders/"+no, "")
		if err != nil {
			return err
		}
		if got.status == 404 {
			continue // never came through
		}
		if o := got.order(c.t); !ended(o.GetStatus()) {
			return fmt.Errorf("order %s: %s", no, got.body)
		}
	}
	for _, o := range c.sims.HIS.Books().Orders {
		if o.State == hisadapter.Frozen {
			return fmt.Errorf("the HIS holds a freeze of %s", o.HisNo)
		}
	}
	held := &hisgatev1.ListLocksResponse{}
	a.get("/v1/locks?status=PENDING&status=LOCKED&status=CONFIRMING&status=RELEASING").into(c.t, held)
	if n := len(held.GetLocks()); n > 0 {
		return fmt.Errorf("%d locks, the first: %v", n, held.GetLocks()[0])
	}
	return nil
}

func ended(s hisgatev1.Order_Status) bool {
	switch s {
	case hisgatev1.Order_FULFILLED, hisgatev1.Order_REFUNDED, hisgatev1.Order_CLOSED, hisgatev1.Order_REJECTED:
		return true
	}
	return false
}

// rest waits for some units, and reports false when the time is over.
func (c *chaos) rest(ctx context.Context, from, to float64) bool {
	unit := float64(c.unit)
	select {
	case <-time.After(c.between(time.Duration(from*unit), time.Duration(to*unit))):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func (c *chaos) dice(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n)
}

func (c *chaos) chance(p float64) bool { return c.dice(1_000_000) < int(p*1e6) }

func (c *chaos) between(from, to time.Duration) time.Duration {
	return from + time.Duration(c.dice(int(to-from)+1))
}

func (c *chaos) add(what string) { c.addN(what, 1) }

func (c *chaos) addN(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[what] += n
}
