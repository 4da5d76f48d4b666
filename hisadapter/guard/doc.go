// Package guard stands between hisgate and a HIS, so that neither hurts the
// other. A Guard is a hisadapter.Driver around any driver.
//
//	call ─► paused? ─► breaker open? ─► queue ─► slot + token ─► breaker ─► driver
//	            │            │            │ by class, bounded        │         │
//	            ▼            ▼            ▼                          ▼         ▼
//	      Misconfigured   NotSent      NotSent                    NotSent   outcome
//	                                                                           │
//	          ▲────────── backoff, within the retry budget ◄───────────────────┘
//
// A read is tried again after Busy, NotSent and Unknown. A write is tried again
// only after Busy and NotSent, when the HIS has certainly done nothing; after
// Unknown the resolver asks FindOrder instead.
//
// # Classes
//
// Confirm > ClientRelease > Freeze, LiveCheck > Query > ExpiryRelease > Refresh.
// The caller names the class with WithClass. The next free slot goes to the
// highest class that waits, but each class has a minimum share of the turns, so
// that none starves. One slot is Confirm's alone [C5], and of a burst within the
// rate the others leave it a tenth.
//
// Each class has a queue of bounded length. Who waits in it waits no longer than
// its caller has time; a caller whose time would end before its turn can come is
// refused at once, with the time that the turn would have taken.
//
// # Slots after a timeout
//
// A call that timed out still occupies the HIS. Its slot stays taken until the
// driver brings a definite answer after all, or for busy_after_timeout, so that
// the HIS never sees more calls than it was promised (I7).
//
// # Breaker
//
//	       failure ratio, slow ratio,
//	closed ──────────or hung─────────────► open ──open_for──► half-open
//	  ▲                                      ▲                     │
//	  └───────── probes succeeded ───────────┼─────────────────────┤
//	                                         └──── a probe failed ─┘
//
// Hung: three failures in a row, and calls that timed out occupy every slot but
// Confirm's. A HIS that hangs fails too few calls for a ratio to tell.
//
// Half-open probes are reads. A write that comes then first lets a read of its
// own drug go ahead, and is NotSent if that fails. Refused, Find and
// Misconfigured are answers of a HIS in good health, and no failures.
package guard
