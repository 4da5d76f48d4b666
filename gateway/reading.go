package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/hisgate/hisgate/cache"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/lockstore"
)

// reading is what the cache keeps of one key: the HIS's own figure, and over it
// what was pushed since. Only the first is ever shown to the ledger [A3].
type reading struct {
	onHand  int64
	facts   hisadapter.Facts
	began   time.Duration // Ledger.Mono when the call was queued
	pushed  int64
	amended bool // pushed is set
	refused bool // the HIS said no more than that the drug is stopped: onHand is no figure of its
}

// shown is the figure that readers see.
func (r *reading) shown() int64 {
	if r.amended {
		return r.pushed
	}
	return r.onHand
}

type (
	stockCache = cache.Cache[hisadapter.Key, reading, lockstore.Stamp]
	stockEntry = cache.Entry[reading, lockstore.Stamp]
	stockBatch = cache.Batch[hisadapter.Key, lockstore.Stamp]
	loaded     = cache.Result[reading]
)

// judged is the reading as the ledger sees it: the HIS's own figure.
func judged(e *stockEntry) lockstore.Reading {
	return lockstore.Reading{
		Stamp: e.Stamp, Began: e.Value.began, OnHand: e.Value.onHand, Multiple: e.Value.facts.Multiple,
	}
}

// judgedAsShown is the reading with the pushed figure, for answers to readers.
// Its stamp stays that of the HIS's reading, so that a push never makes a hold
// look known.
func judgedAsShown(e *stockEntry) lockstore.Reading {
	r := judged(e)
	r.OnHand = e.Value.shown()
	return r
}

func newStockCache(g *Gateway) *stockCache {
	s := g.settings.Cache
	return cache.New(cache.Options[hisadapter.Key, reading, lockstore.Stamp]{
		Stamp:        g.ledger.Stamp,
		Compare:      lockstore.Stamp.Compare,
		Load:         g.load,
		OnChange:     g.hub.changed,
		Now:          g.now,
		MaxAge:       s.MaxAge,
		Jitter:       max(s.Jitter, time.Nanosecond), // the cache takes 0 for its default
		AbsentAge:    s.UnknownDrug,
		MaxStale:     s.maxStale(),
		MaxWait:      s.MaxWait,
		RefreshAfter: s.RefreshAfter,
		RefreshRank:  rankRefresh,
		LoadTimeout:  g.settings.Calls.Read,
		BatchSize:    min(max(g.caps.BatchSize, 1), maxBatch),
		Loaders:      s.Loaders,
		MaxKeys:      s.MaxKeys,
		MaxAbsent:    s.MaxUnknown,
		MaxWaiting:   s.MaxWaiting,
	})
}

// maxBatch bounds a coalesced load where the driver would take more.
const maxBatch = 500

// load is the cache's source: one batch from the HIS, in the class of its
// highest waiter [C5]. Every figure is shown to the ledger before anyone else.
func (g *Gateway) load(ctx context.Context, b stockBatch) []loaded {
	ctx, s := span.BeginFor(ctx, b.Readers, "cache load")
	s.Number("keys", len(b.Keys))
	s.Flag("live", b.Live)
	began := g.ledger.Mono()
	start := g.now()
	results := g.query(withRank(ctx, b.Rank), b.Keys)
	failed := 0
	var last error
	for i := range results {
		r := &results[i]
		if r.Err != nil {
			failed++
			last = r.Err
			continue
		}
		r.Value.began = began
		if r.Absent || r.Value.refused {
			continue
		}
		err := g.ledger.Observe(lockstore.Key(b.Keys[i]), lockstore.Reading{
			Stamp: b.Stamp, Began: began, OnHand: r.Value.onHand, Multiple: r.Value.facts.Multiple,
		})
		if err != nil && !isStale(err) {
			r.Err = err
		}
		// A stale one was overtaken by a later load; the cache keeps that.
	}
	// A HIS that refuses a drug that was asked for alone can be read.
	silent := failed == len(results) && refusal(last) == nil
	if g.reads.note(silent, last) {
		g.log.reachable(!silent, last)
		if !silent {
			g.desk.hurry()
		}
	}
	if hisadapter.OutcomeOf(last) == hisadapter.Misconfigured && !turnedAway(last) {
		g.alert(Alert{Name: AlertMisconfigured, Detail: hisError(opQueryStock, last).Error()})
	}
	g.log.in(ctx).loaded(b, failed, last, g.now().Sub(start))
	s.Number("failed", failed)
	s.End(failed > 0)
	return results
}

// query reads a batch. The guard has halved what the HIS refused, so that one bad
// drug does not fail the others [C6]; a drug that it refuses as unknown is absent,
// and one that it refuses as stopped is just that.
func (g *Gateway) query(ctx context.Context, keys []hisadapter.Key) []loaded {
	out := make([]loaded, len(keys))
	readings, err := g.his.QueryStock(ctx, keys)
	part, partly := errors.AsType[*guard.BatchError](err)
	if partly {
		readings, err = part.Readings, nil
	}
	byKey := make(map[hisadapter.Key]*hisadapter.Reading, len(readings))
	for i := range readings {
		byKey[readings[i].Key] = &readings[i]
	}
	for i, key := range keys {
		r, failure := byKey[key], err
		if partly {
			failure = part.Failed[key]
		}
		switch h := refusal(failure); {
		case h != nil && h.Kind == hisadapter.UnknownDrug:
			out[i].Absent = true
		case h != nil && h.Kind == hisadapter.Stopped:
			out[i].Value = g.stopped(key)
		case failure != nil:
			out[i].Err = failure
		case r == nil:
			out[i].Err = &hisadapter.Error{Op: opQueryStock, Outcome: hisadapter.Unknown, Message: "no reading of this drug came back"}
		default:
			out[i] = loaded{Value: reading{onHand: r.OnHand, facts: r.Facts}, Absent: r.Unknown}
		}
	}
	return out
}

// stopped is what can be told of a drug of which the HIS says no more than that it
// is stopped: that, and what it had said of it before.
func (g *Gateway) stopped(key hisadapter.Key) reading {
	r := reading{refused: true}
	if last, ok := g.cache.Peek(key); ok {
		r.facts = last.Value.facts
	}
	r.facts.Stopped = true
	return r
}

// turnedAway reports whether the guard itself ended a call: the HIS has said
// nothing new.
func turnedAway(err error) bool {
	_, ok := errors.AsType[*guard.Rejection](err)
	return ok
}

func isStale(err error) bool {
	_, ok := errors.AsType[*lockstore.StaleReadingError](err)
	return ok
}

// readings loads the order's drugs as the settings ask for a lock. It returns
// readings by drug, and whether any of them is older than asked for [A10].
// Errors: *HISError, *HISRefusedError (unknown or stopped drug), ErrOverloaded,
// ErrClosed, the error of ctx.
func (g *Gateway) readings(ctx context.Context, r *LockRequest, live bool) (map[string]lockstore.Reading, bool, error) {
	keys := keysOf(r.PharmacyID, r.Items)
	entries, err := g.entries(ctx, keys, live)
	degraded := false
	if err != nil {
		entries, err = g.lastReadings(keys, r, err)
		if err != nil {
			return nil, false, err
		}
		degraded = true
	}
	out := make(map[string]lockstore.Reading, len(keys))
	var unknown, stopped []hisadapter.Shortage
	for i, key := range keys {
		e := &entries[i]
		missing := hisadapter.Shortage{DrugID: key.DrugID, Requested: quantityOf(r.Items, key.DrugID)}
		switch {
		case e.Absent:
			unknown = append(unknown, missing)
		case e.Value.facts.Stopped:
			stopped = append(stopped, missing)
		default:
			out[key.DrugID] = judged(e)
		}
	}
	switch {
	case len(unknown) > 0:
		return nil, false, &HISRefusedError{Kind: hisadapter.UnknownDrug, Shortages: unknown, ForGood: true}
	case len(stopped) > 0:
		return nil, false, &HISRefusedError{Kind: hisadapter.Stopped, Shortages: stopped, ForGood: true}
	}
	if degraded {
		g.tally.degraded[UseLock].Add(1)
	}
	return out, degraded, nil
}

// liveTries is how often a live reading is taken again because a push came while
// it was being taken. After that it is believed: a counter that sells without
// pause must not keep everyone from ordering.
const liveTries = 2

// entries reads keys for a lock: live, or as young as the cache's age. Figures
// that are only a fallback are an error here.
func (g *Gateway) entries(ctx context.Context, keys []hisadapter.Key, live bool) ([]stockEntry, error) {
	ctx, s := span.Begin(ctx, "cache")
	s.Number("keys", len(keys))
	s.Flag("live", live)
	out, err := g.entriesFrom(ctx, keys, live)
	s.End(err != nil)
	return out, err
}

func (g *Gateway) entriesFrom(ctx context.Context, keys []hisadapter.Key, live bool) ([]stockEntry, error) {
	want := cache.Want{Live: live, Rank: rankCheck}
	out := make([]stockEntry, len(keys))
	for i, a := range g.cache.GetMany(ctx, keys, want) {
		for try := 1; live && a.Err == nil && a.Entry.Outdated && try < liveTries; try++ {
			a.Entry, a.Err = g.cache.Get(ctx, keys[i], want)
		}
		if a.Err == nil && a.Entry.Stale {
			// What the cache fell back from is not told; a live look says it.
			a.Entry, a.Err = g.cache.Get(ctx, keys[i], cache.Want{Live: true, Rank: rankCheck})
		}
		if a.Err != nil {
			return nil, readError(a.Err)
		}
		out[i] = a.Entry
	}
	return out, nil
}

// lastReadings answers a Lock while the HIS is silent, if the settings allow it
// and every last reading is young enough. A paid order waits for the HIS: it will
// be asked to deduct in a moment anyway. why is returned otherwise.
func (g *Gateway) lastReadings(keys []hisadapter.Key, r *LockRequest, why error) ([]stockEntry, error) {
	e, down := errors.AsType[*HISError](why)
	if !down || e.Outcome == hisadapter.Misconfigured || g.settings.Lock.Degraded != Accept || r.Paid {
		return nil, why
	}
	out := make([]stockEntry, len(keys))
	for i, key := range keys {
		last, ok := g.cache.Peek(key)
		if !ok || g.now().Sub(last.LoadedAt) > g.settings.Lock.MaxStale {
			return nil, why
		}
		out[i] = last
	}
	return out, nil
}

// readError translates what the cache returned.
func readError(err error) error {
	switch {
	case errors.Is(err, cache.ErrTooManyWaiting):
		return ErrOverloaded
	case errors.Is(err, cache.ErrClosed):
		return ErrClosed
	}
	if h, ok := errors.AsType[*hisadapter.Error](err); ok {
		if h.Outcome == hisadapter.Refused {
			return refusedError(h)
		}
		return hisError(h.Op, err)
	}
	return err
}

func keysOf(pharmacy string, items []lockstore.Item) []hisadapter.Key {
	keys := make([]hisadapter.Key, 0, len(items))
	seen := make(map[string]bool, len(items))
	for _, it := range items {
		if !seen[it.DrugID] {
			seen[it.DrugID] = true
			keys = append(keys, hisadapter.Key{PharmacyID: pharmacy, DrugID: it.DrugID})
		}
	}
	return keys
}

func quantityOf(items []lockstore.Item, drug string) int64 {
	var sum int64
	for _, it := range items {
		if it.DrugID == drug {
			sum += it.Quantity
		}
	}
	return sum
}
