// Package simhis is a hospital information system made for simulation: it has
// pharmacies, drugs with facts and prices, stock on the shelf, a counter that
// sells behind our back, and every bad habit of a real HIS on demand.
//
// It has two doors to the same shelf. In process, HIS.Driver is a
// hisadapter.Driver. Over HTTP, HIS.Handler speaks a small JSON protocol under
// /his/, answers business refusals with status 200, a code and words as hospitals
// do, and Dial is the driver for it; behind a Door that is shut, connections are
// refused. Control calls stand under /sim/.
//
// # One his_no at this HIS
//
//	         Freeze            PlaceOrder             CancelOrder
//	none ───────────► frozen ─────────────► deducted ────────────► released
//	  │               │    │                   ▲                     ▲
//	  │     TTL, Lapse▼    └────Unfreeze───────┼─────────────────────┘
//	  │             lapsed ──Freeze──► frozen  │
//	  └──────── PlaceOrder (no freeze needed) ─┘
//
// What exists of this picture, and what a repeat does, is decided by
// Config.Capabilities, which the driver declares as they are.
//
// # Time
//
// Nothing runs in the background. Freezes that run out, writes that are applied
// late, and the counter's sales program are events on a queue; each call first
// plays what has come due by Config.Now. So a simulation is exact under
// testing/synctest and under a clock turned by hand. Only latency and hanging
// calls wait on real timers.
//
// # Books
//
// Books tells all that ever happened: stock laid in, counter sales, each
// application of each order, cancellations and freezes. Oversold and
// Books.Check are there to prove the invariants I1 (never more taken than there
// was) and I4 (no order applied twice).
package simhis
