// Package cache keeps figures that are dear to fetch for a strict few seconds and
// spares their source: whatever the readers do, one key is fetched once per
// [Options.MaxAge], together with every other key that is wanted at the moment.
//
// It knows nothing about stock. Values are a type parameter, and so are stamps:
// an order of loads that is handed in, because wall clocks order nothing.
//
// # One key
//
//	            load landed                     age over, or told "changed"
//	(nothing) ──────────────► FRESH ───────────────────────────► OLD ──── MaxStale over ──► (nothing)
//	    ▲                      ▲  │ figure pushed: shown, its     │ ▲
//	    │ evicted              │  ▼ age is not renewed            │ │ load failed: answered, marked Stale
//	    └──────────────────────┴──────────── load landed ◄────────┘─┘
//
// # Loads
//
// A reader that finds its key FRESH is answered at once. Any other joins the
// key's ticket; tickets queue in one of two lanes, for ordinary readers and for
// those who want a live figure. No timer gathers company: a loader that becomes
// free takes everything that waits, up to the batch size, and an ordinary batch
// with room left is filled with keys that were read lately and are about to age
// out, so that keys that are read together come to be loaded together.
//
//	QUEUED ──loader free, stamp taken──► FLYING ──► LANDED (stored, or failed)
//	   ▲                                   │ a live reader, or any reader after a push,
//	   └── when this one has landed ◄──────┘ may not join: it waits for the next ticket [A2] [A3]
//
// With [Options.RefreshAfter] a reader of a FRESH value of that age starts a load
// behind itself, so that the next readers need not wait when its age is over.
//
// Loads run under their own deadline. A reader that leaves cancels nothing.
package cache
