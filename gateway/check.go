package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/hisgate/hisgate/cache"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// CheckRequest asks to compare an order with the stock. OrderNo may be empty.
type CheckRequest struct {
	OrderNo    string
	PharmacyID string
	Items      []lockstore.Item
	Live       bool
}

// CheckLine is the comparison of one drug, in smallest dispensing units.
type CheckLine struct {
	DrugID    string
	Requested int64
	Available int64
	Unknown   bool // the HIS does not know the drug
	Stopped   bool // not to be sold now
	Checked   bool // false: no reading could be had; nothing else is set
	Stale     bool // an old figure, because the HIS cannot be asked
	Multiple  int64
	Price     string // exact decimal yuan for PricePer units, "" = not told
	PricePer  int64
	AsOf      time.Time
}

// Check compares items with the stock without holding it; the same drug twice is
// one line. For an order that holds a lock only older holds count, and its own
// does not [A9]. It blocks while the HIS is asked.
//
// Errors: *HISError when nothing could be read at all, ErrOverloaded, ErrClosed,
// the error of ctx. A drug that cannot be read alone is a line that is not
// Checked.
func (g *Gateway) Check(ctx context.Context, r CheckRequest) ([]CheckLine, error) {
	before, err := g.ownHold(ctx, r.OrderNo)
	if err != nil {
		return nil, err
	}
	keys := keysOf(r.PharmacyID, r.Items)
	lines := make([]CheckLine, len(keys))
	var firstErr error
	read := 0
	for i, a := range g.cache.GetMany(ctx, keys, cache.Want{Live: r.Live, Rank: rankCheck}) {
		line := &lines[i]
		line.DrugID = keys[i].DrugID
		line.Requested = quantityOf(r.Items, line.DrugID)
		e, err := a.Entry, a.Err
		switch degraded := g.settings.Check.Degraded; {
		case err != nil && degraded == Accept && ctx.Err() == nil:
			e, err = g.lastFigure(keys[i], err)
		case err == nil && e.Stale && degraded == Reject:
			err = &HISError{Op: opQueryStock, Outcome: hisadapter.NotSent, Err: errOnlyOld}
		}
		if err == nil {
			err = g.checkLine(ctx, line, keys[i], e, before)
		}
		if err != nil {
			if firstErr == nil {
				firstErr = readError(err)
			}
			continue
		}
		read++
		if line.Stale {
			g.tally.degraded[UseCheck].Add(1)
		}
	}
	if read == 0 && firstErr != nil {
		return nil, firstErr
	}
	return lines, ctx.Err()
}

// errOnlyOld: the settings do not let a check go by an old figure.
var errOnlyOld = errors.New("only an old figure could be had")

// ownHold names the lock that the order holds, nil when it holds none.
func (g *Gateway) ownHold(ctx context.Context, orderNo string) (*lockstore.ID, error) {
	if orderNo == "" {
		return nil, nil
	}
	l, err := g.ledger.Get(ctx, "", orderNo)
	switch {
	case errors.Is(err, lockstore.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case l.Status == lockstore.Released:
		return nil, nil
	}
	id := l.ID()
	return &id, nil
}

// lastFigure stands in for a live reading that failed, marked stale.
func (g *Gateway) lastFigure(key hisadapter.Key, why error) (stockEntry, error) {
	e, ok := g.cache.Peek(key)
	if !ok || g.now().Sub(e.AsOf()) > g.settings.Cache.MaxStale {
		return e, why
	}
	e.Stale = true
	return e, nil
}

func (g *Gateway) checkLine(ctx context.Context, line *CheckLine, key hisadapter.Key, e stockEntry, before *lockstore.ID) error {
	for try := 1; ; try++ {
		if e.Absent {
			line.Unknown, line.Checked, line.AsOf = true, true, e.AsOf()
			return nil
		}
		a, err := g.ledger.Available(lockstore.Key(key), judgedAsShown(&e), before)
		if err == nil {
			line.fill(&e, a)
			return nil
		}
		if !isStale(err) || try == maxReloads {
			return err
		}
		if e, err = g.cache.Get(ctx, key, cache.Want{Live: true, Rank: rankCheck}); err != nil {
			return err
		}
	}
}

func (l *CheckLine) fill(e *stockEntry, a lockstore.Availability) {
	facts := &e.Value.facts
	l.Available, l.Stopped, l.Multiple = a.Available, facts.Stopped, facts.Multiple
	l.Price, l.PricePer = facts.Price, max(facts.PricePer, 1) // 0 is told for one
	l.Checked, l.Stale, l.AsOf = true, e.Stale, e.AsOf()
}
