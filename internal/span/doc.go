// Package span marks the stretches of a call's way for its trace: cache, guard,
// HIS, ledger, WeChat Pay.
//
// A room begins a span under that of its context and needs no settings for it:
// the span there knows where it is collected. Where a call is not in a trace
// that is recorded, nothing is done and nothing allocated. Work that goes on
// without its caller (a load for several readers, a lock that is being resolved,
// an order's worker) carries the caller's span along; it ends nobody's context
// and starts no trace of its own.
//
// Names and attributes are the project's words. Order and drug numbers, codes and
// outcomes may stand in them; what names or could name a patient, and texts of
// the HIS or of errors, may not.
package span
