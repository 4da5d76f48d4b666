// Package protect lets a crowd loose on a hospital's HIS, with hisgate in between
// or with nothing, and counts at the HIS and at the crowd what comes of it.
//
//	readers, lockers, confirmers ──gRPC──► hisgate ──HTTP──┐
//	                                                       ├──► Hospital: 4 at once, 300 ms,
//	the same crowd, as a plain back end ─────────HTTP──────┘    resets beyond; it counts
//
// Everything is real: time, sockets, and the program, as a process of its own.
// Only the HIS is simulated, and it has moods: it hangs, refuses connections,
// flaps, crawls, and is dead. All stays on the loopback address.
package protect
