package gateway

import (
	"context"
	"time"

	"github.com/hisgate/hisgate/cache"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/lockstore"
)

// Freshness says how young a figure must be.
type Freshness uint8

// The freshnesses of a reading.
const (
	Cached Freshness = iota // up to 10 s old
	Live                    // asked for after the request [A2]
)

// Source says where a figure came from.
type Source uint8

// The sources of a figure.
const (
	SourceLive   Source = iota + 1 // the HIS, for this request
	SourceCache                    // the HIS, lately
	SourcePushed                   // told by the HIS's side since
	SourceStale                    // the last one known; the HIS cannot be asked
)

// String returns the source as it stands in the API.
func (s Source) String() string {
	switch s {
	case SourceLive:
		return "LIVE"
	case SourceCache:
		return "CACHE"
	case SourcePushed:
		return "PUSHED"
	case SourceStale:
		return "STALE"
	default:
		return "INVALID"
	}
}

// Stock is what can be said of one key. Quantities are in smallest dispensing
// units.
type Stock struct {
	Key       hisadapter.Key
	Facts     hisadapter.Facts
	OnHand    int64 // as the HIS, or its last push, has it
	Held      int64 // by holds that OnHand cannot know of
	Safety    int64
	Available int64 // on-hand − held − safety, floored to the multiple, never below 0
	AsOf      time.Time
	Source    Source
	Degraded  bool // the HIS cannot be asked; the figure is old
	Orderable bool // not stopped, and some of it is available
	Unknown   bool // the HIS does not know the drug; only Key and AsOf are set
}

// StockResult is one key's answer in a batch.
type StockResult struct {
	Stock Stock
	Err   error
}

// GetStock reads one key, through the cache or live. It blocks while the HIS is
// asked, at most until ctx ends. When the HIS is silent the last figure of up to
// Cache.MaxStale is answered and marked, for Cached reads. What is held may count
// locks that are not durable yet: the figure is advice, and Lock judges again.
//
// Errors: *UnknownDrugError, *HISError, *HISRefusedError (the HIS refuses to
// answer for this drug), ErrOverloaded, ErrClosed, the error of ctx.
func (g *Gateway) GetStock(ctx context.Context, key hisadapter.Key, f Freshness) (Stock, error) {
	ctx, s := span.Begin(ctx, "cache")
	e, err := g.cache.Get(ctx, key, cache.Want{Live: f == Live, Rank: rankQuery})
	s.Flag("live", f == Live)
	s.Flag("hit", err == nil && !e.Waited)
	s.Flag("stale", e.Stale)
	s.End(err != nil)
	if err != nil {
		return Stock{}, readError(err)
	}
	return g.stockOf(ctx, key, e)
}

// BatchGetStock is GetStock for several keys, which share their calls to the
// HIS. It returns one result for each key, in the order asked; the error is only
// that of ctx.
func (g *Gateway) BatchGetStock(ctx context.Context, keys []hisadapter.Key, f Freshness) ([]StockResult, error) {
	out := make([]StockResult, len(keys))
	ctx, s := span.Begin(ctx, "cache")
	s.Number("keys", len(keys))
	s.Flag("live", f == Live)
	defer s.End(false)
	for i, a := range g.cache.GetMany(ctx, keys, cache.Want{Live: f == Live, Rank: rankQuery}) {
		if a.Err != nil {
			out[i].Err = readError(a.Err)
			continue
		}
		out[i].Stock, out[i].Err = g.stockOf(ctx, keys[i], a.Entry)
	}
	return out, ctx.Err()
}

// stockOf subtracts holds and safety from a cached figure. A figure from before
// one against which holds were dropped is read again.
func (g *Gateway) stockOf(ctx context.Context, key hisadapter.Key, e stockEntry) (Stock, error) {
	for try := 1; ; try++ {
		if e.Absent {
			return Stock{Key: key, AsOf: e.AsOf(), Unknown: true}, &UnknownDrugError{Key: key}
		}
		a, err := g.ledger.Available(lockstore.Key(key), judgedAsShown(&e), nil)
		if err == nil {
			s := stockFrom(key, &e, a)
			g.tally.answered(&s, g.now())
			return s, nil
		}
		if !isStale(err) || try == maxReloads {
			return Stock{}, err
		}
		if e, err = g.cache.Get(ctx, key, cache.Want{Live: true, Rank: rankQuery}); err != nil {
			return Stock{}, readError(err)
		}
	}
}

// maxReloads bounds how often a reading is loaded again because holds were
// dropped against a newer one meanwhile. Each live load has the newest stamp when
// it begins, so a second one is rare.
const maxReloads = 4

func stockFrom(key hisadapter.Key, e *stockEntry, a lockstore.Availability) Stock {
	s := Stock{
		Key: key, Facts: e.Value.facts,
		OnHand: e.Value.shown(), Held: a.Held, Safety: a.Safety, Available: a.Available,
		AsOf: e.AsOf(), Degraded: e.Stale,
		Orderable: a.Available > 0 && !e.Value.facts.Stopped,
	}
	switch {
	case e.Stale:
		s.Source = SourceStale
	case e.Value.amended:
		s.Source = SourcePushed
	case e.Waited:
		s.Source = SourceLive
	default:
		s.Source = SourceCache
	}
	return s
}

// StockChange is news of a stock from the HIS's side.
type StockChange struct {
	Key      hisadapter.Key
	OnHand   *int64 // absolute, in smallest dispensing units; nil = changed, re-read
	Sequence *int64 // orders the changes of one source for one key; nil = unordered
	Source   string
	At       time.Time // when it changed, by the source's clock; zero = not said
}

// ReportStockChange takes news of stock. A figure is shown to readers until the
// next reading, and not when by its own time it is older than a reading may be: then
// the HIS is asked. It never drops a hold and never feeds a lock [A3]. It returns how
// many were applied, and how many dropped because a later one of their source
// came before. It does not block on the HIS.
//
// Errors: *lockstore.InvalidError, before anything is applied.
func (g *Gateway) ReportStockChange(_ context.Context, changes []StockChange) (applied, dropped int, err error) {
	for _, c := range changes {
		if c.Key.PharmacyID == "" {
			return 0, 0, &lockstore.InvalidError{Field: "pharmacy_id", Reason: "is empty"}
		}
		if c.Key.DrugID == "" {
			return 0, 0, &lockstore.InvalidError{Field: "drug_id", Reason: "is empty"}
		}
	}
	for _, c := range changes {
		p := cache.Push[reading]{Source: c.Source, Sequence: c.Sequence, At: c.At}
		if c.OnHand != nil {
			onHand := *c.OnHand
			p.Amend = func(r reading) reading {
				r.pushed, r.amended = onHand, true
				return r
			}
		}
		if g.cache.Push(c.Key, p) {
			applied++
		} else {
			dropped++
		}
	}
	return applied, dropped, nil
}
