// Package memengine is an [engine.Engine] in memory, for tests and for the
// deterministic simulation: real disk I/O does not block durably in a
// testing/synctest bubble, this does.
//
// An [Engine] is one opening of a simulated disk. The disk outlives it: Reopen
// closes properly and opens again, Crash pulls the plug at this very moment and
// opens what was durable. Either raises the epoch, and from then on the earlier
// opening answers errors only, so that goroutines that outlived the crash can do
// no harm.
//
//	           Apply                      disk has it
//	(visible) ───────► in flight ────────────────────────► visible and durable
//	                      │  Fail (lost or kept)
//	                      │  Crash, CrashKeepingInFlight
//	                      ▼
//	                   unknown: the next opening has all of it or nothing
//
// What is visible is durable, and a batch is never torn: faults decide only
// whether the batch in flight is there at the next opening.
package memengine
