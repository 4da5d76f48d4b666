package protect

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// How long each of the crowd waits for an answer.
const (
	readPatience    = 5 * time.Second
	lockPatience    = 10 * time.Second
	confirmPatience = 15 * time.Second
)

// use is one thing that the crowd does.
type use string

const (
	reading    use = "read"
	locking    use = "lock"
	confirming use = "confirm"
)

// sample is one answer.
type sample struct {
	use   use
	began time.Time
	took  time.Duration
	err   error
	stale bool
	asOf  time.Time
}

// crowd is the callers of a run. run numbers its orders.
type crowd struct {
	backend
	run  string
	seed uint64
	note func(sample)

	held []order // by confirmer; outlives the phases
}

// order is one that is held and not confirmed yet.
type order struct{ no, drug string }

// stand lets the crowd ask from the start on until ctx ends, and returns when the
// last has its answer.
func (c *crowd) stand(ctx context.Context, phase string, who Crowd) {
	var wg sync.WaitGroup
	each := func(n int, every time.Duration, kind uint64, do func(who, turn int, r *rand.Rand)) {
		for i := range n {
			r := rand.New(rand.NewPCG(c.seed, kind<<32|uint64(i)))
			wg.Go(func() {
				next := time.Now().Add(time.Duration(r.Int64N(int64(every))))
				for turn := 0; ; turn++ {
					if wait(ctx, time.Until(next)); ctx.Err() != nil {
						return
					}
					do(i, turn, r)
					for next = next.Add(every); time.Until(next) < 0; {
						next = next.Add(every) // it waited too long for its answer: one turn is left out
					}
				}
			})
		}
	}
	each(who.Readers, readEvery, 1, func(_, _ int, r *rand.Rand) { c.reads(drugID(r.IntN(drugs))) })
	each(who.Lockers, workEvery, 2, func(i, turn int, r *rand.Rand) {
		no := fmt.Sprintf("%s-%s-L%d-%d", c.run, phase, i, turn)
		if c.timed(locking, lockPatience, func(ctx context.Context) error { return c.lock(ctx, no, drugID(r.IntN(drugs))) }) {
			c.quietly(lockPatience, func(ctx context.Context) error { return c.release(ctx, no) })
		}
	})
	// Who confirms has the stock held already, as a patient who paid has: trouble
	// meets the confirmation itself.
	c.held = append(c.held, make([]order, max(who.Confirmers-len(c.held), 0))...)
	each(who.Confirmers, workEvery, 3, func(i, turn int, r *rand.Rand) {
		if o := c.held[i]; o.no != "" {
			c.held[i] = order{}
			c.timed(confirming, confirmPatience, func(ctx context.Context) error { return c.confirm(ctx, o.no, o.drug) })
		}
		o := order{fmt.Sprintf("%s-%s-C%d-%d", c.run, phase, i, turn), drugID(r.IntN(drugs))}
		if c.quietly(lockPatience, func(ctx context.Context) error { return c.lock(ctx, o.no, o.drug) }) {
			c.held[i] = o
		}
	})
	wg.Wait()
}

func (c *crowd) reads(drug string) {
	ctx, cancel := context.WithTimeout(context.Background(), readPatience)
	defer cancel()
	s := sample{use: reading, began: time.Now()}
	s.asOf, s.stale, s.err = c.read(ctx, drug)
	s.took = time.Since(s.began)
	c.note(s)
}

// timed does something that is looked at, quietly something that is not. Callers
// end their calls themselves: none is cut short by the end of a phase.
func (c *crowd) timed(u use, patience time.Duration, do func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := sample{use: u, began: time.Now()}
	s.err = do(ctx)
	s.took = time.Since(s.began)
	c.note(s)
	return s.err == nil
}

func (c *crowd) quietly(patience time.Duration, do func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return do(ctx) == nil
}
