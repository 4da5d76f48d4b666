package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Options configure a [Cache]. Stamp, Compare and Load are required; any other
// field left zero takes the default named at it.
type Options[K comparable, V, S any] struct {
	// Stamp returns the next stamp. It is called just before a load is started,
	// under the cache's lock: it must be quick and must not call the cache.
	Stamp func() S
	// Compare returns a negative number, 0 or a positive one as a is earlier
	// than, equal to or later than b.
	Compare func(a, b S) int
	// Load fetches a batch and returns one result for each key, in the order of
	// the keys. It blocks; its ctx ends after LoadTimeout or at Close, never
	// because a reader left.
	Load func(ctx context.Context, b Batch[K, S]) []Result[V]
	// OnChange, when set, is told each key whose value was loaded, pushed or
	// called outdated. It is called outside the cache's lock and must be quick.
	OnChange func(K)
	// Now is the clock; differences are taken on its monotonic reading.
	// Default time.Now.
	Now func() time.Time
	// Random returns a number in [0, 1) for the jitter. Default: math/rand/v2.
	Random func() float64

	// MaxAge is how long a loaded value is answered without asking again,
	// counted from the moment its load began. Default 10 s.
	MaxAge time.Duration
	// Jitter shortens MaxAge by a random part of itself, afresh for each load,
	// and never prolongs it. Default a tenth of MaxAge.
	Jitter time.Duration
	// AbsentAge is the same for keys that the source does not know, shortened by
	// up to a third. Default 3 s, so 2 to 3 s.
	AbsentAge time.Duration
	// RefreshAfter is the age from which a fresh value that is read is loaded
	// anew behind its reader, who is answered at once. Each load is tried once; a
	// key that nobody reads is left alone. It costs the source MaxAge /
	// RefreshAfter times the loads. 0 = never.
	RefreshAfter time.Duration
	// RefreshRank is the rank of a load that nobody waits for, and the most that one
	// has which only a push asks for.
	RefreshRank int
	// MaxStale is the age up to which the last value is answered, marked Stale,
	// when it cannot be loaded. Default 5 min.
	MaxStale time.Duration
	// MaxWait is how long readers wait for a key to be loaded when there is a last
	// value younger than MaxStale, counted from the first of them; then they are
	// answered with that, marked Stale, and the load goes on without them. Those who
	// come later, while it still is not loaded, do not wait at all. 0 = until the
	// load ends. Live readers wait for their load in any case.
	MaxWait time.Duration
	// LoadTimeout bounds one Load. Default 10 s.
	LoadTimeout time.Duration

	// BatchSize is the largest number of keys in one Load. Default 100.
	BatchSize int
	// Loaders is the largest number of Loads at the same time in each of the two
	// lanes. In the ordinary lane a further one starts only for a full batch.
	// Default 4.
	Loaders int
	// MaxKeys bounds the values kept, and the sequence numbers. Default 100,000.
	MaxKeys int
	// MaxAbsent bounds the keys remembered as unknown to the source; they have
	// their own room, so that invented ones cannot drive out real ones.
	// Default 10,000.
	MaxAbsent int
	// MaxWaiting bounds the keys that readers wait for, counted once for each
	// reader. Default 50,000.
	MaxWaiting int
}

// Batch is what one Load is to fetch.
type Batch[K comparable, S any] struct {
	Keys  []K
	Stamp S    // of this load; every key in it was asked for before it was taken
	Rank  int  // the highest of all who wait for it
	Live  bool // from the live lane

	// Readers are the contexts of those who asked first for each key, for what
	// they carry. They may be over; the load does not end with them.
	Readers []context.Context
}

// Result is what the source said of one key.
type Result[V any] struct {
	Value  V
	Absent bool // the source does not know the key; Value is kept all the same
	Err    error
}

// Want says how a reader wants its value.
type Want struct {
	// Live asks for a load whose stamp is taken after the request [A2].
	Live bool
	// Rank is handed to the load, which takes the highest of its waiters. A load
	// that has begun with a lower one is not waited for, where a further one may
	// begin at once [C5].
	Rank int
}

// Entry is a value and what is known of its age.
type Entry[V, S any] struct {
	Value    V
	Stamp    S         // of the load that fetched it
	LoadedAt time.Time // when that load began
	PushedAt time.Time // when a push last amended it; zero = it is as loaded
	Absent   bool      // the source does not know the key
	Waited   bool      // it was loaded for this reader
	Outdated bool      // a push came while it was being loaded
	Stale    bool      // it could not be loaded, or not in time; this is the last one known
}

// AsOf is the moment for which the value speaks.
func (e Entry[V, S]) AsOf() time.Time {
	if e.PushedAt.After(e.LoadedAt) {
		return e.PushedAt
	}
	return e.LoadedAt
}

// Answer is the result of one key of GetMany.
type Answer[V, S any] struct {
	Entry Entry[V, S]
	Err   error
}

// Errors of the cache itself. Every other error of a reader is the load's, or
// that of its own context.
var (
	ErrClosed         = errors.New("cache: closed")
	ErrTooManyWaiting = errors.New("cache: too many readers are waiting")
)

func (o *Options[K, V, S]) defaults() {
	positive(&o.MaxAge, 10*time.Second)
	positive(&o.Jitter, o.MaxAge/10)
	positive(&o.AbsentAge, 3*time.Second)
	positive(&o.MaxStale, 5*time.Minute)
	positive(&o.LoadTimeout, 10*time.Second)
	positive(&o.BatchSize, 100)
	positive(&o.Loaders, 4)
	positive(&o.MaxKeys, 100_000)
	positive(&o.MaxAbsent, 10_000)
	positive(&o.MaxWaiting, 50_000)
	o.Jitter = min(o.Jitter, o.MaxAge)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
}

func positive[T ~int | ~int64](v *T, fallback T) {
	if *v <= 0 {
		*v = fallback
	}
}
