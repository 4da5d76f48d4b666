package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// Settings tune the gateway. Begin with DefaultSettings; Open names every value
// that is out of range.
type Settings struct {
	// Freeze holds stock at a HIS that can freeze already when it is locked.
	// Without it such a HIS is treated as one that cannot; where its deduct
	// demands a freeze, that is taken at Confirm.
	Freeze bool
	// FreezeMargin is how long before its end a freeze is counted as lapsed.
	FreezeMargin time.Duration
	// FigureLag is how long after a write a reading may still show the old
	// figure; the larger of it and the driver's own counts [A4].
	FigureLag time.Duration
	// PayMargin is how long before the end of a HIS freeze a lock must have
	// expired [A7].
	PayMargin time.Duration

	Cache    CacheSettings
	Lock     LockSettings
	Check    CheckSettings
	Calls    CallSettings
	Resolver ResolverSettings
	Expiry   ExpirySettings
	// MaxWatchers bounds the streams of WatchStock.
	MaxWatchers int
	// PurgeEvery is the pause between two purges of the ledger.
	PurgeEvery time.Duration
}

// CacheSettings tune the reading of stock.
type CacheSettings struct {
	MaxAge time.Duration // a figure is answered this long without asking
	// RefreshAfter is the age from which a figure that is read is loaded anew
	// behind its reader; 0 = never. It costs MaxAge / RefreshAfter times the calls.
	RefreshAfter time.Duration
	Jitter       time.Duration // shortens MaxAge by a random part of it
	Degraded     Degraded      // Accept: readers are given the last figure of up to MaxStale, marked
	MaxStale     time.Duration // a HIS that is silent: the last figure up to this age
	MaxWait      time.Duration // a HIS that is slow: a reader waits so long where there is a last figure
	UnknownDrug  time.Duration // a drug that the HIS does not know; shortened by up to a third
	MaxKeys      int           // figures kept
	MaxUnknown   int           // unknown drugs remembered
	MaxWaiting   int           // keys that readers wait for
	Loaders      int           // loads at the same time: so many ordinary, so many live
}

// maxStale is the oldest figure that readers are given.
func (s CacheSettings) maxStale() time.Duration {
	if s.Degraded == Reject {
		return time.Nanosecond
	}
	return s.MaxStale
}

// Degraded says what is done while the HIS cannot be asked. Each use leaves the
// degraded mode by itself with the next reading.
type Degraded uint8

// The policies while the HIS cannot be asked.
const (
	Reject Degraded = iota // refuse: the HIS is unavailable
	Accept                 // go by the last reading, if young enough, and mark the answer [A10]
)

// CheckSettings tune Check.
type CheckSettings struct {
	Degraded Degraded // Accept: lines from figures of up to Cache.MaxStale, marked
}

// LockSettings tune Lock.
type LockSettings struct {
	Freshness  Freshness // Live, or Cached: a reading of up to Cache.MaxAge
	Degraded   Degraded
	MaxStale   time.Duration // of the last reading under Accept
	DefaultTTL time.Duration // where the request names none
	MaxTTL     time.Duration
}

// CallSettings bound the calls to the HIS, which outlive those who asked for
// them. Each covers waiting and repeats inside the guard.
type CallSettings struct {
	Read  time.Duration
	Write time.Duration
	// Attempt is the guard's longest deadline for one attempt of a write
	// (Timeouts.Longest): the HIS timeout that the grace time is measured by.
	Attempt time.Duration
}

// ResolverSettings tune how unknown outcomes are found out.
type ResolverSettings struct {
	// Backoff lists the pauses between looks; the last repeats for ever.
	Backoff []time.Duration
	// Misconfigured is the shortest pause after a HIS refused us as such.
	Misconfigured time.Duration
	// Grace is how long after an unknown outcome a "none" is not believed: at
	// least twice Calls.Attempt [C1].
	Grace time.Duration
	// Workers is how many locks are worked on at once without a caller: so many
	// that hold up an order, and so many others.
	Workers int
	// CaseAfter is the age at which an unknown outcome becomes a case. The looks
	// go on meanwhile.
	CaseAfter time.Duration
}

// ExpirySettings tune the release of what has expired.
type ExpirySettings struct {
	Workers int           // expired locks handled at once
	Owner   time.Duration // bound for one question to the owner
	Retry   time.Duration // pause before the owner is asked again, or a failed release repeated
}

// DefaultSettings are safe for a HIS of which nothing is known.
func DefaultSettings() Settings {
	return Settings{
		Freeze:       true,
		FreezeMargin: 30 * time.Second,
		PayMargin:    5 * time.Minute,
		Cache: CacheSettings{
			Degraded: Accept,
			MaxAge:   10 * time.Second, Jitter: time.Second, MaxStale: 5 * time.Minute, MaxWait: 2 * time.Second, UnknownDrug: 3 * time.Second,
			MaxKeys: 100_000, MaxUnknown: 10_000, MaxWaiting: 50_000, Loaders: 4,
		},
		Lock: LockSettings{
			Freshness: Live, Degraded: Reject, MaxStale: time.Minute,
			DefaultTTL: 15 * time.Minute, MaxTTL: 2 * time.Hour,
		},
		Check: CheckSettings{Degraded: Accept},
		Calls: CallSettings{Read: 10 * time.Second, Write: 30 * time.Second, Attempt: 10 * time.Second},
		Resolver: ResolverSettings{
			Backoff: []time.Duration{
				time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute,
			},
			Misconfigured: time.Minute,
			Grace:         30 * time.Second,
			Workers:       8,
			CaseAfter:     30 * time.Minute,
		},
		Expiry:      ExpirySettings{Workers: 32, Owner: 5 * time.Second, Retry: 5 * time.Second},
		MaxWatchers: 1000,
		PurgeEvery:  time.Hour,
	}
}

// Policy is what the ledger must know of the HIS under these settings. Hand it to
// lockstore.Open, so that ledger and gateway agree.
func Policy(c hisadapter.Capabilities, s Settings) lockstore.Policy {
	return lockstore.Policy{
		Freeze:            c.Freeze && s.Freeze,
		NetFigure:         c.NetFigure,
		DeductNeedsFreeze: c.DeductNeedsFreeze,
		AtomicItems:       c.AtomicItems,
		IdempotentByHisNo: c.IdempotentByHisNo,
		Find:              c.Find,
		FreezeTTL:         c.FreezeTTL,
		FreezeMargin:      s.FreezeMargin,
		FigureLag:         max(c.FigureLag, s.FigureLag),
		Grace:             s.Resolver.Grace,
		HisNoMax:          c.HisNoMax,
		MaxStale:          max(s.Cache.MaxStale, s.Lock.MaxStale),
	}
}

// Validate returns everything that is wrong with the settings for a HIS with
// these capabilities. Field names are those of the structs, in lower case.
func (s Settings) Validate(c hisadapter.Capabilities) error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	for _, d := range []struct {
		name     string
		value    time.Duration
		atLeast  time.Duration
		zeroToo  bool
		smallest string
	}{
		{name: "freeze margin", value: s.FreezeMargin, zeroToo: true},
		{name: "figure lag", value: s.FigureLag, zeroToo: true},
		{name: "pay margin", value: s.PayMargin, zeroToo: true},
		{name: "cache max age", value: s.Cache.MaxAge},
		{name: "cache jitter", value: s.Cache.Jitter, zeroToo: true},
		{name: "cache refresh after", value: s.Cache.RefreshAfter, zeroToo: true},
		{name: "cache max stale", value: s.Cache.MaxStale},
		{name: "cache max wait", value: s.Cache.MaxWait, zeroToo: true},
		{name: "cache unknown drug", value: s.Cache.UnknownDrug},
		{name: "lock max stale", value: s.Lock.MaxStale},
		{name: "lock default ttl", value: s.Lock.DefaultTTL},
		{name: "lock max ttl", value: s.Lock.MaxTTL, atLeast: s.Lock.DefaultTTL, smallest: "the default ttl"},
		{name: "calls attempt", value: s.Calls.Attempt},
		{name: "calls read", value: s.Calls.Read},
		{name: "calls write", value: s.Calls.Write},
		{name: "resolver misconfigured", value: s.Resolver.Misconfigured},
		{name: "resolver grace", value: s.Resolver.Grace, atLeast: 2 * s.Calls.Attempt, smallest: "twice the HIS timeout"},
		{name: "resolver case after", value: s.Resolver.CaseAfter, atLeast: s.Resolver.Grace, smallest: "the grace time"},
		{name: "expiry owner", value: s.Expiry.Owner},
		{name: "expiry retry", value: s.Expiry.Retry},
		{name: "purge every", value: s.PurgeEvery},
	} {
		switch {
		case d.value < 0, d.value == 0 && !d.zeroToo:
			bad("%s: %v is not a possible time", d.name, d.value)
		case d.value < d.atLeast:
			bad("%s: %v is less than %s, %v", d.name, d.value, d.smallest, d.atLeast)
		}
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"cache max keys", s.Cache.MaxKeys},
		{"cache max unknown", s.Cache.MaxUnknown},
		{"cache max waiting", s.Cache.MaxWaiting},
		{"cache loaders", s.Cache.Loaders},
		{"resolver workers", s.Resolver.Workers},
		{"expiry workers", s.Expiry.Workers},
		{"max watchers", s.MaxWatchers},
	} {
		if n.value < 1 {
			bad("%s: %d is not a possible number", n.name, n.value)
		}
	}
	if len(s.Resolver.Backoff) == 0 {
		bad("resolver backoff: no pause is named")
	}
	for _, d := range s.Resolver.Backoff {
		if d <= 0 {
			bad("resolver backoff: %v is not a possible pause", d)
		}
	}
	if s.Cache.Jitter >= s.Cache.MaxAge {
		bad("cache jitter: %v leaves nothing of the max age, %v", s.Cache.Jitter, s.Cache.MaxAge)
	}
	if s.Cache.RefreshAfter > 0 && s.Cache.RefreshAfter >= s.Cache.MaxAge-s.Cache.Jitter {
		bad("cache refresh after: %v is not before the shortest age, %v", s.Cache.RefreshAfter, s.Cache.MaxAge-s.Cache.Jitter)
	}
	errs = append(errs, s.validateFreeze(c))
	return errors.Join(errs...)
}

// validateFreeze holds the settings against what the HIS can do.
func (s Settings) validateFreeze(c hisadapter.Capabilities) error {
	var errs []error
	native := c.Freeze && s.Freeze
	if (native || c.DeductNeedsFreeze) && !c.Find {
		errs = append(errs, errors.New("freeze: a HIS that cannot say what became of a freeze must not be asked to freeze"))
	}
	if c.DeductNeedsFreeze && !c.Freeze {
		errs = append(errs, errors.New("freeze: the deduct needs a freeze, and the driver offers none"))
	}
	if native && c.FreezeTTL > 0 && s.Lock.DefaultTTL > c.FreezeTTL-s.PayMargin {
		errs = append(errs, fmt.Errorf("lock default ttl: %v must end %v before the HIS lets its freeze lapse after %v",
			s.Lock.DefaultTTL, s.PayMargin, c.FreezeTTL))
	}
	return errors.Join(errs...)
}
