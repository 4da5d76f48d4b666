// Package gateway is the core of hisgate: it reads stock through the cache,
// carries locks through ledger and HIS, finds out what became of calls whose
// outcome is unknown, and gives back what has expired.
//
// # Who decides what
//
//	ledger   whether a lock may be made, and what follows from an event
//	HIS      whether it really freezes, deducts, gives back
//	gateway  which of the two is asked next
//
// The gateway keeps no state of a lock of its own. After every event it looks at
// the record and takes the next step (nextStep), so that an API call, a timer
// and a restart run through the same code:
//
//	record says                                next step
//	PENDING                                    Freeze
//	LOCKED, its freeze has lapsed              Freeze again
//	CONFIRMING, a freeze is needed and missing Freeze, then PlaceOrder: two durable steps [A7]
//	CONFIRMING                                 PlaceOrder
//	RELEASING, or RELEASED with a freeze left  Unfreeze
//	outcome of a call unknown; watch due;
//	RELEASING, and the HIS refused that        FindOrder
//	anything else                              rest
//
// # From the end of a call to an event
//
//	Freeze, PlaceOrder, Unfreeze
//	   ├── done, refused ──────────────► event
//	   ├── "duplicate", "wrong state" ─► FindOrder, and believe it [C4]
//	   ├── busy, not sent, misconfigured ► nothing happened: the same step later
//	   └── unknown ──► FindOrder at 1 s, 2 s, 5 s, 15 s, 1 min, 5 min, 5 min, …
//	                     ├── frozen, deducted, released ──► event
//	                     └── none, lapsed ── grace time over? ──► event; else ask again [C1]
//
// # One worker for each lock
//
// A lock is worked on by at most one goroutine (desk.go). Whoever wants
// something of a lock that is being worked on joins that work and waits for its
// end, as long as their own deadline allows; the work goes on without them.
package gateway
